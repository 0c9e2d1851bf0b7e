"""The faults that a killed run leaves, before and after it is resumed, as counts."""

import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

import psutil

from timelift.axis_values import Status
from timelift.journal.lines import End, Line
from timelift.journal.reading import read_line
from timelift.measurement import CaseInLaunch

#: What must not be found after a kill.
FAULTS = ("lost", "duplicates", "missing", "orphans", "tracebacks", "wrong endings")
#: In the environment of every process of a trial: which kill it belongs to.
TRIAL_VARIABLE = "TIMELIFT_TRIAL"
#: Seconds in which the processes of a run that was killed have to end.
GRACE = 2.0
_TRACEBACK = "Traceback (most recent call last)"
_RAISED = re.compile(r"^(?:\w+\.)*\w+(?=:|$)", re.MULTILINE)


class Reached(StrEnum):
    """How far a run was when it ended."""

    IMPORTS = "imports"
    HEADER = "no measurement"
    MEASURING = "measuring"
    END = "complete"


def whole_lines(journal: bytes) -> list[bytes]:
    """Return a journal's lines without one that was cut off."""
    return journal.split(b"\n")[:-1]


def reached(lines: Sequence[bytes]) -> Reached:
    if not lines:
        return Reached.IMPORTS
    last = _line(lines[-1])
    if isinstance(last, End) and last.exit == "complete":
        return Reached.END
    return Reached.MEASURING if measurements(lines) else Reached.HEADER


def measurements(lines: Iterable[bytes]) -> list[CaseInLaunch]:
    return [read for line in lines if isinstance(read := _line(line), CaseInLaunch)]


def _line(text: bytes) -> Line | None:
    try:
        return read_line(text)
    except ValueError:
        return None


def lost(before: Iterable[bytes], after: Iterable[bytes]) -> int:
    """Count the lines that are missing or changed `after`; equal ones count each time."""
    return (Counter(before) - Counter(after)).total()


def duplicates(lines: Iterable[bytes]) -> int:
    """Count the lines of a case in a launch that has one already."""
    played = Counter(map(_played, measurements(lines)))
    return played.total() - len(played)


def missing(lines: Iterable[bytes], cases: Iterable[str], launches: int) -> int:
    """Count the cases, by label, that were not measured in one of so many launches."""
    played = [line for line in measurements(lines) if line.status is Status.MEASURED]
    measured = set(map(_played, played))
    wanted = {(number, label) for label in cases for number in range(1, launches + 1)}
    return len(wanted - measured)


def labels(lines: Iterable[bytes]) -> frozenset[str]:
    return frozenset(label for _, label in map(_played, measurements(lines)))


def _played(line: CaseInLaunch) -> tuple[int, str]:
    return line.number, line.case.label


def tracebacks(printed: str, *, ours: bool = True) -> int:
    """Count the tracebacks; unless all are `ours`, a KeyboardInterrupt is Python's own."""
    raised = [_RAISED.search(traceback) for traceback in printed.split(_TRACEBACK)[1:]]
    names = [name[0] if name else "" for name in raised]
    return sum(ours or name != "KeyboardInterrupt" for name in names)


def end_orphans(mark: str, grace: float = GRACE) -> int:
    """Count the processes of a mark that outlive their run, and end them."""
    deadline = time.monotonic() + grace
    while (orphans := _marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in orphans:
        process.kill()
    return len(orphans)


def _marked(mark: str) -> list[psutil.Process]:
    processes = psutil.process_iter()
    return [process for process in processes if _environment(process).get(TRIAL_VARIABLE) == mark]


def _environment(process: psutil.Process) -> Mapping[str, str]:
    """Return a process's environment; empty if it has ended or is another user's."""
    try:
        return process.environ()
    except (psutil.Error, OSError):
        return {}
