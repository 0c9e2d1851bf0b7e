"""Every lift in a user's model, and what to write instead."""
