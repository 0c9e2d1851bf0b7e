"""What there is to say below a table: the fastest, the look-alikes, and what has no result."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from timelift.analyse.choice import Everywhere
from timelift.analyse.runs.measurement import Measurement, Run
from timelift.analyse.stats.lifts import NoAnswer, declared
from timelift.analyse.stats.rival import Ranking, Rival
from timelift.analyse.stats.verdicts import MIN_LAUNCHES
from timelift.planted import MARK as TWIN
from timelift.present import prices

#: What a look-alike's name is followed by in a table.
MARK = " (no lift)"
ONE_LAUNCH = "within one launch: no interval"


def verdicts(ranking: Ranking, no_answers: Mapping[str, NoAnswer]) -> Iterator[str]:
    """Name the fastest, its equals, the price of trusting the order, and what is no answer."""
    yield from _contest(ranking)
    if ranking.rows and not all(row.has_interval for row in ranking.everyone):
        yield ONE_LAUNCH
    for row in ranking.look_alikes:
        name = row.case.strategy
        yield f"{name} {_instead(no_answers[name])}"


def _instead(one: NoAnswer) -> str:
    return f"is a twin of {one.twin_of}" if one.twin_of else f"is no lift: {one.why}"


def shown(row: Rival, found: Ranking) -> str:
    """Name a row of a table, a look-alike with its mark; a twin has one in its name."""
    name = row.case.strategy
    return name + (MARK if row in found.look_alikes and TWIN not in name else "")


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
    if ranking.rows[0].price_is_known:
        yield from prices.sentences(ranking)
    yield from undecided(ranking)


def undecided(ranking: Ranking) -> Iterator[str]:
    """Name those not told from the first, and the difference that would have been seen."""
    seen = [
        f"{row.case.strategy} ({100 * (row.detectable - 1):.1f} %)" for row in ranking.undecided
    ]
    if seen:
        yield f"undecided, and the difference that would have been seen: {', '.join(seen)}"


def everywhere(found: Everywhere) -> Iterator[str]:
    """Write of several settings together which strategies are safe in all of them."""
    if found.settings <= 1:
        return
    if found.unbeaten:
        names = ", ".join(found.unbeaten)
        yield f"never shown slower than the best, in {found.settings} settings: {names}"
    elif not found.judged:
        yield f"fewer than {MIN_LAUNCHES} launches give no verdict"
    else:
        yield f"no strategy stayed unbeaten in all {found.settings} settings"


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
