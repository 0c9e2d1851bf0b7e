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
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from timelift.analyse.effects import Effects, stack
from timelift.analyse.estimates import Estimates, Interval, by_row, estimate
from timelift.analyse.evidence import rows_by_machine
from timelift.analyse.results import Samples
from timelift.analyse.verdicts import (
    CHANGE_MARGIN,
    MIN_LAUNCHES,
    POWER,
    Verdict,
    in_verdicts,
)

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


class _Part(NamedTuple):
    """The evidence of a screening or a trial for every pair; launches that read it, or lost it."""

    estimates: Estimates
    launches: Samples
    lost: Samples


def judge(
    effects: Effects,
    numbers: Sequence[int],
    rule: GateRule,
    lost: ArrayLike = 0,
    marks: ArrayLike = "",
) -> list[JudgedChange]:
    """Apply the rule to every pair; the launches after screening are fresh.

    `effects` is (pairs, launches), new over old, NaN where not played; `numbers` are those of the
    launches, from 1. `lost`, of the same shape or 0, marks launches that read a figure of the old
    side alone. Such a pair is suspected; confirmed if fresh launches cannot read it either. `marks`
    are the machines, of the same shape. Looks count launches, whatever the evidence is.
    """
    screen, trial = _screen_and_trial(effects, np.asarray(numbers) <= rule.screening, lost, marks)
    was_lost, is_read = screen.lost > 0, trial.launches > 0
    is_lost = was_lost & ~is_read & (trial.lost >= _LOST_AGAIN)
    suspected = was_lost | _differs(screen.estimates, rule.screen, _SUSPICIOUS * rule.log_ignored)
    side = np.where(was_lost, 1.0, np.sign(screen.estimates.effect))
    confirmed = is_lost | (suspected & _confirms(trial, side, rule))
    tried = is_read | is_lost
    columns = zip(trial.estimates, screen.estimates, strict=True)
    shown = Estimates(*(np.where(tried, *column) for column in columns))
    half_width = shown.half_width(_SHOWN)
    return by_row(
        JudgedChange,
        value=shown.effect,
        low=shown.effect - half_width,
        high=shown.effect + half_width,
        launches=np.where(tried, trial.launches, screen.launches),
        detectable=_detectable(tried, screen, trial, rule),
        suspected=suspected,
        tried=tried,
        verdict=_verdicts(shown, confirmed, rule.log_margin),
    )


def _screen_and_trial(
    effects: Effects, is_screening: NDArray[np.bool_], lost: ArrayLike, marks: ArrayLike
) -> tuple[_Part, _Part]:
    """Split the launches; the variances of a trial are moderated over both parts."""
    columns, shape = (is_screening, ~is_screening), effects.effect.shape
    is_lost, machines = np.broadcast_to(lost, shape), np.broadcast_to(marks, shape)
    screened, fresh = (
        rows_by_machine(Effects(*(own[:, part] for own in effects[:2])), machines[:, part].tolist())
        for part in columns
    )
    in_trial = estimate(stack([screened, fresh])).part(slice(len(effects.effect), None))
    launches = (np.isfinite(effects.effect[:, part]).sum(axis=1) for part in columns)
    losses = (is_lost[:, part].sum(axis=1) for part in columns)
    screen, trial = map(_Part, (estimate(screened), in_trial), launches, losses)
    return screen, trial


def _differs(estimates: Estimates, level: float | Samples, least: float) -> NDArray[np.bool_]:
    """True where an effect is significant, at least `least`, and contrary in at most one launch."""
    size = np.abs(estimates.effect)
    with np.errstate(invalid="ignore"):
        significant = estimates.chance(size) < level
        agrees = estimates.launches - estimates.agreeing <= 1
        return np.asarray(significant & (size >= least) & agrees)


def _confirms(trial: _Part, side: Samples, rule: GateRule) -> NDArray[np.bool_]:
    """True where fresh launches show a difference to that side, beyond what is ignored."""
    fresh, ignored = trial.estimates, rule.log_ignored
    with np.errstate(invalid="ignore"):
        is_beyond = fresh.chance(np.abs(fresh.effect) - ignored) < _BEYOND_IGNORED
    levels = np.asarray([0.0, *rule.levels.values()])  # 0 before the first look
    level = levels[np.searchsorted([*rule.levels], trial.launches, side="right")]
    is_to_side = side == np.sign(fresh.effect)
    return np.asarray(_differs(fresh, level, ignored) & is_beyond & is_to_side)


def _verdicts(shown: Estimates, confirmed: NDArray[np.bool_], log_margin: float) -> list[Verdict]:
    with np.errstate(invalid="ignore"):
        near = np.abs(shown.effect) + shown.half_width(_ALIKE) < log_margin
    return in_verdicts(shown.effect, confirmed, (shown.launches >= MIN_LAUNCHES) & near)


def _detectable(tried: NDArray[np.bool_], screen: _Part, trial: _Part, rule: GateRule) -> Samples:
    """Return the log ratio that the trial of a pair, or else its screening, would have found."""
    fresh, screened, ignored = trial.estimates, screen.estimates, rule.log_ignored
    first_look = rule.levels[min(rule.levels)]
    beyond = ignored + fresh.half_width(_BEYOND_IGNORED)
    by_trial = np.maximum(fresh.half_width(first_look), beyond) + fresh.half_width(1 - POWER)
    suspicious = np.maximum(screened.half_width(rule.screen), _SUSPICIOUS * ignored)
    by_screening = np.maximum(suspicious + screened.half_width(1 - POWER), rule.log_margin)
    return np.where(tried, by_trial, by_screening)
