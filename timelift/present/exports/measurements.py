"""CSV: one row a case with its axes, rank, facts and status, as in a report's measurements.csv."""

from timelift.analyse.findings import RunFindings
from timelift.present.csv_files import csv_report


def export(found: RunFindings) -> bytes:
    """Write every case."""
    return csv_report(found).encode(errors="replace")
