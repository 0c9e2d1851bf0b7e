"""What to write, and what it gains and costs: one strategy, or one at each value of an axis.

One rule recommends, for a setting or for many, wherever an answer is shown. A strategy that
was measured in more of the settings comes first, then one that no rival was shown to beat in any,
then one that costs the least in its worst setting. Look-alikes and twins are no rows of a ranking,
so they are neither recommended nor a measure of prices.

Where every strategy is beaten in some setting, an axis may decide which to write: one in eager
mode, another elsewhere. Speed-ups are told against the baseline of each setting, and summed up over
settings that share it.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np

from timelift.analyse.ranking import BASELINES, RankedCase, Ranking, SpeedUp
from timelift.analyse.verdicts import MIN_LAUNCHES, Verdict
from timelift.case import AXES, Gradients, Setting, several_valued

#: A rule of more parts is hard to remember; one by workload may have any number.
_MOST_PARTS = 3
#: A rule of several parts is told if it costs at most this share of what one strategy for all does.
_WORTH_IT = 0.5
#: A strategy that was shown slower in more than this share of the settings is no answer for all.
_MOST_LOST = 1 / 3


# One strategy for some settings -------------------------------------------------------------------


@dataclass(frozen=True)
class Price:
    """What a strategy costs over the best, at most, in any of its `settings`, as a ratio.

    It is an upper bound over launches where `is_bound`, else what was seen. `typical` is the median
    over the settings of what was seen.
    """

    strategy: str
    ratio: float
    is_bound: bool
    settings: int
    typical: float


@dataclass(frozen=True)
class Recommendation:
    """The strategy to use in all of these settings, which have some `values` of an answer's axis.

    `prices` are those of all strategies, the recommended one first, then the cheapest;
    `never_shown_slower` are those that no rival was shown to beat in any setting.
    """

    rankings: tuple[Ranking, ...]
    prices: tuple[Price, ...]
    never_shown_slower: frozenset[str]
    values: tuple[object, ...] = ()

    @property
    def strategy(self) -> str:
        return self.price.strategy

    @property
    def price(self) -> Price:
        return self.prices[0]

    @property
    def rows(self) -> Iterator[tuple[Ranking, RankedCase]]:
        """The settings in which the strategy was measured, with its row in each."""
        for ranking in self.rankings:
            for row in ranking.rows:
                if row.case.strategy == self.strategy:
                    yield ranking, row

    @property
    def is_never_shown_slower(self) -> bool:
        return self.strategy in self.never_shown_slower

    @property
    def has_verdict(self) -> bool:
        """True if there were launches enough for a verdict in any setting."""
        rows = (row for ranking in self.rankings for row in ranking.rows[1:])
        return any(row.launches >= MIN_LAUNCHES for row in rows)


def recommend(
    rankings: Iterable[Ranking], values: tuple[object, ...] = ()
) -> Recommendation | None:
    """Recommend one strategy for all settings; None if none has two measured strategies."""
    contests = tuple(ranking for ranking in rankings if ranking.is_contest)
    if not contests:
        return None
    never_slower = _never_shown_slower(contests)

    def preference(price: Price) -> tuple[object, ...]:
        return -price.settings, price.strategy not in never_slower, price.ratio, price.strategy

    first, *others = sorted(_prices(contests), key=preference)
    others.sort(key=lambda price: (price.settings < len(contests), price.ratio, price.strategy))
    return Recommendation(contests, (first, *others), never_slower, values)


def _never_shown_slower(contests: Sequence[Ranking]) -> frozenset[str]:
    """Return the strategies that no rival was shown to beat in any setting.

    A strategy that was missing in one, or had too few launches to be shown slower, is left out.
    """
    best_in_each = (
        {
            row.case.strategy
            for row in ranking.rows
            if row.rank_low == 1 and _was_tested(row, ranking)
        }
        for ranking in contests
    )
    return frozenset(set.intersection(*best_in_each))


def _was_tested(row: RankedCase, ranking: Ranking) -> bool:
    """True if the row could have been found slower than the first, which is tested itself."""
    is_first = row is ranking.rows[0]
    return row.launches >= MIN_LAUNCHES and (is_first or not math.isnan(row.p))


def _prices(contests: Sequence[Ranking]) -> Iterator[Price]:
    rows: dict[str, list[RankedCase]] = defaultdict(list)
    for ranking in contests:
        for row in ranking.rows:
            rows[row.case.strategy].append(row)
    for name, own in rows.items():
        yield Price(
            name,
            max(row.cost_at_most for row in own),
            all(row.cost_over_best.is_known for row in own),
            len(own),
            float(np.median([row.ratio.value for row in own])),
        )


# One strategy for all settings, or one at each value of an axis -----------------------------------


@dataclass(frozen=True)
class Gain:
    """How many times as fast as `baseline` the answer is, in the settings of this baseline.

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
        """The order among ties: as in `BASELINES`, then by name."""
        name = self.baseline
        return (BASELINES.index(name) if name in BASELINES else len(BASELINES)), name


