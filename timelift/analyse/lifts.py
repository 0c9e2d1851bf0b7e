"""The strategies that may be named fastest, in one place for every report.

A look-alike declares `DIFFERS`: it does not compute what the inner layer computes at every step. A
twin is a copy of a strategy, planted by a self-test or of another side. Both are timed and shown
beside the lifts, and are no answer: no ranking has them among its `rows`.
"""

import dataclasses
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from timelift.analyse import ranking
from timelift.analyse.estimates import Interval
from timelift.analyse.measurement import Measurement, Run
from timelift.analyse.ranking import UNKNOWN, RankedCase, Ranking
from timelift.analyse.verdicts import Verdict
from timelift.case import Setting  # noqa: TC001 - a key of a dict that is made here

#: Why a strategy is compared although it is no lift, by name.
LookAlikes = Mapping[str, str]


@dataclass(frozen=True)
class NoAnswer:
    """Why a strategy is no lift, or the strategy of which it is a twin."""

    why: str = ""
    copy_of: str = ""


def declared(run: Run, field: str) -> Iterator[tuple[str, str]]:
    for name, entry in run.header.strategies.items():
        if isinstance(text := getattr(entry, field), str):
            yield name, text


def look_alikes(run: Run) -> LookAlikes:
    return {name: why for name, why in declared(run, "differs") if why}


def no_answers(run: Run) -> dict[str, NoAnswer]:
    twins = {name: one.copy_of for name, one in run.header.strategies.items()}
    found = {name: NoAnswer(why=why) for name, why in look_alikes(run).items()}
    return found | {name: NoAnswer(copy_of=of) for name, of in twins.items() if of}


def lift_measurements(run: Run) -> list[Measurement]:
    others = no_answers(run)
    return [one for one in run.measurements if one.case.strategy not in others]


def rank_run(run: Run, relative_to: Sequence[str] = ranking.BASELINES) -> list[Ranking]:
    """Rank the lifts of every setting, in setting order, with what is no answer beside them.

    Where only those were measured a ranking has no rows. The first of `relative_to` that was
    measured in a setting is what its speed-ups are told against.
    """
    lifted = ranking.rank(lift_measurements(run), relative_to=relative_to)
    ranked = {one.setting: one for one in lifted}
    beside: dict[Setting, list[RankedCase]] = defaultdict(list)
    for mine in _no_answers_by_strategy(run):
        firsts = [ranked[one.case.setting] for one in mine if one.case.setting in ranked]
        rivals = [*mine, *(run.measured[one.rows[0].case] for one in firsts)]
        for pair in ranking.rank(rivals):
            row = _beside(mine[0].case.strategy, pair, ranked.get(pair.setting))
            beside[pair.setting] += [row] if row else []
    return [
        dataclasses.replace(ranked.get(one, Ranking(one, ())), unranked=tuple(beside[one]))
        for one in sorted({*ranked, *beside})
    ]


def _no_answers_by_strategy(run: Run) -> list[list[Measurement]]:
    others = no_answers(run)
    groups: dict[str, list[Measurement]] = defaultdict(list)
    for one in run.measurements:
        if one.case.strategy in others:
            groups[one.case.strategy].append(one)
    return [groups[name] for name in sorted(groups)]


def _beside(name: str, pair: Ranking, found: Ranking | None) -> RankedCase | None:
    """Return the row of what is no answer beside the fastest lift; None where it was not timed."""
    own = next((row for row in pair.rows if row.case.strategy == name), None)
    if own is None:
        return None
    unranked = dataclasses.replace(
        own,
        rank_low=0,
        rank_high=0,
        p=math.nan,
        cost_over_best=UNKNOWN,
        speed_up=None,
    )
    if found is None:
        nan = math.nan
        return dataclasses.replace(unranked, ratio=Interval(nan), verdict=Verdict.UNDECIDED)
    return _scaled(unranked, pair.rows, found.rows[0].seconds_per_call.value)


def _scaled(own: RankedCase, rows: Sequence[RankedCase], seconds: float) -> RankedCase:
    """Return a row as it stands beside a lift that takes `seconds` a call."""
    other = next(row for row in rows if row.case != own.case)
    if other is not rows[0]:
        own = dataclasses.replace(
            own,
            ratio=other.ratio.inverse(),
            verdict=other.verdict.swapped(),
            detectable=other.detectable,
            half_width=other.half_width,
        )
    factor = seconds * own.ratio.value / own.seconds_per_call.value
    return dataclasses.replace(own, seconds_per_call=own.seconds_per_call.times(factor))
