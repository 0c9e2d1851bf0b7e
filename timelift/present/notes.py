"""What there is to say below a table: the fastest, the look-alikes, and what has no result."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator

from timelift.analyse.lifts import LookAlikes, declared
from timelift.analyse.runs.measurement import Measurement, Run
from timelift.analyse.stats.ranking import Ranking, Rival, never_worse
from timelift.analyse.stats.verdicts import MIN_LAUNCHES, Verdict

ONE_LAUNCH = "within one launch: no interval"


def verdicts(ranking: Ranking, no_answers: LookAlikes) -> Iterator[str]:
    """Name the fastest, its equals, the price of trusting the order, and what is no answer."""
    yield from _contest(ranking)
    if ranking.rows and not all(has_interval(row) for row in ranking.everyone):
        yield ONE_LAUNCH
    for row in ranking.look_alikes:
        name = row.case.strategy
        yield f"{name} {no_answers[name]}"


def _contest(ranking: Ranking) -> Iterator[str]:
    """The sentences on how the lifts stand among each other."""
    if not ranking.rows:
        yield "no lift was measured"
        return
    first, *others = (row.case.strategy for row in ranking.rows)
    if not others:
        yield f"{'the only lift' if ranking.look_alikes else 'measured alone'}: {first}"
        return
    close = [name for name in ranking.fastest_set if name != first]
    yield f"fastest: {first}" + (f"; not shown slower: {', '.join(close)}" if close else "")
    if math.isfinite(ranking.price(first)[1]):
        yield from ranking.sentences()
    yield from undecided(ranking)


def undecided(ranking: Ranking) -> Iterator[str]:
    """Name who cannot be told from the first, and the difference that would have been seen."""
    open_rows = [row for row in ranking.rows[1:] if row.verdict is Verdict.UNDECIDED]
    known = [row for row in open_rows if math.isfinite(row.detectable)]
    if known:
        seen = (f"{row.case.strategy} ({100 * (row.detectable - 1):.1f} %)" for row in known)
        yield f"undecided, and the difference that would have been seen: {', '.join(seen)}"


def everywhere(rankings: Iterable[Ranking]) -> Iterator[str]:
    """Say of several settings together which strategies are safe in all of them."""
    contests = [ranking for ranking in rankings if len(ranking.rows) > 1]
    names = never_worse(contests)
    if len(contests) > 1 and names:
        yield f"never shown slower than the best, in {len(contests)} settings: {', '.join(names)}"
    elif len(contests) > 1 and not any(map(earns_verdicts, contests)):
        yield f"fewer than {MIN_LAUNCHES} launches give no verdict"
    elif len(contests) > 1:
        yield f"no strategy stayed unbeaten in all {len(contests)} settings"


def earns_verdicts(ranking: Ranking) -> bool:
    """Whether any rival of a setting had launches enough to be shown slower."""
    return any(row.launches >= MIN_LAUNCHES for row in ranking.rows[1:])


def has_interval(row: Rival) -> bool:
    """Whether enough launches were compared to give the ratio an interval."""
    return math.isfinite(row.low) and math.isfinite(row.high)


def losses(lost: Iterable[Measurement]) -> Iterator[str]:
    """Name the cases without a result, those with one reason in one line."""
    names: dict[str, list[str]] = defaultdict(list)
    for one in lost:
        before = f" after {len(one.launches)} launches" if one.launches else ""
        why = f": {one.reason}" if one.reason else ""
        names[f"{one.status}{before}{why}"].append(one.case.strategy)
    for why, who in names.items():
        yield f"no result for {', '.join(sorted(who))}: {why}"


def titles(run: Run) -> tuple[tuple[str, str], ...]:
    """Give the strategies of a run with their titles."""
    return tuple(declared(run, "title"))


def meanings(run: Run) -> tuple[tuple[str, str], ...]:
    """Give the strategies of a run with what they declare to mean: a fast one may mean another."""
    return tuple(
        (name, "; ".join(f"{_words(key)} {_either(one.meaning[key])}" for key in one.meaning))
        for name, one in run.header.strategies.items()
        if one.meaning
    )


def _words(text: object) -> str:
    return str(text).lower().replace("_", " ")


def _either(value: object) -> str:
    """Write a declared value, or one for each time axis."""
    if not isinstance(value, dict):
        return _words(value)
    return " or ".join(f"{_words(one)} (time {_words(axis)})" for axis, one in value.items())
