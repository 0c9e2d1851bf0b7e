"""The one command that decides about a suspect: both revisions, side by side, in one process."""

import shlex
from collections.abc import Iterator

from timelift.analyse.runs.measurement import Run
from timelift.case import AXES, OPTIONS, Case, Setting

#: Axes that are named even where they have their usual value.
_ALWAYS = ("strategy", "workload", "seq_len", "batch", "phase", "mode")
_COMMIT = 12


def same_code(old: Run, new: Run) -> bool:
    """Whether both runs measured one commit without changes, so that no revision is to blame."""
    before, after = commit(old), commit(new)
    return (
        bool(before)
        and before == after
        and not (old.header.commit.dirty or new.header.commit.dirty)
    )


def command(case: Case, old: Run, new: Run) -> str:
    """Give what to type; where no revision can be to blame, or none is known, how to look again."""
    words = ["pytest", "bench/", *_against(old, new), *_selection(case)]
    return " ".join(words)


def commit(run: Run) -> str:
    """Give the commit of a run, shortened; nothing where it is unknown or no commit's name."""
    found = run.header.commit.id or ""
    return found[:_COMMIT] if found.isalnum() and found.isascii() else ""


def _against(old: Run, new: Run) -> list[str]:
    revision = commit(old)
    return ["--against", revision] if revision and not same_code(old, new) else []


def _selection(case: Case) -> Iterator[str]:
    fields = case.fields()
    usual = Setting(*(fields[name] for name in ("workload", "seq_len", "batch", "phase")))
    for name in ("strategy", *AXES):
        if name in _ALWAYS or fields[name] != getattr(usual, name):
            yield from _words(OPTIONS[name], str(fields[name]))


def _words(option: str, value: str) -> tuple[str, ...]:
    """Quote a value for a shell; one that looks like an option is tied to its own."""
    if value.startswith("-"):
        return (shlex.quote(f"{option}={value}"),)
    return option, shlex.quote(value)
