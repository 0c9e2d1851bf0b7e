"""The strategy to use for each workload: why, what changes it, its price, and how sure that is."""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from timelift.analyse.break_even import FirstCalls, stages
from timelift.analyse.choice import Choice, beaten, choose, earns_verdicts
from timelift.analyse.stats.ranking import Ranking
from timelift.analyse.stats.verdicts import Verdict
from timelift.case import AXES, Gradients

#: Axes whose value a reader may miss where there was one.
_FIXED = ("seq_len", "batch", "phase", "mode", "device")


class Why(StrEnum):
    """What a recommendation rests on."""

    NEVER_SLOWER = "never shown slower"
    ONE_LAUNCH = "closest in one launch"
    FEW_LAUNCHES = "closest in few launches"
    LEAST_TO_LOSE = "least to lose"


@dataclass(frozen=True)
class ByAxis:
    """What an axis does to the recommendation: neighbouring values with one pick, in order."""

    axis: str
    picks: tuple[tuple[str, tuple[object, ...]], ...]
    changes: bool

    @property
    def values(self) -> tuple[object, ...]:
        """All values of the axis, in order."""
        return tuple(value for _, values in self.picks for value in values)


@dataclass(frozen=True)
class FirstCallRange:
    """The shortest and the longest first call, in seconds; after how many calls it pays off."""

    seconds: tuple[float, float]
    pays_off_after: tuple[int, int] | None


@dataclass(frozen=True)
class Precision:
    """What stands behind the prices: launches, intervals, and comparisons that stay undecided.

    `half_width` is that of the intervals of ratios in the median, as a log ratio; None where there
    are no intervals.
    """

    launches: tuple[int, int]
    half_width: float | None
    comparisons: int
    undecided: int


@dataclass(frozen=True)
class Recommended:
    """The recommendation for one workload; `lost` are settings in which it was shown slower.

    `fixed` are the values of axes that had one value alone.
    """

    workload: str
    settings: int
    choice: Choice
    why: Why
    by_axis: tuple[ByAxis, ...]
    fixed: Mapping[str, object]
    lost: tuple[Ranking, ...]
    first_call: FirstCallRange | None
    precision: Precision


def recommend(contests: Sequence[Ranking], first: FirstCalls) -> tuple[Recommended, ...]:
    """Recommend a strategy for every workload with contests, in order of their names."""
    groups: dict[str, list[Ranking]] = defaultdict(list)
    for ranking in contests:
        groups[ranking.setting.workload].append(ranking)
    return tuple(_recommended(name, groups[name], first) for name in sorted(groups))


def _recommended(workload: str, contests: Sequence[Ranking], first: FirstCalls) -> Recommended:
    choice = choose(contests)
    return Recommended(
        workload=workload,
        settings=len(contests),
        choice=choice,
        why=_why(choice, contests),
        by_axis=tuple(_by_axis(contests, choice)),
        fixed=_fixed(contests),
        lost=() if choice.is_safe else tuple(beaten(contests, choice.strategy)),
        first_call=_first_call(contests, choice.strategy, first),
        precision=_precision(contests),
    )


def _why(choice: Choice, contests: Sequence[Ranking]) -> Why:
    if choice.is_safe:
        return Why.NEVER_SLOWER
    if not choice.worst[0].bound:
        return Why.ONE_LAUNCH
    return Why.LEAST_TO_LOSE if any(map(earns_verdicts, contests)) else Why.FEW_LAUNCHES


def _by_axis(contests: Sequence[Ranking], choice: Choice) -> Iterator[ByAxis]:
    """Find for each axis with several values whether another strategy is the choice at some."""
    for axis, kind in AXES.items():
        groups: dict[object, list[Ranking]] = defaultdict(list)
        for ranking in contests:
            groups[getattr(ranking.setting, axis)].append(ranking)
        groups.pop(Gradients.NONE, None)
        if len(groups) > 1 and axis != "workload":
            places = list(kind) if issubclass(kind, StrEnum) else sorted(groups, key=_rank)
            yield _picked(axis, {one: groups[one] for one in places if one in groups}, choice)


def _picked(axis: str, groups: Mapping[object, Sequence[Ranking]], choice: Choice) -> ByAxis:
    picks = [(value, _pick(group, choice)) for value, group in groups.items()]
    runs = tuple(
        (name, tuple(value for value, _ in run))
        for name, run in itertools.groupby(picks, key=lambda pick: pick[1])
    )
    return ByAxis(axis, runs, changes={name for name, _ in runs} != {choice.strategy})


def _pick(contests: Sequence[Ranking], choice: Choice) -> str:
    """Keep the choice wherever it was not shown slower."""
    if choice.is_safe or not beaten(contests, choice.strategy):
        return choice.strategy
    return choose(contests).strategy


def _rank(value: object) -> tuple[int, str]:
    return (value, "") if isinstance(value, int) else (0, str(value))


def _fixed(contests: Sequence[Ranking]) -> dict[str, object]:
    """Return the sizes and the execution that were asked at one value alone."""
    values = {axis: {getattr(one.setting, axis) for one in contests} for axis in _FIXED}
    return {axis: next(iter(found)) for axis, found in values.items() if len(found) == 1}


def _first_call(
    contests: Sequence[Ranking], strategy: str, first: FirstCalls
) -> FirstCallRange | None:
    """Return how long the first call takes, and after how many calls a dear one has paid off."""
    cases = (row.case for one in contests for row in one.rows if row.case.strategy == strategy)
    seconds = [first[case] for case in cases if case in first]
    if not seconds:
        return None
    later = [stage for one in contests for stage in stages(one, first)[1:]]
    calls = [stage.calls - 1 for stage in later if stage.strategy == strategy]
    paid = (min(calls), max(calls)) if calls else None
    return FirstCallRange((min(seconds), max(seconds)), paid)


def _precision(contests: Sequence[Ranking]) -> Precision:
    launches = [row.launches for ranking in contests for row in ranking.rows]
    behind = [row for ranking in contests for row in ranking.rows[1:]]
    widths = [math.log(row.high / row.low) / 2 for row in behind if row.has_interval]
    return Precision(
        (min(launches), max(launches)),
        float(np.median(widths)) if widths else None,
        len(behind),
        sum(row.verdict is Verdict.UNDECIDED for row in behind),
    )
