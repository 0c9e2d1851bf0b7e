"""How far to trust a machine: a race of strategies against twins of themselves, judged."""
