"""CSV: one row a case with its axes, rank, facts and status, as in a report's measurements.csv."""

from timelift.read.measurement import Run
from timelift.report.exports import csv_report
from timelift.report.lifts import rank


def export(run: Run) -> bytes:
    """Write every case."""
    return csv_report(run, rank(run)).encode(errors="replace")
