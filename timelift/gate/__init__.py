"""Runs against another side: which cases, by what rule, and what is told of it."""
