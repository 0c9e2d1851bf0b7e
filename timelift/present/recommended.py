"""What is recommended and what it costs, in the words that every surface shares."""

from collections.abc import Iterator

from timelift.analyse.recommend import Recommendation
from timelift.analyse.stats.ranking import RankedCase, Ranking
from timelift.present.advised import highest
from timelift.present.units import percent, three_figures

ONE_LAUNCH = "one launch is no verdict"
#: What the recommended strategy of a setting is called if it has the shortest time, and if not.
FASTEST, LEAST_TO_LOSE = "fastest", "least to lose"
#: From this ratio on a price is written as times the best.
_TIMES = 1.5


def at_setting(ranking: Ranking, one: Recommendation) -> str:
    """Write which strategy to use in a setting, and which were not shown slower either."""
    name = one.strategy
    best = FASTEST if name == ranking.rows[0].case.strategy else LEAST_TO_LOSE
    close = [other for other in ranking.not_shown_slower if other != name]
    return f"{best}: {name}" + (f"; not shown slower: {', '.join(close)}" if close else "")


def price_in_words(low: float, high: float) -> str:
    """Write what is paid over the best: as per cent more while that is little, else as times."""
    if high < _TIMES:
        return f"{percent(low - 1)} to {percent(high - 1)} over the best"
    return f"{low:.3g} to {high:.3g} times the best"


def price_sentence(row: RankedCase) -> str:
    strategy, (low, high) = row.case.strategy, row.cost_over_best
    if not row.cost_is_known:
        return f"what choosing `{strategy}` costs over the best is not known from one launch"
    if row.surely_costs:
        return f"`{strategy}` costs {price_in_words(low, high)}"
    return f"choosing `{strategy}` costs {highest_price(high)}"


def price_sentences(ranking: Ranking, strategy: str) -> Iterator[str]:
    """Write what a strategy costs, if anything, and what the last of the setting does."""
    row, last = ranking.row(strategy), ranking.rows[-1]
    if row.may_cost:
        yield price_sentence(row)
    if last.surely_costs and last is not row:
        yield price_sentence(last)


def highest_price(ratio: float) -> str:
    """Write the most that may be paid, as a ratio to the best."""
    if ratio < _TIMES:
        return f"at most {highest(ratio)} over the best"
    return f"up to {three_figures(ratio)} times the best"
