"""What to write, and what it gains and costs: one strategy for a setting, or for many.

One rule recommends, wherever an answer is shown. It prefers, in this order: a strategy measured in
more of the settings; one that no rival was shown to beat in any; the baseline if it costs little,
since written code stays where nothing is shown faster; and the least cost in the worst setting.
Look-alikes and twins are no rows of a ranking, so they are neither recommended nor counted in
prices. Speed-ups are relative to the baseline of each setting, and summed up over settings that
share it.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from timelift.analyse.ranking import BASELINES, RankedCase, Ranking, SpeedUp
from timelift.analyse.verdicts import MIN_LAUNCHES, WORTHWHILE, Verdict
from timelift.axis_values import Gradients
from timelift.case import AXES, Setting, several_valued


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
class Gain:
    """How many times as fast as `baseline` a strategy is, in the settings of this baseline.

    `bound` is the least lower end of the intervals of these settings, NaN where one is unknown. It
    holds in each of them without a correction. `typical` is the median of the estimates. `faster`
    and `slower` count the `settings` in which a difference was shown.
    """

    baseline: str
    bound: float
    typical: float
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
    """The number of `settings` in which a strategy was shown slower, and what they share.

    `shared` are the values, by axis, that all these settings have and some others have not.
    `row` is the strategy's row in that setting where it may cost the most over the best. `fastest`
    is the strategy with the shortest time there, empty if it is the same one.
    """

    settings: int
    shared: Mapping[str, object]
    row: RankedCase
    fastest: str


@dataclass(frozen=True)
class Recommendation:
    """The strategy to use in all of these settings.

    `prices` are those of all strategies, the recommended one first, then the cheapest;
    `never_shown_slower` are those that no rival was shown to beat in any setting.
    """

    rankings: tuple[Ranking, ...]
    prices: tuple[Price, ...]
    never_shown_slower: frozenset[str]

    @property
    def strategy(self) -> str:
        return self.price.strategy

    @property
    def price(self) -> Price:
        return self.prices[0]

    @property
    def settings(self) -> int:
        return len(self.rankings)

    @cached_property
    def rows(self) -> Sequence[tuple[Ranking, RankedCase]]:
        """The settings in which the strategy was measured, with its row in each."""
        return [
            (ranking, row)
            for ranking in self.rankings
            for row in ranking.rows
            if row.case.strategy == self.strategy
        ]

    @property
    def other_gains(self) -> list[Gain]:
        """The gains over baselines other than the strategy itself."""
        return [gain for gain in self.gains if gain.baseline != self.strategy]

    @property
    def dearest_setting(self) -> Setting:
        """The setting in which it may cost the most over the best."""
        return max(self.rows, key=lambda pair: pair[1].cost_at_most)[0].setting

    @property
    def is_never_shown_slower(self) -> bool:
        return self.strategy in self.never_shown_slower

    @property
    def has_verdict(self) -> bool:
        """True if launches bound the price, and were enough for a verdict in any setting."""
        rows = (row for ranking in self.rankings for row in ranking.rows[1:])
        is_judged = self.price.is_bound and any(row.launches >= MIN_LAUNCHES for row in rows)
        return is_judged or self.is_never_shown_slower

    @property
    def is_decided(self) -> bool:
        """True if it is shown faster than a baseline, or costs little with no other baseline."""
        is_faster = any(gain.faster for gain in self.gains)
        is_cheap = self.price.ratio <= 1 + WORTHWHILE and (self.is_the_baseline or not self.gains)
        return self.has_verdict and (is_faster or is_cheap)

    @property
    def is_never_beaten(self) -> bool:
        """True of the baseline, if nothing is shown faster than it in any setting."""
        return self.is_the_baseline and self.is_never_shown_slower

    @property
    def is_tested_everywhere(self) -> bool:
        """True if it had launches enough in every setting to be shown slower."""
        return self.settings == sum(_was_tested(row, ranking) for ranking, row in self.rows)

    @cached_property
    def gains(self) -> tuple[Gain, ...]:
        """The gain over each baseline, that of the most settings first."""
        speed_ups: dict[str, list[SpeedUp]] = defaultdict(list)
        for ranking, row in self.rows:
            if row.speed_up is not None:
                speed_ups[ranking.baseline].append(row.speed_up)
        gains = [
            Gain(
                baseline,
                float(np.min([each.low for each in over])),
                float(np.median([each.value for each in over])),
                len(over),
                sum(each.verdict is Verdict.FASTER for each in over),
                sum(each.verdict is Verdict.SLOWER for each in over),
            )
            for baseline, over in speed_ups.items()
        ]
        return tuple(sorted(gains, key=lambda gain: (-gain.settings, gain.place)))

    @property
    def is_the_baseline(self) -> bool:
        """True if it is the only baseline of its speed-ups."""
        return [gain.baseline for gain in self.gains] == [self.strategy]

    @cached_property
    def lost(self) -> LostWhere | None:
        """The settings in which it was shown slower, or None."""
        losses = [(ranking, row) for ranking, row in self.rows if row.rank_low > 1]
        if not losses:
            return None
        where = [ranking.setting for ranking, _ in losses]
        shared = _shared_values(where, [ranking.setting for ranking in self.rankings])
        ranking, row = max(losses, key=lambda loss: loss[1].cost_at_most)
        first = ranking.rows[0]
        fastest = "" if first is row else first.case.strategy
        return LostWhere(len(losses), shared, row, fastest)


class Places(NamedTuple):
    """The answer on each value of an axis, or none if one answer is right on all values.

    That is one which is decided, and never shown slower on any: what looks best on one of them
    alone may do so by chance.

    `lost` has an entry for each setting that was measured on several values: the row in which a
    strategy was shown slower, and the setting on another value where it is the fastest, or None.
    """

    axis: str
    answers: Mapping[str, Recommendation]
    lost: Mapping[Setting, tuple[RankedCase, Setting] | None]


def on_places(contests: Sequence[Ranking]) -> Places:
    """Return the answers on each machine, else backend, else runtime, if there are several."""
    several = several_valued(ranking.setting for ranking in contests)
    axis = next((axis for axis in ("machine", "backend", "runtime") if axis in several), "")
    groups: dict[Setting, list[Ranking]] = defaultdict(list)
    for ranking in contests if axis else ():
        groups[replace(ranking.setting, **{axis: AXES[axis].usual})].append(ranking)
    lost: dict[Setting, tuple[RankedCase, Setting] | None] = {}
    for setting, group in groups.items():
        pairs = [
            (row, here.setting)
            for here, there in itertools.permutations(group, 2)
            for row in there.rows
            if row.rank_low > 1 and row.case.strategy == here.rows[0].case.strategy
        ]
        if len(group) > 1:
            lost[setting] = max(pairs, key=lambda pair: pair[0].cost_at_most, default=None)
    answers = recommend_by(axis, contests) if axis else {}
    best, names = recommend(contests), {answer.strategy for answer in answers.values()}
    is_one = len(names) < 2 or (best and best.is_decided and best.is_never_shown_slower)  # noqa: PLR2004
    return Places(axis, {} if is_one else answers, lost)


def recommend(rankings: Iterable[Ranking]) -> Recommendation | None:
    """Recommend one strategy for all settings; None if none has two measured strategies."""
    contests = tuple(ranking for ranking in rankings if ranking.is_contest)
    if not contests:
        return None
    never_slower = _never_shown_slower(contests)
    baselines = {ranking.baseline for ranking in contests}

    def preference(price: Price) -> tuple[object, ...]:
        name, is_safe = price.strategy, price.strategy in never_slower
        is_kept = is_safe and baselines == {name} and price.ratio <= 1 + WORTHWHILE
        return -price.settings, not is_safe, not is_kept, price.ratio, name

    first, *others = sorted(_prices(contests), key=preference)
    others.sort(key=lambda price: (price.settings < len(contests), price.ratio, price.strategy))
    return Recommendation(contests, (first, *others), never_slower)


def recommend_by(axis: str, rankings: Iterable[Ranking]) -> dict[str, Recommendation]:
    """Recommend a strategy for each value of an axis at which two were measured."""
    groups: dict[str, list[Ranking]] = defaultdict(list)
    for ranking in rankings:
        groups[getattr(ranking.setting, axis)].append(ranking)
    answers = {name: recommend(group) for name, group in sorted(groups.items())}
    return {name: best for name, best in answers.items() if best}


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


def _shared_values(settings: Sequence[Setting], everywhere: Sequence[Setting]) -> dict[str, object]:
    """Return the values that all these settings share, of axes that have several `everywhere`.

    `gradients=none` is left out: it only means that the phase is forward.
    """
    axes = several_valued(everywhere)
    values = {axis: {getattr(setting, axis) for setting in settings} for axis in axes}
    return {
        axis: next(iter(own))
        for axis, own in values.items()
        if len(own) == 1 and own != {Gradients.NONE}
    }
