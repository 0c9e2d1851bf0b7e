"""CSV: one row a case with its axes, rank, facts and status, as in a report's measurements.csv."""

from timelift.analyse.findings import RunFindings
from timelift.present.case_table import for_programs
from timelift.present.tables import csv_of_values


def export(found: RunFindings) -> bytes:
    """Write every case."""
    return csv_of_values(for_programs(found)).encode(errors="replace")
