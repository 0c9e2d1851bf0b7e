"""A run made small enough for git, and free of what tells of a person or a path.

A baseline is a journal like any other, of the same schema, so whatever reads runs reads it. Rounds
are condensed to 20 a launch, numbers are rounded to five digits, and of the header and the facts
only what readers know is kept. Words that look like a path are replaced by `PATH`, wherever they
stand: in the command, the options, the flags and the reasons.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from timelift.analyse.runs.condense import condense
from timelift.analyse.runs.measurement import Launch, Measurement, Run, Samples
from timelift.case import Status
from timelift.errors import UserError
from timelift.journal import SCHEMA
from timelift.present import csv_files

#: What is kept of each part of the header.
_HEADER = ("id", "started", "seed", "command", "commit", "machine", "options", "cases")
_MACHINE = ("name", "identity", "drift")
_STRATEGY = ("title", "differs", "planted")
#: Facts that comparisons, histories and reports use; any other may hold anything.
FACTS = (
    *csv_files.FACTS,
    "peak_bytes_below",
    "steady",
    "dropped_rounds",
    "waited_share",
    "stolen_share",
    "throttled_periods",
    "canary_seconds",
    "flops",
    "least_bytes",
    "attainable_flops_per_second",
    "attainable_bytes_per_second",
)
_REASON_LIMIT = 200
#: The folder that commands name, and which is the same for everyone.
_COMMON = ("bench/", "tests/", "results/")
_PATH = re.compile(r"[^\s=,;:'\"()]*[/\\~@][^\s=,;'\"()]*")


def lines(run: Run) -> Iterator[dict[str, Any]]:
    """Give the records of the baseline in the order of a journal."""
    yield {"kind": "run", "schema": SCHEMA, **_header(run)}
    for one in condense(run).measurements:
        yield from _records(one)
    yield {"kind": "end", "exit": "complete" if run.complete else "cut short"}


def write(run: Run, path: Path, *, replace: bool = False) -> Path:
    """Write a baseline, whole or not at all; raises UserError where it may not or cannot."""
    text = "".join(
        json.dumps(line, allow_nan=False, separators=(",", ":")) + "\n" for line in lines(run)
    )
    if path.exists() and not replace:
        raise UserError(
            f"expected a new name, received that of the baseline {str(path)!r}; "
            "choose another with --name or replace it with --replace"
        )
    draft = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise UserError(
            f"cannot write the baseline {str(path)!r}: {error.strerror}; make the folder writable"
        ) from error
    return path


def scrub(text: str) -> str:
    """Replace what looks like a path or an address in a text, the common folders excepted."""
    return _PATH.sub(_scrubbed, text)


def _scrubbed(match: re.Match[str]) -> str:
    word = match.group()
    harmless = word.startswith(_COMMON) and ".." not in word and "~" not in word
    return word if harmless and "\\" not in word and "@" not in word else "PATH"


def _header(run: Run) -> dict[str, Any]:
    kept = {name: run.header[name] for name in _HEADER if name in run.header}
    machine = kept.get("machine", {})
    kept["machine"] = {name: machine[name] for name in _MACHINE if name in machine}
    kept["strategies"] = {
        str(name): {field: fields[field] for field in _STRATEGY if field in fields}
        for name, fields in run.header.get("strategies", {}).items()
        if isinstance(fields, dict)
    }
    return {name: _clean(value) for name, value in kept.items()}


def _clean(value: Any) -> Any:
    """Scrub every text in a JSON value; names of fields are ours, but values are anyone's."""
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, list):
        return [_clean(one) for one in value]
    if isinstance(value, dict):
        return {str(name): _clean(one) for name, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _records(one: Measurement) -> Iterator[dict[str, Any]]:
    case = one.case.fields()
    for launch in one.launches:
        yield {
            "kind": "launch",
            "launch": launch.number,
            "case": case,
            "status": Status.MEASURED,
            "seconds_per_call": _rounded(launch.seconds_per_call),
            "calls_per_sample": launch.calls_per_sample,
            "facts": _facts(launch),
        }
    if one.status is not Status.MEASURED:
        after = max((launch.number for launch in one.launches), default=0)
        yield {
            "kind": "launch",
            "launch": after + 1,
            "case": case,
            "status": one.status,
            "reason": scrub(one.reason)[:_REASON_LIMIT],
        }


def _rounded(seconds: Samples) -> list[float | None]:
    return [_digits(one) if np.isfinite(one) else None for one in seconds.tolist()]


def _facts(launch: Launch) -> Mapping[str, float | bool]:
    kept = {name: launch.facts.get(name) for name in FACTS}
    return {
        name: _digits(value) if isinstance(value, float) else value
        for name, value in kept.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }


def _digits(value: float) -> float:
    return float(f"{value:.5g}")
