"""pytest-benchmark's JSON, as `--benchmark-json` writes it.

All launches of a case become one list of samples, as they do in `pytest bench/ --benchmark-json`.
Source: https://pytest-benchmark.readthedocs.io/en/latest/usage.html and, for the fields,
`pytest_benchmark.stats.Stats` and `Metadata.as_dict`, version 5.3.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from timelift.analyse.findings import RunFindings
from timelift.analyse.runs.measurement import Measurement, Run
from timelift.analyse.stats.pooled import Pooled
from timelift.case import Status
from timelift.present.exports.names import as_json


def export(found: RunFindings) -> bytes:
    """Write every measured case."""
    run = found.run
    commit = run.header.commit
    measured = [one for one in run.measurements if one.status is Status.MEASURED and one.launches]
    return as_json(
        {
            "machine_info": _machine(run),
            "commit_info": {"id": commit.id, "dirty": commit.dirty},
            "benchmarks": [_benchmark(one, found) for one in measured],
            "datetime": run.header.started or "",
            "version": str(run.header.machine.versions.get("pytest-benchmark", "")),
        }
    )


def _benchmark(one: Measurement, found: RunFindings) -> dict[str, Any]:
    label, differs = one.case.label, found.look_alikes.get(one.case.strategy, "")
    facts = {"launches": len(one.launches), "facts": _numbers(one.launches[0].facts.told())}
    return {
        "group": one.case.setting.label,
        "name": f"timelift[{label}]",
        "fullname": f"bench/timelift.py::timelift[{label}]",
        "params": one.case.fields(),
        "param": label,
        "extra_info": facts | ({"differs": differs} if differs else {}),
        "options": {},
        "stats": stats(found.pooled(one.case)),
    }


def stats(found: Pooled) -> dict[str, Any]:
    """Lay the statistics of a case out under the names of pytest-benchmark."""
    data = found.data
    return {
        "min": float(data.min()),
        "max": float(data.max()),
        "mean": found.mean,
        "stddev": found.stddev,
        "rounds": int(data.size),
        "median": found.median,
        "iqr": found.q3 - found.q1,
        "q1": found.q1,
        "q3": found.q3,
        "iqr_outliers": found.iqr_outliers,
        "stddev_outliers": found.stddev_outliers,
        "outliers": f"{found.stddev_outliers};{found.iqr_outliers}",
        "ld15iqr": found.low,
        "hd15iqr": found.high,
        "ops": float(data.size / data.sum()),
        "total": float(data.sum()),
        "data": data.tolist(),
        "iterations": 1,
    }


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
