"""What to write, and what is gained by it over the baseline: one strategy, or one at each value.

Where no strategy stays unbeaten in all settings, an axis may tell which to write where: one in
eager mode, another elsewhere. Speed-ups are told against the baseline of each setting, and summed
up over settings that share it.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from timelift.analyse.recommend import (
    Recommendation,
    Why,
    axis_groups,
    cost_over_best,
    recommend,
    was_tested,
)
from timelift.analyse.stats.ranking import BASELINES, RankedCase, Ranking
from timelift.analyse.stats.verdicts import Verdict
from timelift.case import AXES, Gradients, Setting, several_valued

#: More parts than these are no rule that one remembers; workloads are asked one by one anyway.
_MOST_PARTS = 3
#: A rule of several parts is told where what it costs at most is no more than this share of what
#: one strategy for all costs at most.
_WORTH_IT = 0.5

#: What was shown slower in more than this share of the settings is no answer for all of them.
_MANY = 1 / 3


@dataclass(frozen=True)
class AdvicePart:
    """What to write at these values of the advice's axis, or everywhere where it has no axis."""

    values: tuple[object, ...]
    found: Recommendation
    rankings: tuple[Ranking, ...]

    @property
    def strategy(self) -> str:
        return self.found.strategy

    @property
    def rows(self) -> Iterator[tuple[Ranking, RankedCase]]:
        """The settings in which the strategy was measured, with its row in each."""
        for ranking in self.rankings:
            for row in ranking.rows:
                if row.case.strategy == self.strategy:
                    yield ranking, row


@dataclass(frozen=True)
class Gain:
    """How many times as fast as `baseline` the advice is, in the settings that have it.

    `least` and `most` are estimates of single settings; in `faster` and `slower` of the `settings`
    the difference was shown.
    """

    baseline: str
    least: float
    most: float
    settings: int
    faster: int
    slower: int

    @property
    def place(self) -> tuple[int, str]:
        """What breaks ties: the baseline's place in `BASELINES`, others after them by name."""
        name = self.baseline
        return (BASELINES.index(name) if name in BASELINES else len(BASELINES)), name


class Loss(NamedTuple):
    """A setting in which a rival was shown to beat an advised strategy."""

    ranking: Ranking
    row: RankedCase


@dataclass(frozen=True)
class LostWhere:
    """The settings in which an advised strategy was shown slower, taken together.

    `shared` are the values, by axis, that these settings share and not all others have; it was
    shown slower in all settings with these values where `has_no_exception`. `dearest` is the one
    that may cost the most over the best there, whichever that is.
    """

    settings: int
    shared: Mapping[str, object]
    has_no_exception: bool
    dearest: Loss

    @property
    def fastest(self) -> str:
        """The strategy with the shortest time in the dearest setting; empty if it is advised."""
        first = self.dearest.ranking.rows[0]
        return "" if first is self.dearest.row else first.case.strategy


