"""A run made small enough for git, without what identifies a person or a path.

A baseline is a journal like any other, of the same schema, so whatever reads runs reads it. Rounds
are condensed to 20 a launch, numbers are rounded to five digits, and of the header and the facts
only what readers know is kept. Words that look like a path are replaced by `PATH`, wherever they
stand: in the command, the options, the flags and the reasons.
"""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from msgspec import UNSET, structs

from timelift.analyse.runs.condense import condense
from timelift.analyse.runs.measurement import LaunchSamples, Measurement, Run, Samples
from timelift.case import Status
from timelift.journal import (
    KEPT_FACTS,
    CaseInLaunch,
    End,
    Facts,
    Header,
    Line,
    RunEnd,
    header_from,
)

_REASON_LIMIT = 200
#: Folders that commands name, and which are the same on every machine.
_COMMON = ("bench/", "tests/", "results/")
_PATH = re.compile(r"[^\s=,;:'\"()]*[/\\~@][^\s=,;'\"()]*")


def baseline_lines(run: Run) -> Iterator[Line]:
    yield _header(run.header)
    for one in condense(run).measurements:
        yield from _records(one)
    yield End(exit=_exit_word(run))


def _exit_word(run: Run) -> RunEnd:
    if run.complete:
        return RunEnd.COMPLETE
    return RunEnd.CUT_SHORT if run.cut_short else RunEnd.INTERRUPTED


def scrub(text: str) -> str:
    """Replace what looks like a path or an address in a text, the common folders excepted."""
    return _PATH.sub(_scrubbed, text)


def _scrubbed(match: re.Match[str]) -> str:
    word = match.group()
    harmless = word.startswith(_COMMON) and ".." not in word and "~" not in word
    return word if harmless and "\\" not in word and "@" not in word else "PATH"


def _header(header: Header) -> Header:
    kept = Header(
        id=header.id,
        started=header.started,
        seed=header.seed,
        command=header.command,
        commit=header.commit,
        machine=structs.replace(header.machine, information={}),
        options=header.options,
        cases=header.cases,
        strategies={
            name: structs.replace(one, meaning={}, against=UNSET)
            for name, one in header.strategies.items()
        },
    )
    clean = header_from(_clean(kept.fields()), [])
    # A processor's name may hold an @ or a slash, and without it the machine would be another.
    identity = _clean(header.machine.identity, of_text=str)
    return structs.replace(clean, machine=structs.replace(clean.machine, identity=identity))


def _clean(value: Any, of_text: Callable[[str], str] = scrub) -> Any:
    """Scrub every text in a JSON value; names of fields are ours, values are not."""
    if isinstance(value, str):
        return of_text(value)
    if isinstance(value, list):
        return [_clean(one, of_text) for one in value]
    if isinstance(value, dict):
        return {str(name): _clean(one, of_text) for name, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _records(one: Measurement) -> Iterator[CaseInLaunch]:
    for launch in one.launches:
        yield CaseInLaunch(
            case=one.case,
            launch=launch.number,
            seconds_per_call=_rounded(launch.seconds_per_call),
            calls_per_sample=launch.calls_per_sample,
            facts=_facts(launch),
        )
    if one.status is not Status.MEASURED:
        after = max((launch.number for launch in one.launches), default=0)
        yield CaseInLaunch(
            case=one.case,
            launch=after + 1,
            status=one.status,
            reason=scrub(one.reason)[:_REASON_LIMIT],
        )


def _rounded(seconds: Samples) -> list[float | None]:
    return [_digits(one) if np.isfinite(one) else None for one in seconds.tolist()]


def _facts(launch: LaunchSamples) -> Facts:
    kept = {name: getattr(launch.facts, name) for name in KEPT_FACTS}
    found: dict[str, Any] = {
        name: _digits(value) if isinstance(value, float) else value
        for name, value in kept.items()
        if isinstance(value, bool) or launch.facts.number(name) is not None
    }
    return Facts(**found)


def _digits(value: float) -> float:
    return float(f"{value:.5g}")
