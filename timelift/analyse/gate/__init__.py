"""A run against another side: the rule of its gate, and what became of every case."""
