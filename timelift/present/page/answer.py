"""The first screen: for each workload what to write, what it costs, where it changes, how sure."""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from timelift.analyse.break_even import FirstCalls, stages
from timelift.analyse.choice import Choice, Worst, beaten, choose, costs
from timelift.analyse.stats.ranking import Ranking
from timelift.analyse.stats.verdicts import MIN_LAUNCHES, Verdict
from timelift.case import AXES, Gradients
from timelift.present.notes import earns_verdicts
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
class Change:
    """What an axis does to the answer: nothing, or another strategy at some of its values."""

    axis: str
    text: str
    changes: bool


@dataclass(frozen=True)
class Answer:
    """The answer for one workload."""

    workload: str
    choice: Choice
    why: str
    changes: tuple[Change, ...]
    fixed: str
    beaten: str
    first: str
    trust: str

    @property
    def strategy(self) -> str:
        """The recommended strategy."""
        return self.choice.strategy

    @property
    def others(self) -> tuple[Worst, ...]:
        """The alternatives that the card has room for, the cheapest first, the dearest last."""
        rest = self.choice.worst[1:]
        return rest if len(rest) <= SHOWN else (*rest[: SHOWN - 1], rest[-1])

    @property
    def left_out(self) -> int:
        """How many strategies the card has no room for."""
        return len(self.choice.worst) - 1 - len(self.others)


def answers(contests: Sequence[Ranking], first: FirstCalls) -> tuple[Answer, ...]:
    """Answer for every workload in which strategies could be compared, in order of their names."""
    groups: dict[str, list[Ranking]] = defaultdict(list)
    for ranking in contests:
        groups[ranking.setting.workload].append(ranking)
    return tuple(_answer(name, groups[name], first) for name in sorted(groups))


def _answer(workload: str, contests: Sequence[Ranking], first: FirstCalls) -> Answer:
    choice = choose(contests)
    return Answer(
        workload=workload,
        choice=choice,
        why=_why(choice, contests),
        changes=tuple(_changes(contests, choice)),
        fixed=_fixed(contests),
        beaten="" if choice.is_safe else _beaten(contests, choice.strategy),
        first=_first(contests, choice.strategy, first),
        trust=_trust(contests),
    )


def _why(choice: Choice, contests: Sequence[Ranking]) -> str:
    settings = len(contests)
    where = "its one setting" if settings == 1 else f"all {settings} settings"
    if choice.is_safe:
        return f"never shown slower than the best, in {where}"
    if not choice.worst[0].bound:
        return f"closest to the fastest, in {where}; one launch is no verdict"
    if not any(map(earns_verdicts, contests)):
        return (
            f"closest to the fastest, in {where}; fewer than {MIN_LAUNCHES} launches are no verdict"
        )
    return f"least to lose: no strategy stays unbeaten in {where}"


def _beaten(contests: Sequence[Ranking], strategy: str) -> str:
    lost = beaten(contests, strategy)
    if not lost:
        return ""
    where = f"shown slower in {len(lost)} of {len(contests)} settings"
    most = ", ".join(lost[0].setting.words)
    return f"{where}, most at {most}: {costs(lost[0], strategy)}"


def _changes(contests: Sequence[Ranking], choice: Choice) -> Iterator[Change]:
    """Say of each axis with several values whether another strategy is the choice at some."""
    for axis, kind in AXES.items():
        groups: dict[object, list[Ranking]] = defaultdict(list)
        for ranking in contests:
            groups[getattr(ranking.setting, axis)].append(ranking)
        groups.pop(Gradients.NONE, None)
        if len(groups) > 1 and axis != "workload":
            places = list(kind) if issubclass(kind, StrEnum) else sorted(groups, key=_rank)
            ordered = [value for value in places if value in groups]
            yield _change(axis, [(value, groups[value]) for value in ordered], choice)


def _fixed(contests: Sequence[Ranking]) -> str:
    """Name the sizes and the execution that were asked at one value alone."""
    values = {axis: {getattr(one.setting, axis) for one in contests} for axis in _FIXED}
    alone = {axis: next(iter(found)) for axis, found in values.items() if len(found) == 1}
    return ", ".join(_FIXED[axis].format(value) for axis, value in alone.items())


def _change(
    axis: str, groups: Sequence[tuple[object, Sequence[Ranking]]], choice: Choice
) -> Change:
    picks = [(value, _pick(group, choice)) for value, group in groups]
    runs = [
        (name, [value for value, _ in run])
        for name, run in itertools.groupby(picks, key=lambda pick: pick[1])
    ]
    word = _WORDS.get(axis, axis)
    if {name for name, _ in runs} == {choice.strategy}:
        return Change(word, f"the same at {_span([value for value, _ in groups])}", changes=False)
    return Change(
        word, "; ".join(f"{name} at {_span(values)}" for name, values in runs), changes=True
    )


def _pick(contests: Sequence[Ranking], choice: Choice) -> str:
    """Keep the choice wherever it was not shown slower."""
    if choice.is_safe or not beaten(contests, choice.strategy):
        return choice.strategy
    return choose(contests).strategy


def _rank(value: object) -> tuple[int, str]:
    return (value, "") if isinstance(value, int) else (0, str(value))


def _span(values: Sequence[object]) -> str:
    """Write values: numbers as a range, words one by one."""
    if len(values) > 1 and all(isinstance(value, int) for value in values):
        return f"{values[0]:,} to {values[-1]:,}"
    return " and ".join(f"{value:,}" if isinstance(value, int) else str(value) for value in values)


def _first(contests: Sequence[Ranking], strategy: str, first: FirstCalls) -> str:
    """Say how long the first call takes, and after how many calls a dear one has paid off."""
    cases = (row.case for one in contests for row in one.rows if row.case.strategy == strategy)
    seconds = [first[case] for case in cases if case in first]
    if not seconds:
        return ""
    later = [stage for one in contests for stage in stages(one, first)[1:]]
    calls = [stage.calls - 1 for stage in later if stage.strategy == strategy]
    paid = (
        f"; pays off after {_ends([f'{min(calls):,}', f'{max(calls):,}'])} calls" if calls else ""
    )
    return f"{_ends([three_figures(min(seconds)), three_figures(max(seconds))])} s{paid}"


def _ends(ends: Sequence[str]) -> str:
    return " to ".join(dict.fromkeys(ends))


def _trust(contests: Sequence[Ranking]) -> str:
    """Say how many launches stand behind the prices, how wide the intervals are, what is open."""
    rows = [row for ranking in contests for row in ranking.rows]
    behind = [row for ranking in contests for row in ranking.rows[1:]]
    counts = sorted({row.launches for row in rows})
    launches = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    plural = "launch" if counts == [1] else "launches"
    known = [row for row in behind if math.isfinite(row.low) and math.isfinite(row.high)]
    if not known:
        return f"{launches} {plural}, so no interval: play at least three"
    half = float(np.median([math.log(row.high / row.low) / 2 for row in known]))
    undecided = sum(row.verdict is Verdict.UNDECIDED for row in behind)
    still = f"{undecided} of {len(behind)} comparisons undecided"
    return f"{launches} {plural}; 95 % intervals of ±{math.expm1(half):.1%} in the median; {still}"
