"""Figures, each a function of what was found."""
