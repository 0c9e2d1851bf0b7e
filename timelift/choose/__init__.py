"""`timelift choose`: which strategy to use for one workload at one size."""
