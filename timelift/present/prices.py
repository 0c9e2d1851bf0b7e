"""What choosing a strategy costs, in words."""

from collections.abc import Iterator

from timelift.analyse.recommend import Price
from timelift.analyse.stats.ranking import RankedCase, Ranking
from timelift.present.units import three_figures

#: From this ratio on a price is written as times the best.
_TIMES = 1.5


def price_in_words(low: float, high: float) -> str:
    """Write what is paid over the best: as per cent more while that is little, else as times."""
    if high < _TIMES:
        return f"{100 * (low - 1):.1f} to {100 * (high - 1):.1f} % over the best"
    return f"{low:.3g} to {high:.3g} times the best"


def sentence(row: RankedCase) -> str:
    """Write what choosing a strategy costs."""
    strategy, (low, high) = row.case.strategy, row.price
    if not row.price_is_known:
        return f"what choosing `{strategy}` costs over the best is not known from one launch"
    if row.surely_costs:
        return f"`{strategy}` costs {price_in_words(low, high)}"
    return f"choosing `{strategy}` costs at most {100 * (high - 1):.1f} % over the best"


def sentences(ranking: Ranking, strategy: str) -> Iterator[str]:
    """Write what a strategy costs, if anything, and what the last of the setting does."""
    row, last = ranking.row(strategy), ranking.rows[-1]
    if row.may_cost:
        yield sentence(row)
    if last.surely_costs and last is not row:
        yield sentence(last)


def costs(ranking: Ranking, strategy: str) -> str:
    """Write what a beaten strategy costs in a setting, and beside which other."""
    best = ranking.rows[0].case.strategy
    return f"{price_in_words(*ranking.price(strategy))}, which is {best}"


def worst(one: Price) -> str:
    """Write the price of a strategy in its worst setting."""
    if one.ratio < _TIMES:
        price = f"at most {100 * (one.ratio - 1):.1f} % over the best"
    else:
        price = f"up to {three_figures(one.ratio)} times the best"
    return price if one.bound else f"{price} (seen, no interval)"


def short(one: Price) -> str:
    """Write the same price in a table whose caption tells over what."""
    if one.ratio < _TIMES:
        return f"{100 * (one.ratio - 1):.1f} % more"
    return f"{three_figures(one.ratio)} times"
