"""The coordinator: options become cases, launches play them, the journal is written."""
