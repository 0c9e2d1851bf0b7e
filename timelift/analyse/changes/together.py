"""Whether all rivals of a setting moved together, beside a piece of work that never changes.

Ratios between rivals cannot see what slows all of them, such as another inner layer or another
backend. Seconds can, but they also move with the machine: so the canary's own change is taken off,
and the gate is wide.
"""

import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from timelift.analyse.changes.shift import measured
from timelift.analyse.runs.measurement import Launch, Measurement, Run
from timelift.analyse.runs.records import fact_of
from timelift.case import Setting

#: A shared machine's times moved by up to 12 % between launches without any cause of ours.
GATE = float(np.log(1.2))


@dataclass(frozen=True)
class Together:
    """The median change of a setting's rivals in log seconds, and what is left beside the canary.

    `beside_canary` is NaN where a run has no canary.
    """

    setting: Setting
    change: float
    beside_canary: float

    @property
    def suspect(self) -> bool:
        """Whether it is slower by more than a machine does by itself."""
        return self.beside_canary > GATE


def together(old: Run, new: Run) -> tuple[Together, ...]:
    """Give every setting with a case that both runs measured."""
    before, after = measured(old), measured(new)
    pairs: dict[Setting, list[tuple[Measurement, Measurement]]] = defaultdict(list)
    for case in before.keys() & after.keys():
        pairs[case.setting].append((before[case], after[case]))
    return tuple(_of_setting(setting, pairs[setting]) for setting in sorted(pairs))


def canary_change(old: Run, new: Run) -> float:
    """Give the canary's change over whole runs as a log ratio, NaN where a run has none."""
    return _canary(new.measurements) - _canary(old.measurements)


def _of_setting(setting: Setting, pairs: Iterable[tuple[Measurement, Measurement]]) -> Together:
    known = list(pairs)
    change = statistics.median(_log_seconds(new) - _log_seconds(old) for old, new in known)
    canary = _canary(new for _, new in known) - _canary(old for old, _ in known)
    return Together(setting, change, change - canary)


def _log_seconds(one: Measurement) -> float:
    played = [launch for launch in one.launches if np.isfinite(launch.seconds_per_call).any()]
    return statistics.fmean(map(_log_median, played))


def _log_median(launch: Launch) -> float:
    return float(np.log(np.nanmedian(launch.seconds_per_call)))


def _canary(measurements: Iterable[Measurement]) -> float:
    beats = [fact_of(launch, "canary_seconds") for one in measurements for launch in one.launches]
    known = [beat for beat in beats if beat is not None and beat > 0]
    return float(np.log(statistics.median(known))) if known else float("nan")
