"""What is recommended, in the words that page, terminal, Markdown and GitHub's summary share."""

from collections.abc import Iterator

from timelift.analyse.findings import RunFindings
from timelift.analyse.recommend import Recommendation, Why
from timelift.analyse.stats.ranking import Ranking
from timelift.analyse.stats.verdicts import MIN_LAUNCHES
from timelift.present import prices
from timelift.present.styled import Style, StyledLine

_WHY = {
    Why.NEVER_SLOWER: "never shown slower than the best, in {}",
    Why.ONE_LAUNCH: "closest to the fastest, in {}; one launch is no verdict",
    Why.FEW_LAUNCHES: (
        f"closest to the fastest, in {{}}; fewer than {MIN_LAUNCHES} launches are no verdict"
    ),
    Why.LEAST_TO_LOSE: "least to lose: no strategy stays unbeaten in {}",
}
#: What the recommended strategy of a setting is called if it has the shortest time, and if not.
FASTEST, LEAST_TO_LOSE = "fastest", "least to lose"


def why(one: Recommendation) -> str:
    """Write what a recommendation rests on."""
    where = "its one setting" if one.settings == 1 else f"all {one.settings} settings"
    return _WHY[one.why].format(where)


def at_setting(ranking: Ranking, one: Recommendation) -> str:
    """Write which strategy to use in a setting, and which were not shown slower either."""
    name = one.strategy
    best = FASTEST if name == ranking.rows[0].case.strategy else LEAST_TO_LOSE
    close = [other for other in ranking.fastest_set if other != name]
    return f"{best}: {name}" + (f"; not shown slower: {', '.join(close)}" if close else "")


def over_settings(found: RunFindings) -> Iterator[str]:
    """Write the recommendation of each workload, and of all together; nothing of a lone setting."""
    if len(found.contests) == 1:
        return
    for one in found.recommended:
        style = Style.OVERALL if one.found.why is Why.NEVER_SLOWER else Style.DOUBT
        yield StyledLine(f"{one.workload}: {_for_workload(one.found)}", style)
    if len(found.recommended) > 1:
        yield from everywhere(found.everywhere)


def _for_workload(one: Recommendation) -> str:
    close = [name for name in one.safe if name != one.strategy]
    beside = f"; nor was {', '.join(close)}" if close and one.is_safe else ""
    costs = f"; costs {prices.worst(one.price)}" if one.is_answer else ""
    return f"{one.strategy}, {why(one)}{beside}{costs}"


def everywhere(one: Recommendation | None) -> Iterator[str]:
    """Write of several settings together which strategies are safe in all of them."""
    if one is None or one.settings == 1:
        return
    if one.safe:
        names = ", ".join(one.safe)
        text = f"never shown slower than the best, in {one.settings} settings: {names}"
        yield StyledLine(text, Style.OVERALL)
    elif not one.judged:
        yield StyledLine(f"fewer than {MIN_LAUNCHES} launches give no verdict", Style.DOUBT)
    else:
        text = f"no strategy stayed unbeaten in all {one.settings} settings"
        yield StyledLine(text, Style.DOUBT)
