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
from enum import StrEnum

from timelift.analyse.ranking import BASELINES, RankedCase, Ranking
from timelift.analyse.recommend import Recommendation, cost_over_best, recommend, was_tested
from timelift.analyse.verdicts import Verdict
from timelift.case import AXES, Gradients, Setting, several_valued

#: More parts than these are no rule that one remembers; workloads are asked one by one anyway.
_MOST_PARTS = 3
#: A rule of several parts is told where what it costs at most is no more than this share of what
#: one strategy for all costs at most.
_WORTH_IT = 0.5

#: What was shown slower in more than this share of the settings is no answer for all of them.
_MANY = 1 / 3


@dataclass(frozen=True)
class AnswerPart:
    """What to write at these values of the answer's axis, or everywhere where it has no axis."""

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
    """How many times as fast as `baseline` the answer is, in the settings that have it.

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


@dataclass(frozen=True)
class LostWhere:
    """The settings in which a strategy to write was shown slower, taken together.

    `shared` are the values, by axis, that these settings share and not all others have; it was
    shown slower in all settings with these values where `has_no_exception`. `dearest` is its row in
    the setting where it may cost the most over the best, and `fastest` the strategy with the
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
    parts: tuple[AnswerPart, ...]
    single: Recommendation

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
        return all(
            found.is_never_shown_slower or (found.is_answer and found.has_verdict)
            for found in (part.found for part in self.parts)
        )

    @property
    def is_never_shown_slower(self) -> bool:
        return all(part.found.is_never_shown_slower for part in self.parts)

    @property
    def suits_few(self) -> bool:
        """True if it was shown slower in too many settings to be an answer for all of them."""
        lost = self.lost
        return lost is not None and self.settings > 1 and lost.settings > _MANY * self.settings

    @property
    def is_tested_everywhere(self) -> bool:
        """True if it could have been shown slower in every setting."""
        return self.settings == sum(
            was_tested(row, ranking) for part in self.parts for ranking, row in part.rows
        )

    @property
    def measured(self) -> int:
        """In how many of the settings the strategy to write was measured."""
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
    def lost(self) -> LostWhere | None:
        """Where what is to be written was shown slower; None where it nowhere was."""
        losses = [(one, part.strategy) for part in self.parts for one in part.found.slower_in]
        if not losses:
            return None
        settings = [ranking.setting for ranking, _ in losses]
        others = [one.setting for part in self.parts for one in part.rankings]
        shared = _shared(settings, others)
        alike = [one for one in others if shared.items() <= _values(one).items()]
        dearest, name = max(losses, key=lambda one: cost_over_best(one[0].row(one[1]))[1])
        row, first = dearest.row(name), dearest.rows[0]
        return LostWhere(
            settings=len(settings),
            shared=shared,
            has_no_exception=bool(shared) and len(alike) == len(settings),
            dearest=row,
            fastest="" if first is row else first.case.strategy,
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
        min(one.value for one in found),
        max(one.value for one in found),
        len(found),
        sum(one.verdict is Verdict.FASTER for one in found),
        sum(one.verdict is Verdict.SLOWER for one in found),
    )


def answer(rankings: Iterable[Ranking]) -> Answer | None:
    """Return what to write in all these settings; None where no two lifts were measured in any."""
    contests = [one for one in rankings if one.is_contest]
    found = recommend(contests)
    if found is None:
        return None
    single = Answer("", (AnswerPart((), found, tuple(contests)),), found)
    if single.is_never_shown_slower or not single.has_verdict:
        return single
    rules = [rule for axis in AXES if (rule := _by_axis(axis, contests, found))]
    best = min(rules, key=_rank, default=single)
    return best if _is_worth_it(best, single) else single


def answers_by_workload(rankings: Iterable[Ranking]) -> dict[str, Answer]:
    """Return what to write for each workload in which two lifts were measured, by name."""
    contests = [one for one in rankings if one.is_contest]
    groups = _axis_groups(contests, "workload")
    return {str(name): found for name, group in groups.items() if (found := answer(group))}


def _by_axis(axis: str, contests: Sequence[Ranking], single: Recommendation) -> Answer | None:
    """Return one strategy at each value of an axis; neighbours with the same one are one part."""
    groups = _axis_groups(contests, axis)
    picked = {value: found for value, group in groups.items() if (found := recommend(group))}
    runs = [
        tuple(run) for _, run in itertools.groupby(groups, key=lambda one: picked[one].strategy)
    ]
    if len(runs) == 1 or (len(runs) > _MOST_PARTS and axis != "workload"):
        return None
    together = [(run, [one for value in run for one in groups[value]]) for run in runs]
    parts = [
        AnswerPart(values, found, tuple(group))
        for values, group in together
        if (found := recommend(group))
    ]
    return Answer(axis, tuple(sorted(parts, key=lambda part: -len(part.rankings))), single)


def _axis_groups(contests: Iterable[Ranking], axis: str) -> dict[object, list[Ranking]]:
    """Group settings by their values of an axis, in order."""
    groups: dict[object, list[Ranking]] = defaultdict(list)
    for ranking in contests:
        groups[getattr(ranking.setting, axis)].append(ranking)
    kind = AXES[axis]
    places = list(kind) if issubclass(kind, StrEnum) else sorted(groups, key=_place)
    return {one: groups[one] for one in places if one in groups}


def _place(value: object) -> tuple[int, str]:
    return (value, "") if isinstance(value, int) else (0, str(value))


def _rank(rule: Answer) -> tuple[bool, float, int]:
    return not rule.is_never_shown_slower, rule.price, len(rule.parts)


def _is_worth_it(rule: Answer, single: Answer) -> bool:
    if rule.is_never_shown_slower:
        return True
    return math.isfinite(rule.price) and rule.price - 1 <= _WORTH_IT * (single.price - 1)
