"""The head of a report: where, when and how a run was measured, as pairs of a label and a text."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from timelift.analyse.runs.measurement import Run
from timelift.analyse.selftest.trust_file import Trust
from timelift.journal import Commit
from timelift.present.trust import sentence

_SCALARS = (str, int, float)


def head(run: Run) -> tuple[tuple[str, str], ...]:
    """Give the lines of the head; what the file does not tell is left out."""
    header, machine = run.header, run.header.machine
    drift = {name: value for name, value in machine.drift.items() if name != "versions"}
    lines = {
        "machine": _pairs(machine.identity) or machine.name or "",
        "versions": _pairs(machine.versions),
        "drift": _pairs(drift),
        "commit": _commit(header.commit),
        "launches": _launches(run),
        "when": header.started or "",
        "seed": "" if header.seed is None else str(header.seed),
        "command": shlex.join(map(str, header.command or ())),
        "state": "" if run.complete else "incomplete: the run was interrupted or is going on",
    }
    return tuple((label, text) for label, text in lines.items() if text)


def trust_in_words(run: Run, trust: Trust | None) -> str:
    """Say how far the figures of a run's machine may be trusted, or how to find out."""
    if trust is None:
        return "not known for this machine; find out with: pytest bench/ --selftest"
    return sentence(trust, run.header.machine.versions)


def _pairs(fields: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in _scalars(fields))


def _scalars(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from ((key, one) for key, one in value.items() if isinstance(one, _SCALARS))
        elif isinstance(value, _SCALARS):
            yield name, value


def _commit(commit: Commit) -> str:
    return f"{commit.id or ''}{' with uncommitted changes' if commit.id and commit.dirty else ''}"


def _launches(run: Run) -> str:
    counts = {len(one.launches) for one in run.measurements if one.launches}
    return " to ".join(str(count) for count in sorted({min(counts), max(counts)})) if counts else ""
