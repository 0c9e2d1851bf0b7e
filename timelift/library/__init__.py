"""Runs for notebooks and other programs: tables and figures (docs/library.md)."""
