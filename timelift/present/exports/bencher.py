"""Bencher Metric Format, for `bencher run --adapter json --file`.

An object of benchmarks, each with the measure `latency` in nanoseconds.
Source: https://bencher.dev/docs/reference/bencher-metric-format
"""

import math

from timelift.analyse.findings import RunFindings
from timelift.analyse.stats.ranking import RankedCase
from timelift.present.exports.names import as_json, unique_names

_NANOSECOND = 1e-9
#: The longest name of a benchmark, with room for the number of a name that comes twice.
_LONGEST_NAME = 1000


def export(found: RunFindings) -> bytes:
    """Write the time of every case, with its 95 % interval over launches where there is one."""
    rows = [row for ranking in found.rankings for row in ranking.everyone]
    names = unique_names((row.case for row in rows), _LONGEST_NAME)
    return as_json(
        {name: {"latency": _latency(row)} for row, name in zip(rows, names, strict=True)}
    )


def _latency(row: RankedCase) -> dict[str, float]:
    values = {
        "value": row.seconds_per_call,
        "lower_value": row.seconds_low,
        "upper_value": row.seconds_high,
    }
    return {name: one / _NANOSECOND for name, one in values.items() if math.isfinite(one)}
