"""Other tools' rules, and ours, applied to the same recorded samples of a self-test."""
