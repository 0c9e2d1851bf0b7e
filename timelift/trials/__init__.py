"""Trials of the gate: suites whose truth is known, run as a user's would be."""
