"""The head of a report: where, when and how a run was measured, as pairs of a label and a text."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from timelift.analyse.runs.measurement import Run
from timelift.analyse.runs.trust import Trust
from timelift.present.trust import sentence

_SCALARS = (str, int, float)


def head(run: Run) -> tuple[tuple[str, str], ...]:
    """Give the lines of the head; what the file does not tell is left out."""
    machine = _object(run.header.get("machine"))
    drift = _object(machine.get("drift"))
    lines = {
        "machine": _pairs(_object(machine.get("identity"))) or _word(machine.get("name")),
        "versions": _pairs(_object(drift.get("versions"))),
        "drift": _pairs({name: value for name, value in drift.items() if name != "versions"}),
        "commit": _commit(_object(run.header.get("commit"))),
        "launches": _launches(run),
        "when": _word(run.header.get("started")),
        "seed": _word(run.header.get("seed")),
        "command": shlex.join(str(word) for word in run.header.get("command", ())),
        "state": "" if run.complete else "incomplete: the run was interrupted or is going on",
    }
    return tuple((label, text) for label, text in lines.items() if text)


def trust_in_words(run: Run, trust: Trust | None) -> str:
    """Say how far the figures of a run's machine may be trusted, or how to find out."""
    if trust is None:
        return "not known for this machine; find out with: pytest bench/ --selftest"
    drift = _object(_object(run.header.get("machine")).get("drift"))
    return sentence(trust, _object(drift.get("versions")))


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _pairs(fields: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in _scalars(fields))


def _scalars(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from ((key, one) for key, one in value.items() if isinstance(one, _SCALARS))
        elif isinstance(value, _SCALARS):
            yield name, value


def _word(value: object) -> str:
    return str(value) if isinstance(value, _SCALARS) else ""


def _commit(commit: Mapping[str, Any]) -> str:
    revision = _word(commit.get("id"))
    return f"{revision} with uncommitted changes" if revision and commit.get("dirty") else revision


def _launches(run: Run) -> str:
    counts = {len(one.launches) for one in run.measurements if one.launches}
    return " to ".join(str(count) for count in sorted({min(counts), max(counts)})) if counts else ""
