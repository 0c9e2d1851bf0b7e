"""The lines of `python -m studies.coverage --noise RUN...`: one for each ladder of costs."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studies import real_noise
from timelift.analyse.runs import results
from timelift.analyse.runs.measurement import Samples
from timelift.analyse.selftest import planted
from timelift.analyse.stats.verdicts import MIN_LAUNCHES
from timelift.errors import UserError

HEADER = (
    "rivals                launches  settings  contests  coverage  worst pair"
    "  false alarms  best kept  losers out   right"
)
LEGEND = """
launches      how many of those recorded were drawn for each setting
settings      how many were dealt out of the noise of so many contests of a self-test
coverage      of the 95 % intervals of all pairs of 5 rivals; of the pair with the lowest
false alarms  settings with any pair called different that is equal, or the other way round
best kept     settings in which no truly fastest rival was called slower
losers out    settings in which no rival 10 % slower or more was in the fastest set
right         both
"""
#: How many launches are drawn; None draws all.
_LAUNCHES = (3, 5, 8, None)
_QUICK_LAUNCHES = (3,)
_SETTINGS, _QUICK_SETTINGS = 2000, 200
_RIVALS = max(len(grades) for grades in real_noise.LADDERS.values())
_RESULTS = Path(__file__).parents[2] / "results"


def contests(words: Sequence[str]) -> list[Samples]:
    """Read the noise of every contest; raises UserError where there is too little of it."""
    runs = [results.load(path) for path in results.find(_RESULTS, words)]
    found = [real_noise.equal_rivals(one) for run in runs for one in planted.contests(run)]
    if not real_noise.usable(found, _RIVALS, None):
        raise UserError(
            f"expected a strategy with planted twins, {_RIVALS} rivals in {MIN_LAUNCHES} launches, "
            "found none; measure some with: pytest bench/ --selftest"
        )
    return found


def lines(contests: Sequence[Samples], seed: int, *, quick: bool) -> Iterator[str]:
    """Mark every ladder of costs with so many launches, where the contests have them."""
    settings = _QUICK_SETTINGS if quick else _SETTINGS
    for place, (name, grades) in enumerate(real_noise.LADDERS.items()):
        for launches in _QUICK_LAUNCHES if quick else _LAUNCHES:
            some = real_noise.usable(contests, len(grades), launches)
            random = np.random.default_rng([seed, place, launches or 0])
            if some:
                found = real_noise.marks(some, grades, launches, settings, random)
                losers = "-" if grades.max() < real_noise.CLEAR else _percent(found.losers_out)
                yield _line(name, launches, len(some), found, losers)


def _line(
    name: str, launches: int | None, contests: int, found: real_noise.Marked, losers: str
) -> str:
    """Write one line; `losers` is empty where nobody is a clear loser."""
    return (
        f"{name:20}{launches or 'all':>10}{len(found.right):>10,}{contests:>10,}"
        f"{np.nanmean(found.covered):>10.1%}{np.nanmean(found.covered, axis=0).min():>12.1%}"
        f"{_percent(found.false):>14}{_percent(found.best_kept):>11}{losers:>12}"
        f"{_percent(found.right):>8}"
    )


def _percent(hits: NDArray[np.bool_]) -> str:
    return f"{hits.mean():.1%}"
