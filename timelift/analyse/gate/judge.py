"""The gate: did a case become slower than its other side, beyond a margin?

Everything is screened on a few launches, where one in fifty of identical cases may look slower and
as many faster. Whoever does is tried again on fresh launches and judged by those alone, so that
what made it look suspicious cannot convict it. So of each quantity 1 in 10,000 identical cases is
called worse, in expectation.

Two looks at fresh launches share the level of `CONFIRM` (Bonferroni). Variances are moderated over
all pairs: at screening over the screened launches alone, so that no trial can take a suspicion back
after the fact; in a trial over the screened and the fresh ones, since only effects must be fresh.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.runs.measurement import Samples
from timelift.analyse.stats.effects import Effects, stack
from timelift.analyse.stats.estimates import Estimates, estimate
from timelift.analyse.stats.verdicts import GATE_MARGIN, MIN_LAUNCHES, POWER, Verdict

#: Chances, to each side, that an identical case is screened out, and that fresh launches convict
#: it: at five and at eight of them.
SCREEN, CONFIRM = 0.02, 0.005
FRESH_LOOKS = {5: 0.4 * CONFIRM, 8: 0.6 * CONFIRM}
#: Chances of the intervals that are shown (each side), and of a false "same" (each side).
_SHOWN, _ALIKE = 0.025, 0.05
#: A suspicion needs this share of the gate, which a true effect of the gate's size seldom misses.
_SUSPICIOUS = 0.5


@dataclass(frozen=True)
class GateRule:
    """What the gate is: a margin as a share, and how many launches screen."""

    gate: float = GATE_MARGIN
    screening: int = 3

    @property
    def margin(self) -> float:
        """The margin as a log ratio."""
        return float(np.log1p(self.gate))

    @property
    def decision_points(self) -> tuple[int, ...]:
        """The numbers of launches at which something is decided."""
        return (self.screening, *(self.screening + fresh for fresh in FRESH_LOOKS))


@dataclass(frozen=True)
class SidesFinding:
    """What one pair came to: a log ratio, new over old, with its 95 % interval.

    `suspected` says that screening found it worth a trial, `tried` that it had fresh launches;
    `launches` are those that the figure rests on, the fresh ones where there are any. `detectable`
    is the log ratio that would have been found 9 in 10 times.
    """

    effect: float
    low: float
    high: float
    launches: int
    detectable: float
    suspected: bool
    tried: bool
    verdict: Verdict

    @property
    def left_untried(self) -> bool:
        """Whether it was suspected and had no fresh launches."""
        return self.suspected and not self.tried

    @property
    def settled(self) -> bool:
        """Whether more launches would change nothing: a suspect needs a trial, whatever it is."""
        return self.verdict is not Verdict.UNDECIDED and (self.tried or not self.suspected)


def judge(effects: Effects, rule: GateRule) -> list[SidesFinding]:
    """Judge every pair; the launches beyond screening are fresh.

    `effects` is (pairs, launches), new over old, by number of launch from 1; NaN where not played.
    """
    screened, fresh = (
        _part(effects, slice(rule.screening)),
        _part(effects, slice(rule.screening, None)),
    )
    first = estimate(screened)
    second = _rows(estimate(stack([screened, fresh])), slice(len(effects.effect), None))
    suspected = _suspicious(first, rule)
    tried = second.launches > 0
    same_side = np.sign(first.effect) == np.sign(second.effect)
    convicted = tried & suspected & same_side & _convicted(second, rule)
    shown = _either(tried, second, first)
    width, sure = shown.half_width(_SHOWN), shown.half_width(_ALIKE)
    with np.errstate(invalid="ignore"):
        near = np.abs(shown.effect) + sure < rule.margin
    alike = (shown.launches >= MIN_LAUNCHES) & near
    words = [_word(*row) for row in zip(shown.effect, convicted, alike, strict=True)]
    detectable = np.where(tried, _found_by_trial(second, rule), _found_by_screening(first, rule))
    columns = (
        shown.effect.tolist(),
        (shown.effect - width).tolist(),
        (shown.effect + width).tolist(),
        shown.launches.tolist(),
        detectable.tolist(),
        suspected.tolist(),
        tried.tolist(),
        words,
    )
    return [SidesFinding(*row) for row in zip(*columns, strict=True)]


def _word(effect: float, convicted: bool, alike: bool) -> Verdict:  # noqa: FBT001
    if convicted:
        return Verdict.SLOWER if effect > 0 else Verdict.FASTER
    return Verdict.SAME if alike else Verdict.UNDECIDED


def _suspicious(screened: Estimates, rule: GateRule) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        sure = screened.chance(np.abs(screened.effect)) < SCREEN
        return np.asarray(
            sure & (np.abs(screened.effect) >= _SUSPICIOUS * rule.margin) & _agree(screened)
        )


def _convicted(fresh: Estimates, rule: GateRule) -> NDArray[np.bool_]:
    """Say who is convicted at the look that the number of fresh launches is at, or passed last."""
    with np.errstate(invalid="ignore"):
        sure = fresh.chance(np.abs(fresh.effect)) < _level(fresh.launches)
        return np.asarray(sure & (np.abs(fresh.effect) >= rule.margin) & _agree(fresh))


def _agree(estimates: Estimates) -> NDArray[np.bool_]:
    """Say where all launches but one lie on the same side."""
    return np.asarray(estimates.launches - estimates.agreeing <= 1)


def _level(launches: Samples) -> Samples:
    """Give the chance that a look at so many fresh launches may take; before the first, none."""
    levels = np.asarray([0.0, *FRESH_LOOKS.values()])
    return levels[np.searchsorted(list(FRESH_LOOKS), launches, side="right")]


def _found_by_screening(screened: Estimates, rule: GateRule) -> Samples:
    bar = np.maximum(screened.half_width(SCREEN), _SUSPICIOUS * rule.margin)
    return np.asarray(np.maximum(bar + screened.half_width(1 - POWER), rule.margin))


def _found_by_trial(fresh: Estimates, rule: GateRule) -> Samples:
    bar = np.maximum(fresh.half_width(FRESH_LOOKS[5]), rule.margin)
    return np.asarray(bar + fresh.half_width(1 - POWER))


def _part(effects: Effects, launches: slice) -> Effects:
    return Effects(effects.effect[:, launches], effects.error[:, launches])


def _rows(estimates: Estimates, rows: slice) -> Estimates:
    return Estimates(*(getattr(estimates, name)[rows] for name in Estimates.__dataclass_fields__))


def _either(which: NDArray[np.bool_], one: Estimates, other: Estimates) -> Estimates:
    names = Estimates.__dataclass_fields__
    return Estimates(*(np.where(which, getattr(one, name), getattr(other, name)) for name in names))