@dataclass(frozen=True)
class Advice:
    """One strategy for all settings, or one at each value of `axis`, most settings first."""

    axis: str
    parts: tuple[AdvicePart, ...]

    @property
    def settings(self) -> int:
        return sum(len(part.rankings) for part in self.parts)

    @property
    def strategies(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(part.strategy for part in self.parts))

    @property
    def price(self) -> float:
        """The ratio to the best that is paid at most, in any setting."""
        return max(part.found.price.ratio for part in self.parts)

    @property
    def is_bound(self) -> bool:
        """True if launches bound the price; else it is only what was seen."""
        return all(part.found.price.bound for part in self.parts)

    @property
    def has_verdict(self) -> bool:
        return all(part.found.why not in {Why.ONE_LAUNCH, Why.FEW_LAUNCHES} for part in self.parts)

    @property
    def is_never_shown_slower(self) -> bool:
        return all(part.found.is_never_shown_slower for part in self.parts)

    @property
    def suits_few(self) -> bool:
        """True if it was shown slower in too many settings to be an answer for all of them."""
        return self.settings > 1 and len(self.losses) > _MANY * self.settings

    @property
    def is_tested_everywhere(self) -> bool:
        """True if it could have been shown slower in every setting."""
        return self.settings == sum(
            was_tested(row, ranking) for part in self.parts for ranking, row in part.rows
        )

    @property
    def measured(self) -> int:
        """In how many of the settings the advised strategy was measured."""
        return sum(len([*part.rows]) for part in self.parts)

    @property
    def gains(self) -> tuple[Gain, ...]:
        """What is gained over each baseline, the one of the most settings first."""
        rows: dict[str, list[RankedCase]] = defaultdict(list)
        for part in self.parts:
            for ranking, row in part.rows:
                if row.speed_up is not None:
                    rows[ranking.baseline].append(row)
        found = (_gain(name, group) for name, group in rows.items())
        return tuple(sorted(found, key=lambda gain: (-gain.settings, gain.place)))

    @property
    def losses(self) -> tuple[Loss, ...]:
        """The settings in which what is advised was shown slower, the most expensive first."""
        found = [
            Loss(ranking, ranking.row(part.strategy))
            for part in self.parts
            for ranking in part.found.slower_in
        ]
        return tuple(sorted(found, key=lambda one: cost_over_best(one.row), reverse=True))

    @property
    def lost(self) -> LostWhere | None:
        """The same settings taken together; None where there are none."""
        losses = self.losses
        if not losses:
            return None
        settings = [one.ranking.setting for one in losses]
        others = [one.setting for part in self.parts for one in part.rankings]
        shared = _shared(settings, others)
        alike = [one for one in others if shared.items() <= _values(one).items()]
        return LostWhere(
            settings=len(settings),
            shared=shared,
            has_no_exception=bool(shared) and len(alike) == len(settings),
            dearest=max(losses, key=lambda one: cost_over_best(one.row)[1]),
        )


def _values(setting: Setting) -> dict[str, object]:
    return {axis: getattr(setting, axis) for axis in AXES}


def _shared(settings: Sequence[Setting], others: Sequence[Setting]) -> dict[str, object]:
    """Return the values that all these settings have, of axes that have several among others.

    That forward calls have no gradients is said by their phase.
    """
    values = {axis: {getattr(one, axis) for one in settings} for axis in several_valued(others)}
    return {
        axis: next(iter(found))
        for axis, found in values.items()
        if len(found) == 1 and found != {Gradients.NONE}
    }


def _gain(baseline: str, rows: Sequence[RankedCase]) -> Gain:
    found = [row.speed_up for row in rows if row.speed_up]
    return Gain(
        baseline,
        min(one.times for one in found),
        max(one.times for one in found),
        len(found),
        sum(one.verdict is Verdict.FASTER for one in found),
        sum(one.verdict is Verdict.SLOWER for one in found),
    )


def advise(rankings: Iterable[Ranking]) -> Advice | None:
    """Return what to write in all these settings; None where no two lifts were measured in any."""
    contests = [one for one in rankings if one.is_contest]
    if not contests:
        return None
    single = _advice("", {(): contests})
    if single.is_never_shown_slower or not single.has_verdict:
        return single
    rules = [rule for axis in AXES if (rule := _by_axis(axis, contests))]
    best = min(rules, key=_rank, default=single)
    return best if _is_worth_it(best, single) else single


def _by_axis(axis: str, contests: Sequence[Ranking]) -> Advice | None:
    groups = axis_groups(contests, axis)
    picked = {value: recommend(group) for value, group in groups.items()}
    runs: dict[tuple[object, ...], list[Ranking]] = {}
    for _, run in itertools.groupby(groups, key=lambda value: _strategy(picked[value])):
        values = tuple(run)
        runs[values] = [ranking for value in values for ranking in groups[value]]
    few = len(runs) <= _MOST_PARTS or axis == "workload"
    return _advice(axis, runs) if len(runs) > 1 and few else None


def _strategy(found: Recommendation | None) -> str:
    return found.strategy if found else ""


def _advice(axis: str, groups: Mapping[tuple[object, ...], Sequence[Ranking]]) -> Advice:
    parts = [
        AdvicePart(values, found, tuple(group))
        for values, group in groups.items()
        if (found := recommend(group))
    ]
    return Advice(axis, tuple(sorted(parts, key=lambda part: -len(part.rankings))))


def _rank(rule: Advice) -> tuple[bool, float, int]:
    return not rule.is_never_shown_slower, rule.price, len(rule.parts)


def _is_worth_it(rule: Advice, single: Advice) -> bool:
    if rule.is_never_shown_slower:
        return True
    return math.isfinite(rule.price) and rule.price - 1 <= _WORTH_IT * (single.price - 1)
