"""Where a question lies among what was measured: on a setting, or between settings."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from timelift.analyse.scaling.family import others
from timelift.case import Setting


@dataclass(frozen=True)
class Place:
    """The measured settings around a question: one, two along `axis`, or four."""

    corners: tuple[Setting, ...]
    axis: str = ""

    @property
    def measured(self) -> bool:
        """Whether the very setting was measured."""
        return len(self.corners) == 1


def place(asked: Setting, measured: Iterable[Setting]) -> Place | None:
    """Find the nearest measured settings on every side; None where a side has none."""
    known = {one for one in measured if alike(one, asked)}
    if asked in known:
        return Place((asked,))
    for axis in ("seq_len", "batch"):
        line = {one for one in known if others(one, axis) == others(asked, axis)}
        if ends := _around(asked, axis, line):
            return Place(ends, axis)
    return _corners(asked, known)


def alike(one: Setting, asked: Setting) -> bool:
    """Say whether two settings differ in sizes at most."""
    return others(others(one, "seq_len"), "batch") == others(others(asked, "seq_len"), "batch")


def _around(asked: Setting, axis: str, line: Iterable[Setting]) -> tuple[Setting, ...]:
    """Give the neighbours of a size along a line of settings; none where it lies outside."""
    ordered = sorted(line, key=lambda one: int(getattr(one, axis)))
    size = getattr(asked, axis)
    before = [one for one in ordered if getattr(one, axis) < size]
    after = [one for one in ordered if getattr(one, axis) > size]
    return (before[-1], after[0]) if before and after else ()


def _corners(asked: Setting, known: set[Setting]) -> Place | None:
    """Give the four settings around a question that is between sizes in both axes."""
    batches = _around(asked, "batch", {replace(one, seq_len=asked.seq_len) for one in known})
    lines = [{one for one in known if one.batch == end.batch} for end in batches]
    corners = [_around(asked, "seq_len", line) for line in lines]
    same = len({tuple(one.seq_len for one in ends) for ends in corners}) == 1
    return Place(tuple(one for ends in corners for one in ends)) if same and corners[0] else None