@dataclass(frozen=True)
class LostWhere:
    """The settings, by number, in which the strategy to write was shown slower.

    `shared` are the values, by axis, that all these settings have and some others have not; with
    `has_no_exception` it was shown slower in all settings with these values. `dearest` is its row
    in the setting where it may cost the most over the best, and `fastest` the strategy with the
    shortest time there; empty if it is itself.
    """

    settings: int
    shared: Mapping[str, object]
    has_no_exception: bool
    dearest: RankedCase
    fastest: str


@dataclass(frozen=True)
class Answer:
    """One strategy for all settings, or one at each value of `axis`, most settings first.

    `single` is what one strategy for all settings would be, with the prices of every strategy.
    """

    axis: str
    parts: tuple[Recommendation, ...]
    single: Recommendation

    @property
    def settings(self) -> int:
        return sum(len(part.rankings) for part in self.parts)

    @property
    def strategies(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(part.strategy for part in self.parts))

    @property
    def price(self) -> float:
        """The most that it costs over the best in any setting, as a ratio."""
        return max(part.price.ratio for part in self.parts)

    @property
    def is_bound(self) -> bool:
        """True if launches bound the price; else it is only what was seen."""
        return all(part.price.is_bound for part in self.parts)

    @property
    def has_verdict(self) -> bool:
        return all(
            part.is_never_shown_slower or (part.price.is_bound and part.has_verdict)
            for part in self.parts
        )

    @property
    def is_never_shown_slower(self) -> bool:
        return all(part.is_never_shown_slower for part in self.parts)

    @property
    def suits_few(self) -> bool:
        """True if it was shown slower in too many settings to be an answer for all of them."""
        lost = self.lost
        return lost is not None and self.settings > 1 and lost.settings > _MOST_LOST * self.settings

    @property
    def is_tested_everywhere(self) -> bool:
        """True if it had launches enough in every setting to be shown slower."""
        return self.settings == sum(_was_tested(row, ranking) for ranking, row in self._rows)

    @property
    def measured(self) -> int:
        """The number of settings in which the strategy to write was measured."""
        return len(self._rows)

    @cached_property
    def _rows(self) -> list[tuple[Ranking, RankedCase]]:
        return [pair for part in self.parts for pair in part.rows]

    @cached_property
    def gains(self) -> tuple[Gain, ...]:
        """The gain over each baseline, that of the most settings first."""
        speed_ups: dict[str, list[SpeedUp]] = defaultdict(list)
        for ranking, row in self._rows:
            if row.speed_up is not None:
                speed_ups[ranking.baseline].append(row.speed_up)
        gains = (_gain(baseline, over) for baseline, over in speed_ups.items())
        return tuple(sorted(gains, key=lambda gain: (-gain.settings, gain.place)))

    @cached_property
    def lost(self) -> LostWhere | None:
        """The settings in which the strategy to write was shown slower, or None."""
        losses = [(ranking, row) for ranking, row in self._rows if row.rank_low > 1]
        if not losses:
            return None
        settings = [ranking.setting for ranking, _ in losses]
        everywhere = [ranking.setting for part in self.parts for ranking in part.rankings]
        shared = _shared_values(settings, everywhere)
        alike = [
            setting
            for setting in everywhere
            if all(getattr(setting, axis) == value for axis, value in shared.items())
        ]
        dearest, row = max(losses, key=lambda loss: loss[1].cost_at_most)
        fastest = dearest.rows[0]
        return LostWhere(
            settings=len(settings),
            shared=shared,
            has_no_exception=bool(shared) and len(alike) == len(settings),
            dearest=row,
            fastest="" if fastest is row else fastest.case.strategy,
        )


