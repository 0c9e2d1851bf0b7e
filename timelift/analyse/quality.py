"""How quiet the machine was during a run, and what disturbed it."""

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from timelift.analyse.ranking import RankedCase, Ranking
from timelift.analyse.results import Run
from timelift.analyse.verdicts import MIN_LAUNCHES, RANK_MARGIN, Verdict
from timelift.canary import is_beat
from timelift.case import Setting
from timelift.measurement import CaseInLaunch

#: More than this is a disturbance: the canary's spread between launches (sd of log seconds), and
#: the share of the time that the host stole.
_RESTLESS, _STOLEN = 0.05, 0.01


@dataclass(frozen=True)
class MachineActivity:
    """What was observed of the machine during a run; None where it was not observed."""

    #: The standard deviation of the canary's log seconds between launches, the most of a machine.
    canary_spread: float | None
    #: The share of the time that the host gave to other guests.
    stolen_share: float | None
    #: The processors that other programs took, on average.
    others_cores: float | None
    #: The periods in which the container's quota held the run back.
    throttled_periods: float | None
    #: The rounds that are lost because a rival was traced anew in them.
    dropped_rounds: float | None


@dataclass(frozen=True)
class Decided:
    """The number of comparisons with the fastest in all settings, and of those undecided.

    Those `without_verdict` are decided by their price: the fastest costs at most `precision`, a
    share, over the other.
    """

    precision: float
    comparisons: int
    undecided: int
    without_verdict: int = 0


def decided(run: Run, rankings: Sequence[Ranking]) -> Decided:
    precision = _precision(run)
    rows = [row for ranking in rankings for row in ranking.rows[1:]]
    without_verdict = sum(row.verdict is Verdict.UNDECIDED for row in rows)
    undecided = sum(_is_open(row, precision) for row in rows)
    return Decided(precision, len(rows), undecided, without_verdict - undecided)


def _is_open(row: RankedCase, precision: float) -> bool:
    """True if a row has no verdict and the first row may cost more than `precision` over it."""
    is_cheap = row.launches >= MIN_LAUNCHES and row.first_costs <= 1 + precision
    return row.verdict is Verdict.UNDECIDED and not is_cheap


def machine_activity(run: Run) -> MachineActivity:
    beats = ([*filter(is_beat, own)] for own in _by_machine(run, "canary_seconds").values())
    spreads = [float(np.std(np.log(own), ddof=1)) for own in beats if len(own) > 1]
    held_back, dropped = _facts(run, "throttled_periods"), _facts(run, "dropped_rounds")
    return MachineActivity(
        canary_spread=max(spreads, default=None),
        stolen_share=_mean(run, "stolen_share"),
        others_cores=_mean(run, "others_cores"),
        throttled_periods=sum(held_back) if held_back else None,
        dropped_rounds=sum(dropped) if dropped else None,
    )


def disturbed(run: Run) -> Mapping[Setting, Sequence[CaseInLaunch]]:
    """Return the disturbed launches of rivals that count, by the settings that have any."""
    launches = {
        setting: [launch for launch in own if launch.is_disturbed and launch.was_timed]
        for setting, own in run.launches_by_setting.items()
    }
    return {setting: own for setting, own in launches.items() if own}


def is_too_noisy(run: Run, rankings: Sequence[Ranking]) -> bool:
    """True if a comparison with the fastest is open, and known less exactly than was asked for."""
    precision = _precision(run)
    return any(
        _is_open(row, precision) and math.log1p(precision) < row.half_width < math.inf
        for ranking in rankings
        for row in ranking.rows[1:]
    )


def remedies(run: Run) -> list[str]:
    """Return what would help against the disturbances that were seen, in a few words each."""
    activity = machine_activity(run)
    is_seen = {
        "a machine without other programs": bool(disturbed(run))
        or (activity.canary_spread or 0.0) > _RESTLESS,
        "a host without other guests": (activity.stolen_share or 0.0) > _STOLEN,
        "a higher processor quota (docker run --cpus)": (activity.throttled_periods or 0.0) > 0,
        "a cooler GPU": (_mean(run, "throttled") or 0.0) > 0,
    }
    return [remedy for remedy, seen in is_seen.items() if seen]


def _mean(run: Run, name: str) -> float | None:
    values = _facts(run, name)
    return float(np.mean(values)) if values else None


def _facts(run: Run, name: str) -> list[float]:
    return [*itertools.chain.from_iterable(_by_machine(run, name).values())]


def _by_machine(run: Run, name: str) -> Mapping[tuple[str, str], Sequence[float]]:
    """Return a fact that all rivals of a setting share, once for each setting and launch."""
    launches = {
        (measurement.case.setting, launch.number): launch
        for measurement in run.measurements
        for launch in measurement.launches
    }
    values = defaultdict[tuple[str, str], list[float]](list)
    for (setting, _), launch in launches.items():
        value = launch.facts.number(name)
        if value is not None and value >= 0:
            values[setting.machine, launch.mark].append(value)
    return values


def _precision(run: Run) -> float:
    """Return the precision that was asked for, the default where the file has none."""
    precision = run.header.option_number("precision")
    return precision if precision is not None and 0 < precision < 1 else RANK_MARGIN
