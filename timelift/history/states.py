"""What is found of a case, over two stored runs or over many, with one word for each state."""

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


@dataclass(frozen=True)
class Level:
    """Runs `first` to `last`, by position in the history, in which a case kept one log ratio."""

    first: int
    last: int
    runs: int
    mean: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelChange(Interval):
    """What a case changed by, as a log ratio, between two runs of a history, by position."""

    before: int
    after: int


@dataclass(frozen=True)
class CommonShift:
    """A `share` of the `cases`, the rivals of a setting or all of a machine, shifted at once."""

    shift: float
    share: float
    cases: int


@dataclass(frozen=True)
class MachineShift(CommonShift):
    """A shift of all cases of a machine between two runs of a history, by position.

    `apart` is true where they changed against each other, so that `shift` is none.
    """

    before: int
    after: int
    apart: bool = False
