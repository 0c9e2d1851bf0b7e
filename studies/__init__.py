"""Proofs of the tool that the product never imports: `python -m studies.NAME`."""
