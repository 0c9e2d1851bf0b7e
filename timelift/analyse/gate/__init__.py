"""The gate: whether a case became slower than its other side, launch by launch."""
