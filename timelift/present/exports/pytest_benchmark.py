"""pytest-benchmark's JSON, as `--benchmark-json` writes it.

All launches of a case become one list of samples, as they do in `pytest bench/ --benchmark-json`.
Source: https://pytest-benchmark.readthedocs.io/en/latest/usage.html and, for the fields,
`pytest_benchmark.stats.Metadata.as_dict`, version 5.3.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from pytest_benchmark.stats import Stats

from timelift.analyse.findings import RunFindings
from timelift.analyse.runs.measurement import Measurement, Run
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
        "stats": _stats(one),
    }


def _stats(one: Measurement) -> dict[str, Any]:
    seconds = np.concatenate([launch.seconds_per_call for launch in one.launches])
    found: Any = Stats()  # type: ignore[no-untyped-call]
    found.data = seconds[np.isfinite(seconds)].tolist()
    return {**found.as_dict(), "data": found.data, "iterations": 1}


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
