"""The notes below a table: the fastest, the look-alikes, and what has no result."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from timelift.analyse.recommend import Recommendation
from timelift.analyse.runs.measurement import Measurement, Run
from timelift.analyse.stats.lifts import NoAnswer, declared
from timelift.analyse.stats.rival import RankedCase, Ranking
from timelift.planted import MARK as TWIN
from timelift.present import recommended

#: What a look-alike's name is followed by in a table.
MARK = " (no lift)"
ONE_LAUNCH = "within one launch: no interval"


def verdicts(
    ranking: Ranking, best: Recommendation | None, no_answers: Mapping[str, NoAnswer]
) -> Iterator[str]:
    """Name the best, its equals, the price of trusting the order, and what is no answer."""
    yield from _contest(ranking, best)
    if ranking.rows and not all(row.has_interval for row in ranking.everyone):
        yield ONE_LAUNCH
    for row in ranking.look_alikes:
        name = row.case.strategy
        yield f"{name} {_instead(no_answers[name])}"


def _instead(one: NoAnswer) -> str:
    return f"is a twin of {one.twin_of}" if one.twin_of else f"is no lift: {one.why}"


def shown(row: RankedCase, found: Ranking) -> str:
    """Name a row of a table, a look-alike with its mark; a twin has one in its name."""
    name = row.case.strategy
    return name + (MARK if row in found.look_alikes and TWIN not in name else "")


def _contest(ranking: Ranking, best: Recommendation | None) -> Iterator[str]:
    """Write how the lifts stand among each other."""
    if not ranking.rows:
        yield "no lift was measured"
    elif best is None:
        only = ranking.rows[0].case.strategy
        yield f"{'the only lift' if ranking.look_alikes else 'measured alone'}: {only}"
    else:
        yield recommended.at_setting(ranking, best)
        if best.is_answer:
            yield from recommended.price_sentences(ranking, best.strategy)
        yield from undecided(ranking)


def undecided(ranking: Ranking) -> Iterator[str]:
    """Name those not told from the first, and the difference that would have been seen."""
    seen = [
        f"{row.case.strategy} ({100 * (row.detectable - 1):.1f} %)" for row in ranking.undecided
    ]
    if seen:
        yield f"undecided, and the difference that would have been seen: {', '.join(seen)}"


def losses(lost: Iterable[Measurement]) -> Iterator[str]:
    """Name the cases without a result, those with one reason in one line."""
    names: dict[str, list[str]] = defaultdict(list)
    for one in lost:
        before = f" after {len(one.launches)} launches" if one.launches else ""
        why = f": {one.reason}" if one.reason else ""
        names[f"{one.status}{before}{why}"].append(one.case.strategy)
    for why, strategies in names.items():
        yield f"no result for {', '.join(sorted(strategies))}: {why}"


def titles(run: Run) -> tuple[tuple[str, str], ...]:
    """Return the strategies of a run with their titles."""
    return tuple(declared(run, "title"))


def meanings(run: Run) -> tuple[tuple[str, str], ...]:
    """Return the strategies of a run with what they declare to mean."""
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
