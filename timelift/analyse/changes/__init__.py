"""Stored runs beside each other, two or a year of them: what changed, and what would decide it."""
