"""A run in the formats of other tools: a function a format, each with its source.

Names are anyone's: where a format is data they stay as they are, and where it is read by a
spreadsheet or shown by a tool they are escaped for it. What takes long to import is imported
inside, since the help of the command line needs the names of the formats alone.
"""

import importlib.util
import io
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from timelift.case import Case
from timelift.errors import UserError
from timelift.escape import plain
from timelift.present import conditions

if TYPE_CHECKING:
    from timelift.analyse.findings import RunFindings
    from timelift.analyse.runs.measurement import LaunchSamples, Measurement, Run
    from timelift.analyse.stats.ranking import RankedCase

_NANOSECOND, _MILLISECOND = 1e-9, 1e-3
#: The longest name of a benchmark at Bencher, with room for the number of one that comes twice.
_LONGEST_NAME = 1000


def pytest_benchmark(found: "RunFindings") -> bytes:
    """Write every measured case as pytest-benchmark's `--benchmark-json` does.

    All launches of a case become one list of samples, as in `timelift bench --benchmark-json`.
    Source: https://pytest-benchmark.readthedocs.io/en/latest/usage.html and, for the fields,
    `pytest_benchmark.stats.Metadata.as_dict`, version 5.3.
    """
    run = found.run
    commit = run.header.commit
    measured = [one for one in run.measurements if one.was_measured]
    return _json(
        {
            "machine_info": _machine(run),
            "commit_info": {"id": commit.id, "dirty": commit.dirty},
            "benchmarks": [_benchmark(one, found) for one in measured],
            "datetime": run.header.started or "",
            "version": str(run.header.machine.versions.get("pytest-benchmark", "")),
        }
    )


def _benchmark(one: "Measurement", found: "RunFindings") -> dict[str, Any]:
    label, differs = one.case.label, found.look_alikes.get(one.case.strategy, "")
    facts: dict[str, Any] = {
        "launches": len(one.launches),
        "facts": _numbers(one.launches[0].facts.fields()),
        "provisional": found.run.is_provisional,
    }
    return {
        "group": one.case.setting.label,
        "name": f"timelift[{label}]",
        "fullname": f"bench/timelift.py::timelift[{label}]",
        "params": one.case.fields(),
        "param": label,
        "extra_info": facts | ({"differs": differs} if differs else {}),
        "options": {},
        "stats": _stats(one.launches),
    }


def _stats(launches: Iterable["LaunchSamples"]) -> dict[str, Any]:
    from pytest_benchmark.stats import Stats  # noqa: PLC0415

    stats = Stats()  # type: ignore[no-untyped-call]
    stats.data = [
        seconds
        for launch in launches
        for seconds in launch.seconds_per_call.tolist()
        if math.isfinite(seconds)
    ]
    stats.total = math.fsum(stats.data)  # which `sum` has been only since Python 3.12
    fields: dict[str, Any] = stats.as_dict()  # type: ignore[no-untyped-call]
    return fields | {"data": stats.data, "iterations": 1}


def _numbers(facts: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: value
        for name, value in facts.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }


def _machine(run: "Run") -> dict[str, Any]:
    """Return the machine under pytest-benchmark's names, without the name of the host."""
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
    """Return a text or a whole number; a file may hold anything else in its place."""
    return value if isinstance(value, str | int) else None


def github_action_benchmark(found: "RunFindings") -> bytes:
    """Write the time of every case in milliseconds for the tool `customSmallerIsBetter`.

    A list of objects: `name`, `unit`, `value`, and for the reader `range` and `extra`.
    Source: https://github.com/benchmark-action/github-action-benchmark#tool-specific-setup
    """
    return _json([_entry(row, name, found.run) for name, row in _named(found)])


def _entry(row: "RankedCase", name: str, run: "Run") -> dict[str, Any]:
    entry = {"name": name, "unit": "ms", "value": row.seconds_per_call / _MILLISECOND}
    width = (row.seconds_high - row.seconds_low) / 2 / _MILLISECOND
    if math.isfinite(width):
        entry["range"] = f"± {width:.3g}"
    extra = [f"ratio to the fastest: {row.ratio:.3f}"] if math.isfinite(row.ratio) else []
    if run.is_provisional:
        extra.append(conditions.state(run))
    return entry | {"extra": "\n".join([*extra, f"launches: {row.launches}"])}


def bencher(found: "RunFindings") -> bytes:
    """Write Bencher Metric Format, for `bencher run --adapter json --file`.

    An object of benchmarks, each with the measure `latency` in nanoseconds, with its 95 % interval
    over launches where there is one.
    Source: https://bencher.dev/docs/reference/bencher-metric-format
    """
    return _json({name: {"latency": _latency(row)} for name, row in _named(found, _LONGEST_NAME)})


def _latency(row: "RankedCase") -> dict[str, float]:
    values = {
        "value": row.seconds_per_call,
        "lower_value": row.seconds_low,
        "upper_value": row.seconds_high,
    }
    return {name: one / _NANOSECOND for name, one in values.items() if math.isfinite(one)}


def _named(found: "RunFindings", limit: int | None = None) -> Iterator[tuple[str, "RankedCase"]]:
    rows = [row for ranking in found.rankings for row in ranking.all_rows]
    yield from zip(unique_names((row.case for row in rows), limit), rows, strict=True)


def unique_names(cases: Iterable[Case], limit: int | None = None) -> Iterator[str]:
    """Name every case on one line; labels that coincide are numbered, none is lost."""
    seen: Counter[str] = Counter()
    for case in cases:
        name = label = plain(case.label, limit)
        while seen[name]:
            seen[label] += 1
            name = f"{label} ({seen[label]})"
        seen[name] += 1
        yield name


def _json(value: Any) -> bytes:
    """Return JSON that every reader accepts: no NaN, and unpaired surrogates escaped."""
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()


def parquet(found: "RunFindings") -> bytes:
    """Write one tidy row per case, launch and round, as `analyse.runs.results.frame` has them.

    Raises UserError where pyarrow is not installed.
    Source: https://parquet.apache.org/docs/ by way of
    https://arrow.apache.org/docs/python/parquet.html
    """
    from timelift.analyse.runs.results import frame  # noqa: PLC0415

    if importlib.util.find_spec("pyarrow") is None:
        raise UserError(
            "expected pyarrow for Parquet, which is not installed; "
            "install it with: python -m pip install 'pyarrow>=22'"
        )
    file = io.BytesIO()
    frame(found.run).to_parquet(file, engine="pyarrow", index=False)
    return file.getvalue()


def csv(found: "RunFindings") -> bytes:
    """Write a row a case with its axes, rank, facts and status, as a report's measurements.csv."""
    from timelift.present.case_table import for_programs  # noqa: PLC0415
    from timelift.present.tables import csv_of_values  # noqa: PLC0415

    return csv_of_values(for_programs(found)).encode(errors="replace")


#: The formats by the names that users type.
FORMATS: Mapping[str, Callable[["RunFindings"], bytes]] = {
    "pytest-benchmark": pytest_benchmark,
    "github-action-benchmark": github_action_benchmark,
    "bencher": bencher,
    "parquet": parquet,
    "csv": csv,
}
#: Formats that are not text, so that no terminal should see them.
BINARY = frozenset({"parquet"})
