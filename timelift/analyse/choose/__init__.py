"""Choosing: from one question to one strategy, or to the command that would decide it."""
