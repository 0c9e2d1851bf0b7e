"""CSV: one row a case with its axes, rank, facts and status, as in a report's measurements.csv."""

from timelift.analyse.lifts import rank
from timelift.analyse.runs.measurement import Run
from timelift.present.csv_files import csv_report


def export(run: Run) -> bytes:
    """Write every case."""
    return csv_report(run, rank(run)).encode(errors="replace")
