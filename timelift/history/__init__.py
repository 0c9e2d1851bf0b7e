"""What became slower: between two stored runs, and over many.

`levels` reads a machine's runs, `segments` finds where series change, and `many_runs` what became
of every case. `case_changes` and `two_runs` are for two runs; the rest is words, tables, a figure.
"""

from dataclasses import dataclass
from enum import StrEnum

from timelift.analyse.estimates import Interval
from timelift.journal.lines import Difference, Machine, differences, flattened


class ChangeState(StrEnum):
    """The state of a case now, beside what it was."""

    #: Slower in one run than in another; only a measurement side by side can confirm it.
    SUSPECT = "suspect"
    #: Confirmed by runs: in one step, or in many steps that are each too small to count.
    SLOWER = "slower"
    CREPT = "crept slower"
    FASTER = "faster"
    SAME = "same"
    UNKNOWN = "not known"
    GONE = "no longer measured"


#: States that fail a build: a slow-down that runs have confirmed and that is still there.
WORSE = frozenset({ChangeState.SLOWER, ChangeState.CREPT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Interval):
    """A change of a log ratio between the runs at the positions `before` and `after`.

    Of two runs these are 0 and 1.
    """

    before: int = 0
    after: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonShift(Change):
    """A `share` of so many `cases`, of a setting or of a whole machine, changed at once.

    The value is the median case's change beside the canary, as a log ratio; NaN where they changed
    against each other. There is no interval.
    """

    share: float
    cases: int


def drift_differences(old: Machine, new: Machine) -> tuple[Difference, ...]:
    """Return what was installed or set differently: versions first, each part by name."""
    parts = (old.versions, new.versions), (old.other_drift, new.other_drift)
    return tuple(
        difference
        for before, after in parts
        for difference in sorted(
            differences(flattened(before), flattened(after)), key=lambda difference: difference.name
        )
    )
