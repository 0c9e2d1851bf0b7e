"""Where a run that was cut off goes on: what its journal holds, and how many bytes to keep.

A torn last line is cut off, and so are the lines of a setting whose rivals are not all there, since
they were played together and only together mean something.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from timelift.case import Setting
from timelift.journal.lines import CaseInLaunch, Header
from timelift.journal.reading import DamagedLaunchError, places

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

    Raises OSError where it cannot be read, ValueError where a measurement in it is damaged.
    """
    read = places(path.read_bytes())
    first = next(read, None)
    if first is None or not isinstance(first.line, Header) or first.torn:
        return None
    kept = first.end_bytes
    played: dict[tuple[int, Setting], list[CaseInLaunch]] = {}
    group: list[CaseInLaunch] = []
    for place in read:
        if place.torn:
            break
        if isinstance(place.error, DamagedLaunchError):
            raise place.error
        if isinstance(place.line, CaseInLaunch):
            group.append(place.line)
        if not group or len(group) >= (group[-1].rivals or 1):
            for one in group:
                played.setdefault((one.launch, one.case.setting), []).append(one)
            group, kept = [], place.end_bytes
    return Past(path, first.line, kept, played)
