"""Where a run that was cut off goes on: what its journal holds, and how many bytes to keep.

A torn last line is cut off, and so are the lines of a setting whose rivals are not all there, since
they were played together and only together mean something.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from timelift.case import Setting
from timelift.journal.lines import CaseInLaunch, Header
from timelift.journal.reading import (
    BAD_RECORD,
    case_in_launch_from,
    parse_object,
    read_line,
)

#: What was played, by number of launch and setting.
Played = Mapping[tuple[int, Setting], Sequence[CaseInLaunch]]


@dataclass(frozen=True)
class Past:
    """A run to go on with: its header, what was played, and how many bytes of its file to keep."""

    path: Path
    header: Header
    kept_bytes: int = 0
    played: Played = field(default_factory=dict)

    @property
    def cases(self) -> frozenset[str]:
        """The labels of the cases that it was going to measure."""
        return frozenset(self.header.planned or ())


def read_past(path: Path) -> Past | None:
    """Read what a run has played; None where the file has no header of this schema.

    Raises OSError where it cannot be read, one of BAD_RECORD where a measurement in it is damaged.
    """
    lines = path.read_bytes().split(b"\n")
    try:
        header = read_line(lines[0], [])
    except BAD_RECORD:
        return None
    if not isinstance(header, Header):
        return None
    kept = at = len(lines[0]) + 1
    played: dict[tuple[int, Setting], list[CaseInLaunch]] = {}
    group: list[CaseInLaunch] = []
    for line in lines[1:-1]:
        at += len(line) + 1
        if found := _launch(line):
            group.append(found)
        if not group or len(group) >= (group[-1].rivals or 1):
            for one in group:
                played.setdefault((one.launch, one.case.setting), []).append(one)
            group, kept = [], at
    return Past(path, header, kept, played)


def _launch(line: bytes) -> CaseInLaunch | None:
    """Read a line of a launch; None for any other, ValueError where its samples are damaged."""
    try:
        fields = parse_object(line)
    except BAD_RECORD:
        return None
    return case_in_launch_from(fields, []) if fields.get("kind") == "launch" else None
