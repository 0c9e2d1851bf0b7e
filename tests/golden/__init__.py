"""What users see of stored runs (`results/`): what commands print and write (`said/`)."""
