"""What a question can be answered: a choice with its price, or that it is undecided, and why."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from timelift.analyse.scaling.family import others
from timelift.case import Setting


@dataclass(frozen=True)
class Position:
    """The measured settings around a question: one, two along `axis`, or four."""

    corners: tuple[Setting, ...]
    axis: str = ""

    @property
    def measured(self) -> bool:
        """Whether the very setting was measured."""
        return len(self.corners) == 1


class Basis(StrEnum):
    """How a choice was decided: at the very setting, or from those around it."""

    MEASURED = "measured"
    FASTEST_AT_BOTH = "fastest at both ends"
    AHEAD = "ahead of the winner of the other end"
    TIED = "tied with the winner of the other end"
    FASTEST_IN_ALL = "fastest in all four"
    LEAST_ON_EVERY_SIDE = "least on every side"


class Doubt(StrEnum):
    """Why a run does not decide."""

    NOT_MEASURED = "no size measured"
    OUTSIDE = "outside what was measured"
    ALONE = "measured alone"
    ONE_LAUNCH = "one launch"
    DEAR = "the first may be dear"
    ONE_SIDE = "measured on one side"
    DEAR_BETWEEN = "the winner of both ends may be dear"
    TOO_NEAR = "the winners of both ends are too near"
    DIFFERENT_WINNERS = "different winners"
    NOT_SURE = "not sure enough"
    FACT_UNKNOWN = "a fact of fewer than two strategies"
    FACT_SILENT = "a fact of some strategy is unknown"


@dataclass(frozen=True)
class Alternative:
    """How many times the chosen strategy's value another one takes, and its interval."""

    strategy: str
    ratio: float
    low: float = math.nan
    high: float = math.nan

    @property
    def apart(self) -> bool:
        """Whether it is known to cost more than the chosen one."""
        return self.low > 1


@dataclass(frozen=True)
class Choice:
    """The answer: a strategy, its value with an interval, and what the others take.

    `value` is in seconds or bytes; it is below that where `is_bound`. `price` is the most that it
    costs over the best, as a ratio; NaN where nothing is claimed. `winners` are the fastest at both
    ends, the smaller size first, of a size that was not measured. `is_fastest` is false where
    another strategy took less time and this one has less to lose.
    """

    strategy: str
    place: Position
    launches: int
    value: float
    low: float
    high: float
    price: float
    others: tuple[Alternative, ...]
    basis: Basis = Basis.MEASURED
    winners: tuple[str, ...] = ()
    is_fastest: bool = True
    is_bound: bool = False

    @property
    def price_is_known(self) -> bool:
        """Whether something is claimed of what it costs over the best."""
        return math.isfinite(self.price)

    @property
    def may_cost(self) -> bool:
        """Whether it may cost more than the best."""
        return self.price_is_known and self.price > 1

    @property
    def not_told_apart(self) -> tuple[Alternative, ...]:
        """The alternatives that are not known to cost more."""
        return tuple(one for one in self.others if not one.apart)

    @property
    def slower(self) -> tuple[Alternative, ...]:
        """The alternatives that are known to cost more."""
        return tuple(one for one in self.others if one.apart)


@dataclass(frozen=True)
class Undecided:
    """No answer: why, and between which strategies, if that is known.

    `longer` if only a long run may tell. `strategies` are those that the doubt is about, `price`
    what the first of them may cost, `fact` what is not known; `sizes` are the ends between which
    the question lies, `lengths` and `batches` the ranges that were measured.
    """

    doubt: Doubt
    between: tuple[str, ...] = ()
    longer: bool = False
    strategies: tuple[str, ...] = ()
    price: float = math.nan
    fact: str = ""
    sizes: tuple[int, int] = (0, 0)
    lengths: tuple[int, int] = (0, 0)
    batches: tuple[int, int] = (0, 0)


def place(asked: Setting, measured: Iterable[Setting]) -> Position | None:
    """Find the nearest measured settings on every side; None where a side has none."""
    known = {one for one in measured if alike(one, asked)}
    if asked in known:
        return Position((asked,))
    for axis in ("seq_len", "batch"):
        line = {one for one in known if others(one, axis) == others(asked, axis)}
        if ends := _around(asked, axis, line):
            return Position(ends, axis)
    return _corners(asked, known)


def alike(one: Setting, asked: Setting) -> bool:
    """Whether two settings differ in sizes at most."""
    return others(others(one, "seq_len"), "batch") == others(others(asked, "seq_len"), "batch")


def _around(asked: Setting, axis: str, line: Iterable[Setting]) -> tuple[Setting, ...]:
    """Return the neighbours of a size along a line of settings; none where it lies outside."""
    ordered = sorted(line, key=lambda one: int(getattr(one, axis)))
    size = getattr(asked, axis)
    before = [one for one in ordered if getattr(one, axis) < size]
    after = [one for one in ordered if getattr(one, axis) > size]
    return (before[-1], after[0]) if before and after else ()


def _corners(asked: Setting, known: set[Setting]) -> Position | None:
    """Return the four settings around a question that is between sizes in both axes."""
    batches = _around(asked, "batch", {replace(one, seq_len=asked.seq_len) for one in known})
    lines = [{one for one in known if one.batch == end.batch} for end in batches]
    corners = [_around(asked, "seq_len", line) for line in lines]
    same = len({tuple(one.seq_len for one in ends) for ends in corners}) == 1
    return Position(tuple(one for ends in corners for one in ends)) if same and corners[0] else None
