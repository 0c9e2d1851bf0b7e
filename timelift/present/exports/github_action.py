"""The JSON of github-action-benchmark's tool `customSmallerIsBetter`.

A list of objects: `name`, `unit`, `value`, and for the reader `range` and `extra`.
Source: https://github.com/benchmark-action/github-action-benchmark#tool-specific-setup
"""

import math
from typing import Any

from timelift.analyse.findings import RunFindings
from timelift.analyse.stats.ranking import RankedCase
from timelift.present.exports.names import as_json, unique_names

_MILLISECOND = 1e-3


def export(found: RunFindings) -> bytes:
    """Write the time of every case in milliseconds, with its interval and its ratio."""
    rows = [row for ranking in found.rankings for row in ranking.everyone]
    names = unique_names(row.case for row in rows)
    return as_json([_entry(row, name) for row, name in zip(rows, names, strict=True)])


def _entry(row: RankedCase, name: str) -> dict[str, Any]:
    entry = {"name": name, "unit": "ms", "value": row.seconds_per_call / _MILLISECOND}
    width = (row.seconds_high - row.seconds_low) / 2 / _MILLISECOND
    if math.isfinite(width):
        entry["range"] = f"± {width:.3g}"
    return entry | {"extra": f"ratio to the fastest: {row.ratio:.3f}\nlaunches: {row.launches}"}
