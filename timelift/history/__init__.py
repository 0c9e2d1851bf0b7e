"""What became slower: between two stored runs, and over many.

`levels` reads a machine's runs, `noise` is what they vary by without a cause, `segments` finds
where series change, `shifts` where most cases did at once, and `many_runs` what became of every
case. `case_changes` and `two_runs` are for two runs; the rest is words, tables, a figure.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from timelift.analyse.estimates import Interval
from timelift.journal.lines import Difference, Header, differences, flattened


class ChangeState(StrEnum):
    """The state of a case now, beside what it was."""

    #: Slower in one run than in another; only a measurement side by side can confirm it.
    SUSPECT = "suspect"
    #: Confirmed by runs: in one step, or in many steps that are each too small to count.
    SLOWER = "slower"
    CREPT = "crept slower"
    #: Slower beside the canary, with most cases of the machine at once.
    TOGETHER = "slower together"
    FASTER = "faster"
    SAME = "same"
    UNKNOWN = "not known"
    GONE = "no longer measured"


#: States that runs have confirmed and that are still there: a slow-down.
WORSE = frozenset({ChangeState.SLOWER, ChangeState.CREPT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Interval):
    """A change of a log ratio between the runs at the positions `before` and `after`."""

    before: int = 0
    after: int = 1


class Cause(StrEnum):
    """What moved most cases at once."""

    #: The canary moved, too, by half as much or more.
    MACHINE = "machine"
    #: It did not: what all cases share, such as their code or a package.
    SHARED = "together"
    #: No canary was timed.
    UNKNOWN = "machine or code"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonShift(Change):
    """A `share` of so many `cases`, of a setting or of a whole machine, changed at once.

    The value is the median case's change beside the canary, as a log ratio; there is no interval.
    `sides` are the runs that were compared; `canary` is the change of its beat that moved most, NaN
    where there is none. A shift of cases on a GPU, whose clocks no canary knows, fails no history.
    """

    share: float
    cases: int
    sides: tuple[slice, slice] = (slice(0, 0), slice(0, 0))
    cause: Cause = Cause.SHARED
    canary: float = math.nan
    on_gpu: bool = False

    @property
    def fails(self) -> bool:
        return self.cause is Cause.SHARED and not self.on_gpu

    @property
    def excuses(self) -> float:
        """The largest step of a case beside its rivals that has the same cause, a log ratio.

        Cases share a cause unequally: one may move twice as far as the median one.
        """
        return abs(self.canary) if self.cause is Cause.MACHINE else 2 * abs(self.value)


#: Parts of the drift that describe the machine, and no package, interpreter or flag.
DESCRIPTION = frozenset({"kernel", "governor", "gpu_driver"})
#: Options of a run that may change its times, though its cases are the same.
_OPTIONS = ("layer", "inputs", "launches", "precision", "memory_limit")


def drift_differences(old: Header, new: Header) -> tuple[Difference, ...]:
    """Return what was installed or set differently: versions first, each part by name."""
    parts = [(old.machine.versions, new.machine.versions), (_set(old, new), _set(new, old))]
    return tuple(
        difference
        for before, after in parts
        for difference in sorted(
            differences(flattened(before), flattened(after)), key=lambda difference: difference.name
        )
    )


def _set(header: Header, other: Header) -> dict[str, Any]:
    """Return the drift beside versions, and the run's options where both headers have them."""
    options = header.options if other.options else {}
    chosen = {f"--{name}": options[name] for name in _OPTIONS if name in options}
    return {**header.machine.other_drift, **chosen}
