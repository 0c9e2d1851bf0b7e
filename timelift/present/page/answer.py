"""The first screen: for each workload what to write, what it costs, where it changes, how sure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from timelift.analyse.recommend import (
    ByAxis,
    FirstCallRange,
    ForWorkload,
    Price,
    PricePrecision,
    Recommendation,
)
from timelift.present import recommended
from timelift.present.units import three_figures

#: Axes in the words of a sentence; a forward call has no gradients, so they are told apart.
_WORDS = {"seq_len": "length", "time_axis": "time axis", "lengths": "valid lengths"}
#: Axes that a reader may miss where they had one value, in words.
_FIXED = {
    "seq_len": "length {:,}",
    "batch": "batch {:,}",
    "phase": "{}",
    "mode": "mode {}",
    "device": "device {}",
}
#: So many strategies are priced beside the recommended one; the table has the rest.
SHOWN = 5


@dataclass(frozen=True)
class AxisNote:
    """What an axis does to the answer: nothing, or another strategy at some of its values."""

    axis: str
    text: str
    changes: bool


@dataclass(frozen=True)
class Card:
    """The answer for one workload in words."""

    workload: str
    found: Recommendation
    why: str
    changes: tuple[AxisNote, ...]
    fixed: str
    beaten: str
    first: str
    trust: str

    @property
    def strategy(self) -> str:
        """The recommended strategy."""
        return self.found.strategy

    @property
    def price(self) -> str:
        """What the recommended strategy costs at most."""
        return recommended.worst_price(self.found.price)

    @property
    def others(self) -> tuple[Price, ...]:
        """The alternatives that the card has room for, the cheapest first, the dearest last."""
        rest = self.found.prices[1:]
        return rest if len(rest) <= SHOWN else (*rest[: SHOWN - 1], rest[-1])

    @property
    def left_out(self) -> int:
        """How many strategies the card has no room for."""
        return len(self.found.prices) - 1 - len(self.others)


def answers(found: Iterable[ForWorkload]) -> tuple[Card, ...]:
    """Write the answer of every workload."""
    return tuple(
        Card(
            workload=one.workload,
            found=one.found,
            why=recommended.why(one.found),
            changes=tuple(_change(axis) for axis in one.by_axis),
            fixed=_fixed(one.fixed),
            beaten=_beaten(one.found),
            first=_first(one.first_call),
            trust=_trust(one.precision),
        )
        for one in found
    )


def _beaten(one: Recommendation) -> str:
    if not one.lost:
        return ""
    most = one.lost[0]
    where = f"shown slower in {len(one.lost)} of {one.settings} settings"
    price = recommended.price_at(most, one.strategy)
    return f"{where}, most at {', '.join(most.setting.words)}: {price}"


def _change(one: ByAxis) -> AxisNote:
    word = _WORDS.get(one.axis, one.axis)
    if not one.changes:
        return AxisNote(word, f"the same at {_span(one.values)}", changes=False)
    text = "; ".join(f"{name} at {_span(values)}" for name, values in one.picks)
    return AxisNote(word, text, changes=True)


def _fixed(values: Mapping[str, object]) -> str:
    """Name the sizes and the execution that were asked at one value alone."""
    return ", ".join(_FIXED[axis].format(value) for axis, value in values.items())


def _span(values: Sequence[object]) -> str:
    """Write values: numbers as a range, words one by one."""
    if len(values) > 1 and all(isinstance(value, int) for value in values):
        return f"{values[0]:,} to {values[-1]:,}"
    return " and ".join(f"{value:,}" if isinstance(value, int) else str(value) for value in values)


def _first(found: FirstCallRange | None) -> str:
    """Write how long the first call takes, and after how many calls a dear one has paid off."""
    if found is None:
        return ""
    calls = found.pays_off_after
    paid = f"; pays off after {_ends([f'{one:,}' for one in calls])} calls" if calls else ""
    return f"{_ends(list(map(three_figures, found.seconds)))} s{paid}"


def _ends(ends: Sequence[str]) -> str:
    return " to ".join(dict.fromkeys(ends))


def _trust(found: PricePrecision) -> str:
    """Write how many launches stand behind the prices, how wide intervals are, what is open."""
    launches = _ends(list(map(str, found.launches)))
    plural = "launch" if found.launches == (1, 1) else "launches"
    if found.half_width is None:
        return f"{launches} {plural}, so no interval: play at least three"
    wide = f"95 % intervals of ±{math.expm1(found.half_width):.1%} in the median"
    still = f"{found.undecided} of {found.comparisons} comparisons undecided"
    return f"{launches} {plural}; {wide}; {still}"
