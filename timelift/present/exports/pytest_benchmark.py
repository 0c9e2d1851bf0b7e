"""pytest-benchmark's JSON, as `--benchmark-json` writes it.

All launches of a case become one list of samples, as they do in `pytest bench/ --benchmark-json`.
Source: https://pytest-benchmark.readthedocs.io/en/latest/usage.html and, for the fields,
`pytest_benchmark.stats.Stats` and `Metadata.as_dict`, version 5.3.
"""

import statistics
from collections.abc import Mapping
from typing import Any

import numpy as np

from timelift.analyse.lifts import look_alikes
from timelift.analyse.runs.measurement import Measurement, Run, Samples
from timelift.case import Status
from timelift.present.exports.names import as_json

_FENCE = 1.5


def export(run: Run) -> bytes:
    """Write every measured case."""
    commit, others = run.header.commit, look_alikes(run)
    measured = [one for one in run.measurements if one.status is Status.MEASURED and one.launches]
    return as_json(
        {
            "machine_info": _machine(run),
            "commit_info": {"id": commit.id, "dirty": commit.dirty},
            "benchmarks": [_benchmark(one, others.get(one.case.strategy, "")) for one in measured],
            "datetime": run.header.started or "",
            "version": str(run.header.machine.versions.get("pytest-benchmark", "")),
        }
    )


def _benchmark(one: Measurement, differs: str) -> dict[str, Any]:
    label = one.case.label
    facts = {"launches": len(one.launches), "facts": _numbers(one.launches[0].facts.told())}
    return {
        "group": one.case.setting.label,
        "name": f"timelift[{label}]",
        "fullname": f"bench/timelift.py::timelift[{label}]",
        "params": one.case.fields(),
        "param": label,
        "extra_info": facts | ({"differs": differs} if differs else {}),
        "options": {},
        "stats": stats(np.concatenate([launch.seconds_per_call for launch in one.launches])),
    }


def stats(seconds: Samples) -> dict[str, Any]:
    """Give the statistics of pytest-benchmark of the rounds that were played."""
    data = seconds[np.isfinite(seconds)]
    ordered = np.sort(data)
    q1, q3 = _quartiles(ordered)
    low, high = q1 - _FENCE * (q3 - q1), q3 + _FENCE * (q3 - q1)
    mean, spread = float(data.mean()), float(data.std(ddof=1)) if data.size > 1 else 0.0
    inside = ordered[(ordered >= low) & (ordered <= high)]
    far, beyond = int((abs(data - mean) > spread).sum()), int(data.size - inside.size)
    return {
        "min": float(ordered[0]),
        "max": float(ordered[-1]),
        "mean": mean,
        "stddev": spread,
        "rounds": int(data.size),
        "median": float(np.median(data)),
        "iqr": q3 - q1,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": beyond,
        "stddev_outliers": far,
        "outliers": f"{far};{beyond}",
        "ld15iqr": float(inside[0]) if inside.size else float(ordered[0]),
        "hd15iqr": float(inside[-1]) if inside.size else float(ordered[-1]),
        "ops": float(data.size / data.sum()),
        "total": float(data.sum()),
        "data": data.tolist(),
        "iterations": 1,
    }


def _quartiles(ordered: Samples) -> tuple[float, float]:
    """Give the quartiles by the two methods that pytest-benchmark takes: 2 if even, 3 if odd."""
    count, half = ordered.size, ordered.size // 2
    if count == 1:
        return float(ordered[0]), float(ordered[0])
    if count % 2 == 0:
        return statistics.median(ordered[:half].tolist()), statistics.median(
            ordered[half:].tolist()
        )
    return _third(ordered), _third(ordered[::-1])


def _third(ordered: Samples) -> float:
    quarter, rest = divmod(ordered.size, 4)
    if rest == 1:
        return float(0.25 * ordered[quarter - 1] + 0.75 * ordered[quarter])
    return float(0.75 * ordered[quarter] + 0.25 * ordered[quarter + 1])


def _numbers(facts: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: value
        for name, value in facts.items()
        if isinstance(value, int) or (isinstance(value, float) and np.isfinite(value))
    }


def _machine(run: Run) -> dict[str, Any]:
    """Give the machine in pytest-benchmark's words, which has no host name here."""
    identity, drift = run.header.machine.identity, run.header.machine.drift
    return {
        "system": _known(identity.get("system")),
        "machine": _known(identity.get("architecture")),
        "release": _known(drift.get("kernel")),
        "python_version": _known(drift.get("python")),
        "cpu": {
            "brand_raw": _known(identity.get("cpu")),
            "count": _known(identity.get("cores")),
        },
    }


def _known(value: object) -> str | int | None:
    """Give a text or a whole number; a file may hold anything else in its place."""
    return value if isinstance(value, str | int) else None
