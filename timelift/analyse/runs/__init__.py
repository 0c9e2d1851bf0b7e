"""Reading runs: files from anywhere become measurements, and nothing named by them is executed."""
