"""What users see, as golden files: `python -m tests.golden` writes them anew.

`results/` holds stored runs of a machine called golden, `said/` what every command prints of them
and the files that it writes. A change there is read in the diff of its commit, word by word.
"""
