"""The ladder from samples to verdicts: effects, estimates, comparisons, rankings, stopping."""
