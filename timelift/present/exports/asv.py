"""A CSV in the words of airspeed velocity: a row a benchmark and combination of parameters.

Columns are named as in asv's result files; seconds, as there. `stats_ci_99_a` and `stats_ci_99_b`
are over launches where asv's are over samples, and `date` is the run's, not the commit's. A row has
what `asv publish` would need, but asv reads no CSV: this is for its users' own tables.
Source: https://asv.readthedocs.io/en/stable/dev.html
"""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from timelift.analyse.findings import RunFindings
from timelift.analyse.runs.measurement import Measurement, Run
from timelift.analyse.stats.ranking import Rival
from timelift.case import AXES
from timelift.present.tables import Column, Table, csv_of_values

_CONFIDENCE = 0.99
#: The axes that are parameters; strategy and workload are the benchmark's name.
_PARAMETERS = tuple(name for name in AXES if name != "workload")
COLUMNS = (
    "commit_hash",
    "date",
    "machine",
    "python",
    "benchmark",
    *_PARAMETERS,
    "result",
    "stats_ci_99_a",
    "stats_ci_99_b",
    "stats_q_25",
    "stats_q_75",
    "stats_number",
    "stats_repeat",
)


def export(found: RunFindings) -> bytes:
    """Return every measured case as CSV."""
    head = _head(found.run)
    rows = [
        head | _row(row, found.measured[row.case], found.quartiles(row.case))
        for ranking in found.rankings_at(_CONFIDENCE)
        for row in ranking.everyone
    ]
    columns = tuple(Column(name, value=_cell_of(name)) for name in COLUMNS)
    return csv_of_values(Table("asv", "Benchmarks", columns, rows)).encode(errors="replace")


def _cell_of(name: str) -> Callable[[Mapping[str, Any]], object]:
    return lambda row: _five_digits(row[name])


def _head(run: Run) -> dict[str, Any]:
    machine = run.header.machine
    return {
        "commit_hash": run.header.commit.id,
        "date": _javascript_time(str(run.header.started)),
        "machine": machine.name,
        "python": machine.drift.get("python"),
    }


def _javascript_time(started: str) -> int | None:
    """Return milliseconds since 1970, as asv writes times."""
    try:
        found = datetime.fromisoformat(started)
        return round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1e3)
    except (ValueError, OverflowError):
        return None


def _row(row: Rival, one: Measurement, quartiles: tuple[float, float]) -> dict[str, Any]:
    fields = row.case.fields()
    low, high = quartiles
    rounds = [int(np.isfinite(launch.seconds_per_call).sum()) for launch in one.launches]
    return {
        "benchmark": f"{fields['workload']}.time_{fields['strategy']}",
        **{name: fields[name] for name in _PARAMETERS},
        "result": row.seconds_per_call,
        "stats_ci_99_a": row.seconds_low,
        "stats_ci_99_b": row.seconds_high,
        "stats_q_25": low,
        "stats_q_75": high,
        "stats_number": one.launches[0].calls_per_sample,
        "stats_repeat": sum(rounds),
    }


def _five_digits(value: object) -> object:
    """Return a time with asv's five digits, and everything else as it is."""
    if isinstance(value, float):
        return f"{value:.5g}" if math.isfinite(value) else ""
    return value
