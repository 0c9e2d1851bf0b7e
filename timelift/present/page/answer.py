"""The first screen: for each workload what to write, what it costs, where it changes, how sure."""

from collections.abc import Sequence
from dataclasses import dataclass

from timelift.analyse.recommend import ByAxis, ForWorkload, Price, Recommendation
from timelift.present import recommended
from timelift.present.units import plus_minus, three_figures

#: Axes in the words of a sentence.
_WORDS = {"seq_len": "length", "time_axis": "time axis", "lengths": "valid lengths"}
#: Axes that a reader may miss where they had one value, in words.
_FIXED = {
    "seq_len": "length {:,}",
    "batch": "batch {:,}",
    "phase": "{}",
    "mode": "mode {}",
    "device": "device {}",
}
#: How many strategies are priced beside the recommended one; the table has the rest.
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

    for_workload: ForWorkload

    @property
    def workload(self) -> str:
        return self.for_workload.workload

    @property
    def recommendation(self) -> Recommendation:
        return self.for_workload.found

    @property
    def strategy(self) -> str:
        return self.recommendation.strategy

    @property
    def why(self) -> str:
        return recommended.why(self.recommendation)

    @property
    def price(self) -> str:
        return recommended.worst_price(self.recommendation.price)

    @property
    def others(self) -> tuple[Price, ...]:
        """The alternatives that there is room for, the cheapest first, the most expensive last."""
        rest = self.recommendation.prices[1:]
        return rest if len(rest) <= SHOWN else (*rest[: SHOWN - 1], rest[-1])

    @property
    def left_out(self) -> int:
        """How many strategies the card has no room for."""
        return len(self.recommendation.prices) - 1 - len(self.others)

    @property
    def beaten(self) -> str:
        """Where the recommended strategy was shown slower, if anywhere."""
        if not self.recommendation.slower_in:
            return ""
        slower_in, settings = self.recommendation.slower_in, self.recommendation.settings
        most, where = slower_in[0], f"shown slower in {len(slower_in)} of {settings} settings"
        price = recommended.price_at(most, self.strategy)
        return f"{where}, most at {', '.join(most.setting.words)}: {price}"

    @property
    def changes(self) -> tuple[AxisNote, ...]:
        return tuple(map(_axis_note, self.for_workload.by_axis))

    @property
    def fixed(self) -> str:
        """The sizes and the execution that were asked at one value alone."""
        values = self.for_workload.fixed.items()
        return ", ".join(_FIXED[axis].format(value) for axis, value in values if axis in _FIXED)

    @property
    def first(self) -> str:
        """How long the first call takes, and after how many calls a slow one has paid off."""
        first = self.for_workload.first_call
        if first is None:
            return ""
        calls = first.break_even_calls
        paid = f"; pays off after {_ends([f'{one:,}' for one in calls])} calls" if calls else ""
        return f"{_ends([three_figures(one) for one in first.seconds])} s{paid}"

    @property
    def trust(self) -> str:
        """How many launches stand behind the prices, how wide intervals are, what is open."""
        found = self.for_workload.precision
        launches = _ends([str(count) for count in found.launches])
        plural = "launch" if found.launches == (1, 1) else "launches"
        if found.half_width is None:
            return f"{launches} {plural}, so no interval: play at least three"
        wide = f"95 % intervals of {plus_minus(found.half_width)} in the median"
        still = f"{found.undecided} of {found.comparisons} comparisons undecided"
        return f"{launches} {plural}; {wide}; {still}"


def _axis_note(one: ByAxis) -> AxisNote:
    word = _WORDS.get(one.axis, one.axis)
    if not one.changes:
        return AxisNote(word, f"the same at {_span(one.values)}", changes=False)
    text = "; ".join(f"{name} at {_span(values)}" for name, values in one.picks)
    return AxisNote(word, text, changes=True)


def _span(values: Sequence[object]) -> str:
    """Write values: numbers as a range, words one by one."""
    if len(values) > 1 and all(isinstance(value, int) for value in values):
        return f"{values[0]:,} to {values[-1]:,}"
    return " and ".join(f"{value:,}" if isinstance(value, int) else str(value) for value in values)


def _ends(ends: Sequence[str]) -> str:
    return " to ".join(dict.fromkeys(ends))
