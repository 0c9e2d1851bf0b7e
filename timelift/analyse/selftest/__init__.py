"""A self-test judged: what was planted, what was recorded of it, and how often a rule was right."""
