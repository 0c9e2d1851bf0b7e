"""What notebooks ask for: a run as a pandas table, and its figures as matplotlib's."""
