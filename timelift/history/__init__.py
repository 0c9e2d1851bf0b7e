"""All runs of a machine as one history: what changed, when, and whether it was the machine."""
