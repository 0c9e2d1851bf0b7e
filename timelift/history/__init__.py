"""What became slower between two stored runs, and over many."""
