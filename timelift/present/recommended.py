"""What is recommended and what it costs, in the words that every surface shares."""

from collections.abc import Iterator

from timelift.analyse.recommend import Recommendation
from timelift.analyse.stats.ranking import RankedCase, Ranking
from timelift.present.units import TIMES, at_most, from_to

ONE_LAUNCH = "one launch is no verdict"
#: What the recommended strategy of a setting is called if it has the shortest time, and if not.
FASTEST, LEAST_TO_LOSE = "fastest", "least to lose"


def at_setting(ranking: Ranking, one: Recommendation) -> str:
    """Write which strategy to use in a setting, and which were not shown slower either."""
    name = one.strategy
    best = FASTEST if name == ranking.rows[0].case.strategy else LEAST_TO_LOSE
    close = [other for other in ranking.not_shown_slower if other != name]
    return f"{best}: {name}" + (f"; not shown slower: {', '.join(close)}" if close else "")


def over_the_best(high: float, low: float | None = None) -> str:
    """Write the most that is paid over the best, and the least if it is given."""
    much = at_most(high) if low is None else from_to(low, high)
    return f"{much} the best" if high >= TIMES else f"{much} over the best"


def price_sentence(row: RankedCase) -> str:
    strategy, (low, high) = row.case.strategy, row.cost_over_best
    if not row.cost_is_known:
        return f"what choosing `{strategy}` costs over the best is not known from one launch"
    if row.surely_costs:
        return f"`{strategy}` costs {over_the_best(high, low)}"
    return f"choosing `{strategy}` costs at most {over_the_best(high)}"


def price_sentences(ranking: Ranking, strategy: str) -> Iterator[str]:
    """Write what a strategy costs, if anything, and what the last of the setting does."""
    row, last = ranking.row(strategy), ranking.rows[-1]
    if row.may_cost:
        yield price_sentence(row)
    if last.surely_costs and last is not row:
        yield price_sentence(last)