def _shared_values(settings: Sequence[Setting], everywhere: Sequence[Setting]) -> dict[str, object]:
    """Return the values that all these settings share, of axes that have several `everywhere`.

    `gradients=none` is left out: it only means that the phase is forward.
    """
    values = {
        axis: {getattr(setting, axis) for setting in settings}
        for axis in several_valued(everywhere)
    }
    return {
        axis: next(iter(own))
        for axis, own in values.items()
        if len(own) == 1 and own != {Gradients.NONE}
    }


def _gain(baseline: str, speed_ups: Sequence[SpeedUp]) -> Gain:
    return Gain(
        baseline,
        min(speed_up.value for speed_up in speed_ups),
        max(speed_up.value for speed_up in speed_ups),
        len(speed_ups),
        sum(speed_up.verdict is Verdict.FASTER for speed_up in speed_ups),
        sum(speed_up.verdict is Verdict.SLOWER for speed_up in speed_ups),
    )


def answer(rankings: Iterable[Ranking]) -> Answer | None:
    """Return what to write in all these settings; None if none has two measured lifts."""
    contests = [ranking for ranking in rankings if ranking.is_contest]
    recommended = recommend(contests)
    if recommended is None:
        return None
    single = Answer("", (recommended,), recommended)
    if single.is_never_shown_slower or not single.has_verdict:
        return single
    rules = [rule for axis in AXES if (rule := _by_axis(axis, contests, recommended))]

    def preference(rule: Answer) -> tuple[bool, float, int]:
        return not rule.is_never_shown_slower, rule.price, len(rule.parts)

    best = min(rules, key=preference, default=single)
    is_cheap = math.isfinite(best.price) and best.price - 1 <= _WORTH_IT * (single.price - 1)
    return best if is_cheap or best.is_never_shown_slower else single


def answers_by_workload(rankings: Iterable[Ranking]) -> dict[str, Answer]:
    """Return what to write for each workload in which two lifts were measured, by name."""
    groups = _by_value("workload", (ranking for ranking in rankings if ranking.is_contest))
    answers = {str(name): answer(group) for name, group in groups.items()}
    return {name: best for name, best in answers.items() if best}


def _by_axis(axis: str, contests: Sequence[Ranking], single: Recommendation) -> Answer | None:
    """Return one strategy at each value of an axis; neighbours with the same one are one part."""
    groups = _by_value(axis, contests)
    strategies = {
        value: recommended.strategy
        for value, group in groups.items()
        if (recommended := recommend(group))
    }
    neighbours = itertools.groupby(groups, key=strategies.__getitem__)
    ranges = [tuple(values) for _, values in neighbours]
    if len(ranges) == 1 or (len(ranges) > _MOST_PARTS and axis != "workload"):
        return None
    grouped = ((values, [each for value in values for each in groups[value]]) for values in ranges)
    parts = [part for values, group in grouped if (part := recommend(group, values))]
    return Answer(axis, tuple(sorted(parts, key=lambda part: -len(part.rankings))), single)


def _by_value(axis: str, contests: Iterable[Ranking]) -> dict[Any, list[Ranking]]:
    """Group settings by their values of an axis, in order."""
    groups: dict[Any, list[Ranking]] = defaultdict(list)
    for ranking in contests:
        groups[getattr(ranking.setting, axis)].append(ranking)
    kind = AXES[axis]
    values = list(kind) if issubclass(kind, StrEnum) else sorted(groups)
    return {value: groups[value] for value in values if value in groups}
