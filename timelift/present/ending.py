"""The end of a self-test, or of a run against another side, in a few lines."""

from collections.abc import Iterator
from pathlib import Path

from timelift.analyse.runs.measurement import Run
from timelift.analyse.selftest import Trust
from timelift.errors import counted
from timelift.present.units import percent


def how_to_read(path: Path) -> str:
    return f"{relative_path(path)}; read it with: timelift report {relative_path(path)}"


def selftest_stored(found: Trust | None, kept: Trust | None, run: Run) -> Iterator[str]:
    """Write which self-test reports quote; `kept` is an earlier one of more comparisons, if any."""
    if found is None:
        return
    if run.is_provisional:
        yield "not stored, since the run did not end"
    elif kept:
        day = kept.measured[:10]
        yield f"reports go on to quote the self-test of {day}, which rests on more comparisons"
    else:
        yield "stored: reports of this machine quote it from now on"


def selftest_findings(found: Trust | None, state: str = "") -> Iterator[str]:
    """Write what a self-test found, below the `state` of its run where that is not whole."""
    if state:
        yield state
    if found is None:
        yield "no twin was measured, so there is no result"
        return
    false, wrong = found.false_alarms, found.wrong_way
    yield (
        f"identical code was called different in {false.hits} of {false.tries:,} comparisons "
        f"(at most {percent(false.at_most, 2)} with 95 % confidence)"
    )
    seen = (
        f"{percent(share, 0, signed=True)} in {calls.hits} of {calls.tries}"
        for share, calls in sorted(found.found.items())
    )
    yield (
        f"found where planted: {', '.join(seen)}; "
        f"the wrong way round in {wrong.hits} of {wrong.tries:,}"
    )
    yield (
        f"{counted(found.settings, 'setting')}, {found.launches:.1f} launches a rival, "
        f"{found.seconds_per_verdict:.1f} s a comparison"
    )


def relative_path(path: Path) -> Path:
    """Return a path as a user would type it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
