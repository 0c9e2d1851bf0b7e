"""Rankings: from the measurements of a run to the order of the rivals in every setting."""

import functools
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from timelift.analyse.runs.measurement import Measurement, Samples
from timelift.analyse.stats import simultaneous, verdicts
from timelift.analyse.stats.absolute_times import AbsoluteTimes, absolute_times
from timelift.analyse.stats.aligned_samples import AlignedSamples, aligned_samples
from timelift.analyse.stats.effects import all_pairs, fit_scores, stack
from timelift.analyse.stats.letters import tie_letters
from timelift.analyse.stats.rival import UNKNOWN, RankedCase, Ranking
from timelift.analyse.stats.simultaneous import PairLevels
from timelift.analyse.stats.verdicts import (
    CONFIDENCE,
    RANK_MARGIN,
    Comparison,
    Verdict,
)

__all__ = ["RankedCase", "Ranking", "rank"]

#: Log seconds that agree to so many digits are a tie, which the names decide.
_DIGITS = 9
#: Two launches that differ a millionfold have intervals beyond any float.
_LARGEST_LOG = 700.0
#: All ordered pairs of one setting's rivals, by position: [i, j] is j beside i.
Versus = Mapping[tuple[int, int], Comparison]


def rank(
    measurements: Iterable[Measurement],
    theta: float = RANK_MARGIN,
    confidence: float = CONFIDENCE,
) -> list[Ranking]:
    """Rank the measured rivals of every setting, in setting order.

    `theta` is the smallest difference that counts, as a share; any wrong faster or slower in a
    setting has a chance of at most 1 - `confidence`.
    """
    settings = aligned_samples(measurements)
    if not settings:
        return []
    alpha = 1 - confidence
    found = zip(
        settings, _versus(settings, theta, confidence), absolute_times(settings, alpha), strict=True
    )
    return [_Contest(*parts, alpha).ranking() for parts in found]


def _versus(
    settings: Sequence[AlignedSamples], theta: float, confidence: float
) -> Iterator[Versus]:
    """Compare all pairs of all settings at once, and hand them out by setting."""
    sizes = [len(board.pairs) for board in settings]
    families = np.repeat(np.arange(len(settings)), sizes).tolist()
    effects = stack([all_pairs(board.seconds) for board in settings])
    results = iter(verdicts.compare(effects, theta, confidence, families))
    for board, size in zip(settings, sizes, strict=True):
        forward = dict(zip(board.pairs, itertools.islice(results, size), strict=True))
        yield forward | {(j, i): seen.swapped() for (i, j), seen in forward.items()}


@dataclass(frozen=True)
class _Contest:
    """One setting's rivals by position, with everything that was found out about them.

    Some interval beside the best, or some price, is wrong with a chance of `alpha`.
    """

    board: AlignedSamples
    versus: Versus
    standing: AbsoluteTimes
    alpha: float

    def ranking(self) -> Ranking:
        """Put the rivals in order, by time and then by name."""
        letters = tie_letters(
            np.array([[self._apart(i, j) for j in self.order] for i in self.order])
        )
        rows = [self._row(i, marks) for i, marks in zip(self.order, letters, strict=True)]
        return Ranking(self.board.setting, tuple(rows))

    @functools.cached_property
    def order(self) -> list[int]:
        """The rivals from fastest to slowest, as they are shown."""
        times = np.round(self.times, _DIGITS)
        return [int(i) for i in np.lexsort((np.arange(len(times)), times))]

    @property
    def best(self) -> int:
        """The rival that is shown first."""
        return self.order[0]

    @functools.cached_property
    def times(self) -> Samples:
        """Log seconds per call that agree with the paired effects, where there are any.

        A rival whose launches fell on busy minutes is not called slow for it: rivals that pairs
        connect keep their mean time, and their differences are those of the pairs.
        """
        pairs = [self.versus[pair] for pair in self.board.pairs]
        effects = np.array([pair.effect for pair in pairs])
        weights = np.array([float(pair.launches) for pair in pairs])
        centre = self.standing.centre
        first, second = np.triu_indices(len(centre), 1)
        surplus = effects - (centre[second] - centre[first])
        return centre + fit_scores(surplus, weights, len(centre))

    def _apart(self, i: int, j: int) -> bool:
        different = (Verdict.FASTER, Verdict.SLOWER)
        return i != j and self.versus[i, j].verdict in different

    @functools.cached_property
    def levels(self) -> PairLevels:
        """The levels at which the intervals of all rows hold at once.

        A rival that is surely slower than the first cannot be the best, however little slower.
        """
        others = [self.versus[self.best, j] for j in self.order[1:]]
        known = [one for one in others if one.df > 0 and not one.within_one_launch]
        beaten = [one.p < self.alpha and one.effect > 0 for one in known]
        return simultaneous.levels(1 + len(known), 1 + beaten.count(False), self.alpha)

    def _row(self, i: int, letters: str) -> RankedCase:
        rivals = [self.versus[j, i] for j in range(len(self.board.cases)) if j != i]
        words = [comparison.verdict for comparison in rivals]
        launches, width = int(self.standing.launches[i]), float(self.standing.half_width[i])
        return RankedCase(
            case=self.board.cases[i],
            seconds_per_call=_exp(self.times[i]),
            seconds_low=_exp(self.times[i] - width),
            seconds_high=_exp(self.times[i] + width),
            letters=letters,
            rank_low=1 + words.count(Verdict.SLOWER),
            rank_high=len(words) + 1 - words.count(Verdict.FASTER),
            launches=launches,
            price=self._price(rivals) if launches > 1 else UNKNOWN,
            **self._beside(i),
        )

    def _beside(self, i: int) -> dict[str, Any]:
        """Return what a row says of its rival beside the first: ratio, interval, verdict."""
        if i == self.best:
            return {"ratio": 1.0, "low": 1.0, "high": 1.0, "verdict": Verdict.SAME}
        seen = self.versus[self.best, i]
        effect = seen.effect if seen.launches else self.times[i] - self.times[self.best]
        below, above, alone = (
            math.nan if seen.within_one_launch else seen.reach(chance)
            for chance in (self.levels.below, self.levels.above, self.alpha / 2)
        )
        return {
            "ratio": _exp(effect),
            "low": _exp(effect - below),
            "high": _exp(effect + above),
            "verdict": seen.verdict,
            "p": seen.p,
            "detectable": _exp(seen.detectable),
            "known_to": alone,
        }

    def _price(self, rivals: Sequence[Comparison]) -> tuple[float, float]:
        """Return the least and most that a rival costs over the best, from it beside each other.

        The least may be wrong about any pair, the most only about the best and another, since the
        best's own bound must hold (Hsu 1984, Annals of Statistics 12(3), 1136-1144). Both hold for
        all rows at once: those that are asked about were picked by the same data.
        """
        lows = np.array([0.0, *(one.family_low for one in rivals)])
        highs = np.array([0.0, *(one.effect + one.reach(self.levels.above) for one in rivals)])
        return _exp(float(lows.max())), _exp(float(highs.max()))


def _exp(log: float) -> float:
    """Return a ratio, or a time, for its log; what would not fit in a float stays huge."""
    return math.exp(min(log, _LARGEST_LOG))
