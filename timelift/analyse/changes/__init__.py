"""Two stored runs beside each other: what changed, what is suspect, what would decide it."""
