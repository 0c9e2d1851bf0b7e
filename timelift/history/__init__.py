"""What became slower: between two stored runs, and over many.

`levels` reads a machine's runs, `segments` finds where series change, and `many_runs` what became
of every case; `shifts` and `two_runs` are for two runs. The rest is words, tables and a figure.
"""

from dataclasses import dataclass
from enum import StrEnum

from timelift.analyse.estimates import Interval


class ChangeState(StrEnum):
    """How a case stands now beside how it stood."""

    #: Slower in one run than in another; only a measurement side by side can confirm it.
    SUSPECT = "suspect"
    #: What runs have confirmed, by a step or by many that are each too small to count.
    SLOWER = "slower"
    CREPT = "crept slower"
    FASTER = "faster"
    SAME = "same"
    UNKNOWN = "not known"
    GONE = "no longer measured"


#: What fails a build: a slow-down that runs have confirmed, and that is still there.
WORSE = frozenset({ChangeState.SLOWER, ChangeState.CREPT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Interval):
    """A log ratio that changed between two runs of a history, by position; of two runs, 0 and 1."""

    before: int = 0
    after: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonShift(Change):
    """A `share` of the `cases`, the rivals of a setting or all of a machine, changed at once.

    The value is the median case's log ratio to the canary, NaN where they changed against each
    other.
    """

    share: float
    cases: int
