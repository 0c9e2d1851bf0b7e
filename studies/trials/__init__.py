"""Trials of the whole program: the gate where the truth is known, and runs that are killed."""
