"""What is known of a chosen strategy beside its price: its speed-up, and facts of its case."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from timelift.analyse.choose.question import Alternative, Choice, SpeedUpHere
from timelift.analyse.runs.measurement import Measurement, fact_or_bound
from timelift.analyse.scaling.overtaking import Curve, PairedCurves
from timelift.analyse.stats.ranking import LARGEST_LOG, Ranking
from timelift.analyse.stats.verdicts import Verdict


def with_speed_up(
    found: Choice,
    contests: Sequence[Ranking],
    curves: PairedCurves | None,
    size: float,
    relative_to: Sequence[str],
) -> Choice:
    """Add what the answer gains over the first of `relative_to` that was measured in all contests.

    At a measured size that is the setting's own speed-up, between two along an axis it is that of
    the paired curve at `size`, and among four it is not known.
    """
    played = set.intersection(*({row.case.strategy for row in one.rows} for one in contests))
    baseline = next((name for name in relative_to if name in played), "")
    if not baseline:
        return found
    if found.strategy == baseline:
        return replace(found, speed_up=SpeedUpHere(baseline, 1.0, 1.0, 1.0))
    if found.position.measured:
        return replace(found, speed_up=_as_measured(found.strategy, contests[0], baseline))
    curve = curves.between(found.strategy, baseline) if curves else None
    if curve is None:
        return replace(found, speed_up=SpeedUpHere(baseline))
    beside = ratio_at(baseline, curve, size)
    is_shown = not beside.low <= 1 <= beside.high
    times = SpeedUpHere(baseline, beside.ratio, beside.low, beside.high, is_shown)
    return replace(found, speed_up=times)


def _as_measured(strategy: str, contest: Ranking, baseline: str) -> SpeedUpHere:
    own = next((row.speed_up for row in contest.rows if row.case.strategy == strategy), None)
    if own is None:
        return SpeedUpHere(baseline)
    is_shown = own.verdict in {Verdict.FASTER, Verdict.SLOWER}
    return SpeedUpHere(baseline, own.times, own.low, own.high, is_shown)


def ratio_at(other: str, curve: Curve, size: float) -> Alternative:
    """Return how many times as much `other` takes at a size, by the curve of the log of that."""
    effect, half_width = (float(part[0]) for part in curve.at(np.array([size])))
    logs = np.array([effect, effect - half_width, effect + half_width])
    return Alternative(other, *np.exp(np.clip(logs, -LARGEST_LOG, LARGEST_LOG)).tolist())


def with_facts(found: Choice, measured: Sequence[Measurement]) -> Choice:
    """Add the first call and the peak of the answer; they are not known between sizes."""
    (setting, *others) = found.position.corners
    own = [
        one
        for one in measured
        if one.case.setting == setting and one.case.strategy == found.strategy
    ]
    if others or not own:
        return found
    peak, is_bound = fact_or_bound(own[0], "peak_bytes")
    first_call, _ = fact_or_bound(own[0], "first_call_seconds")
    return replace(
        found,
        first_call_seconds=math.nan if first_call is None else first_call,
        peak_bytes=math.nan if peak is None else peak,
        is_peak_bound=is_bound,
    )
