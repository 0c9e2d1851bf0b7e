"""The rule of the gate: did a case become slower than its other side, beyond what is ignored?

Suspects of the screening launches are tried on fresh ones and judged by those alone (docs/gate.md):
the launches that made a case a suspect cannot confirm it. So for each quantity 1 in 10,000
identical cases is called worse, in expectation. Screening is looser than the trial, since a change
that it misses is lost, while one more suspect costs a few launches of two cases.

The gate (a change that should be found) and the ignored change are two numbers. If they were one, a
true change of just that size would measure less, and pass, half of the time.

The looks at fresh launches share the level of `CONFIRM` (Bonferroni). Variances are moderated over
all pairs: at screening over the screened launches alone, so that no trial can withdraw a suspicion;
in a trial over the screened and the fresh ones, since only effects must be fresh.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from timelift.analyse.effects import Effects, stack
from timelift.analyse.estimates import Estimates, Interval, by_row, estimate
from timelift.analyse.evidence import rows_by_machine
from timelift.analyse.results import Samples
from timelift.analyse.verdicts import CHANGE_MARGIN, MIN_LAUNCHES, POWER, Verdict

#: Chances, to each side, that an identical case is suspected, and that fresh launches confirm it.
SCREEN, CONFIRM = 0.10, 0.001
#: The same for a fact, such as the first call. One number a launch varies much, and a trial of one
#: identical case in ten would cost more than the slow-downs that it finds.
FACT_SCREEN, FACT_CONFIRM = 0.02, 0.005
#: The part of the chance to confirm that each look may spend, by the number of fresh launches.
FRESH_PARTS = {4: 0.2, 8: 0.3, 12: 0.5}
#: The ignored part of the gate, for times.
_IGNORED_PART = 0.5
#: The chance that a look calls a change larger than the ignored one if it is just as large.
_BEYOND_IGNORED = 0.05
#: Chances of the intervals that are shown (each side), and of a false "same" (each side).
_SHOWN, _ALIKE = 0.025, 0.05
#: A suspicion needs this share of what is ignored: a change of the gate's size seldom misses it.
_SUSPICIOUS = 0.5
#: A figure is lost if it is missing in so many fresh launches; of one, chance may be the reason.
_LOST_AGAIN = 2


@dataclass(frozen=True)
class GateRule:
    """`gate` is a change that should be found, a share; its `ignored_part` never counts.

    `screening` launches come before a trial; `screen` and `confirm` are chances, to each side, as
    `SCREEN` and `CONFIRM`.
    """

    gate: float = CHANGE_MARGIN
    screening: int = 3
    ignored_part: float = _IGNORED_PART
    screen: float = SCREEN
    confirm: float = CONFIRM

    @classmethod
    def of_fact(cls, gate: float, screening: int) -> Self:
        """Return the rule of a fact, which ignores every change up to its gate."""
        return cls(gate, screening, 1.0, FACT_SCREEN, FACT_CONFIRM)

    @property
    def log_margin(self) -> float:
        return float(np.log1p(self.gate))

    @property
    def log_ignored(self) -> float:
        return float(np.log1p(self.ignored_part * self.gate))

    @property
    def decision_points(self) -> tuple[int, ...]:
        return (self.screening, *(self.screening + fresh for fresh in FRESH_PARTS))

    @property
    def levels(self) -> dict[int, float]:
        """The chance that each look may spend, by the number of fresh launches."""
        return {fresh: part * self.confirm for fresh, part in FRESH_PARTS.items()}


@dataclass(frozen=True, kw_only=True)
class JudgedChange(Interval):
    """The change of one quantity of a case beside its other side: a log ratio, new over old.

    It may be `suspected` at screening, and then `tried` in fresh launches. The figures rest on
    `launches`, the fresh ones where there are any. `detectable` is the log ratio that would have
    been found 9 in 10 times.
    """

    launches: int
    detectable: float
    suspected: bool
    tried: bool
    verdict: Verdict

    @property
    def left_untried(self) -> bool:
        return self.suspected and not self.tried

    @property
    def settled(self) -> bool:
        """True if it needs no more launches; a suspect needs a trial first."""
        return self.verdict is not Verdict.UNDECIDED and (self.tried or not self.suspected)


def judge(
    effects: Effects,
    numbers: Sequence[int],
    rule: GateRule,
    lost: ArrayLike = (),
    marks: ArrayLike = "",
) -> list[JudgedChange]:
    """Apply the rule to every pair; the launches after screening are fresh.

    `effects` is (pairs, launches), new over old, NaN where not played; `numbers` are those of the
    launches, from 1. `lost`, of the same shape or empty, marks launches that read a figure of the
    old side alone. Such a pair is suspected; confirmed if fresh launches cannot read it either.
    `marks` are the machines, of the same shape. Looks count launches, whatever the evidence is.
    """
    lost = np.asarray(lost if np.size(lost) else np.zeros_like(effects.effect), bool)
    is_screening = np.asarray(numbers) <= rule.screening
    parts = is_screening, ~is_screening
    launches = [np.isfinite(effects.effect[:, part]).sum(axis=1) for part in parts]
    machines = np.broadcast_to(np.asarray(marks, str), effects.effect.shape)
    screened, fresh = (
        rows_by_machine(Effects(*(own[:, part] for own in effects[:2])), machines[:, part].tolist())
        for part in parts
    )
    at_screening = estimate(screened)
    both = estimate(stack([screened, fresh]))
    in_trial = both.part(slice(len(effects.effect), None))
    was_lost = lost[:, is_screening].any(axis=1)
    suspected = was_lost | _differs(at_screening, rule.screen, _SUSPICIOUS * rule.log_ignored)
    is_read = in_trial.launches > 0
    is_lost = was_lost & ~is_read & (lost[:, ~is_screening].sum(axis=1) >= _LOST_AGAIN)
    tried = is_read | is_lost
    side = np.where(was_lost, 1.0, np.sign(at_screening.effect))
    differs = _differs(in_trial, _level(launches[1], rule), rule.log_ignored)
    is_beyond = differs & _is_beyond(in_trial, rule.log_ignored)
    confirmed = suspected & is_beyond & (side == np.sign(in_trial.effect))
    columns = zip(in_trial, at_screening, strict=True)
    shown = Estimates(*(np.where(tried, *column) for column in columns))
    half_width = shown.half_width(_SHOWN)
    detectable = np.where(
        tried, _detectable_by_trial(in_trial, rule), _detectable_by_screening(at_screening, rule)
    )
    return by_row(
        JudgedChange,
        value=shown.effect,
        low=shown.effect - half_width,
        high=shown.effect + half_width,
        launches=np.where(tried, launches[1], launches[0]),
        detectable=detectable,
        suspected=suspected,
        tried=tried,
        verdict=_verdicts(shown, confirmed | is_lost, rule.log_margin),
    )


def _differs(estimates: Estimates, level: float | Samples, least: float) -> NDArray[np.bool_]:
    """True where an effect is significant, at least `least`, and contrary in at most one launch."""
    size = np.abs(estimates.effect)
    with np.errstate(invalid="ignore"):
        significant = estimates.chance(size) < level
        agrees = estimates.launches - estimates.agreeing <= 1
        return np.asarray(significant & (size >= least) & agrees)


def _is_beyond(estimates: Estimates, least: float) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        return np.asarray(estimates.chance(np.abs(estimates.effect) - least) < _BEYOND_IGNORED)


def _verdicts(shown: Estimates, confirmed: NDArray[np.bool_], log_margin: float) -> list[Verdict]:
    with np.errstate(invalid="ignore"):
        near = np.abs(shown.effect) + shown.half_width(_ALIKE) < log_margin
    alike = (shown.launches >= MIN_LAUNCHES) & near
    sides = np.where(shown.effect < 0, Verdict.FASTER, Verdict.SLOWER)
    words = np.where(confirmed, sides, np.where(alike, Verdict.SAME, Verdict.UNDECIDED))
    return [Verdict(word) for word in words.tolist()]


def _level(launches: Samples, rule: GateRule) -> Samples:
    """Return the chance that the last look at so many fresh launches may spend; 0 before any."""
    levels = np.asarray([0.0, *rule.levels.values()])
    return levels[np.searchsorted(list(rule.levels), launches, side="right")]


def _detectable_by_screening(screened: Estimates, rule: GateRule) -> Samples:
    bar = np.maximum(screened.half_width(rule.screen), _SUSPICIOUS * rule.log_ignored)
    return np.asarray(np.maximum(bar + screened.half_width(1 - POWER), rule.log_margin))


def _detectable_by_trial(fresh: Estimates, rule: GateRule) -> Samples:
    level = rule.levels[min(rule.levels)]
    beyond = rule.log_ignored + fresh.half_width(_BEYOND_IGNORED)
    bar = np.maximum(fresh.half_width(level), beyond)
    return np.asarray(bar + fresh.half_width(1 - POWER))
