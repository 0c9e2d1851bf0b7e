"""Pairs of strategies along a size: how their ratio goes from one measured size to the next."""
