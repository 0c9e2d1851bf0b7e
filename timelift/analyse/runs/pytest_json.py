"""pytest-benchmark's own JSON, this project's or another's, as one launch of a run.

This project's benchmarks carry their case in `params`. Others become cases like this: the
workload is the benchmark's group, or else its test function if the strategy is a parameter, or
else its file; the strategy is the parameter that names one, or else the test; parameters that
sound like an axis become that axis; a size that nothing names is 1.
Source: `pytest_benchmark.stats.Metadata.as_dict`, version 5.3.
"""

import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from timelift.analyse.runs.measurement import Run, Warnings, merge
from timelift.case import AXES, Case
from timelift.errors import UserError
from timelift.journal import (
    BAD_RECORD,
    CaseInLaunch,
    Damage,
    Facts,
    Header,
    case_from,
    convert_leniently,
    header_from,
    object_or_empty,
    samples,
)

#: What others call the strategy and our axes.
_NAMES: dict[str, tuple[str, ...]] = {
    **{axis: (axis,) for axis in AXES},
    "strategy": ("strategy", "way", "method", "variant", "impl", "implementation"),
    "seq_len": ("seq_len", "length", "time", "steps", "timesteps", "time_steps", "size", "n"),
    "batch": ("batch", "batch_size"),
}


def is_pytest_json(data: bytes) -> bool:
    """True for pytest-benchmark's JSON; the lines of a journal have their kind first."""
    whole = b'"benchmarks"' in data and b'"machine_info"' in data
    return whole and not data.lstrip().startswith(b'{"kind"')


def read_pytest_json(data: bytes, path: Path) -> Run | None:
    """Read pytest-benchmark's JSON; raises UserError where it is not whole.

    None where it is another program's file.
    """
    try:
        whole = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{str(path)!r}: expected pytest-benchmark's JSON, received a broken file; "
            "write it again with --benchmark-json"
        ) from error
    if not isinstance(whole, dict) or not isinstance(whole.get("benchmarks"), list):
        return None
    warnings = Warnings()
    measurements = merge(list(_records(whole["benchmarks"], warnings)), warnings)
    return Run(_header(whole), measurements, complete=True, warnings=warnings.as_tuple())


def _header(whole: Mapping[str, Any]) -> Header:
    commit = object_or_empty(whole.get("commit_info"))
    machine = object_or_empty(whole.get("machine_info"))
    processor = object_or_empty(machine.get("cpu"))
    fields = {
        "started": str(whole.get("datetime") or ""),
        "commit": {"id": commit.get("id"), "dirty": bool(commit.get("dirty"))},
        "machine": {
            "identity": {
                "system": machine.get("system"),
                "architecture": machine.get("machine"),
                "cpu": processor.get("brand_raw") or machine.get("processor"),
                "cores": processor.get("count"),
            },
            "drift": {
                "versions": {"pytest-benchmark": whole.get("version")},
                "python": machine.get("python_version"),
                "kernel": machine.get("release"),
            },
        },
        "strategies": _look_alikes(whole["benchmarks"]),
    }
    return header_from(fields, [])


def _look_alikes(benchmarks: list[Any]) -> dict[str, Any]:
    """Return why strategies are no lifts, as benchmarks of this project have it."""
    pairs = [
        (object_or_empty(one.get("params")), object_or_empty(one.get("extra_info")))
        for one in map(object_or_empty, benchmarks)
    ]
    return {
        str(params["strategy"]): {"differs": extra["differs"]}
        for params, extra in pairs
        if isinstance(extra.get("differs"), str) and "strategy" in params
    }


def _records(benchmarks: list[Any], warnings: Warnings) -> Iterator[tuple[str, CaseInLaunch]]:
    for number, benchmark in enumerate(benchmarks, start=1):
        where = f"benchmark {number}"
        try:
            yield where, _record(where, object_or_empty(benchmark), warnings)
        except BAD_RECORD as error:
            warnings.add(where, error)


def _record(where: str, benchmark: Mapping[str, Any], warnings: Warnings) -> CaseInLaunch:
    stats, extra = (
        object_or_empty(benchmark.get("stats")),
        object_or_empty(benchmark.get("extra_info")),
    )
    data = stats.get("data")
    if data is None:
        warnings.add(where, "no samples saved, so the median stands for them")
        data = [stats.get("median")]
    facts = extra["facts"] if isinstance(extra.get("facts"), dict) else extra
    damage: Damage = []
    found = CaseInLaunch(
        case=_case(benchmark),
        launch=1,
        seconds_per_call=samples(data),
        facts=convert_leniently(Facts, facts, damage, "facts"),
    )
    for what in damage:
        warnings.add(where, what)
    return found


def _case(benchmark: Mapping[str, Any]) -> Case:
    params = object_or_empty(benchmark.get("params"))
    try:
        return case_from(params)
    except ValueError:
        return case_from(_guessed(benchmark, params))


def _guessed(benchmark: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    name = str(benchmark.get("name") or "unnamed")
    test = name.split("[", maxsplit=1)[0] if params else name
    mapped = {axis: found for axis in _NAMES if (found := _mapped(axis, params))}
    axes = {axis: params[found] for axis, found in mapped.items()}
    strategy = axes.pop("strategy", None)
    file = str(benchmark.get("fullname") or test).split("::")[0]
    rest = ",".join(f"{key}={params[key]}" for key in params if key not in mapped.values())
    workload = str(benchmark.get("group") or (test if strategy else file))
    return {
        "workload": workload,
        "seq_len": 1,
        "batch": 1,
        "phase": "forward",
        **axes,
        "strategy": f"{strategy or test}[{rest}]" if rest else str(strategy or test),
    }


def _mapped(axis: str, params: Mapping[str, Any]) -> str | None:
    return next((name for name in _NAMES[axis] if _possible(axis, params.get(name))), None)


def _possible(axis: str, value: object) -> bool:
    kind = AXES.get(axis, str)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and value > 0
    choices = kind.__members__.values() if issubclass(kind, StrEnum) else (value,)
    return isinstance(value, str) and value in choices
