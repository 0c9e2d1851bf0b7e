"""The page that people open: one file with the answer first, then every figure and table."""
