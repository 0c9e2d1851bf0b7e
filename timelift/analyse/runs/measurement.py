"""What analysis reasons about: a run, and its cases with their samples by launch."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from timelift.case import Case, Status
from timelift.journal import Facts, Header

Samples = NDArray[np.float64]


@dataclass(frozen=True)
class LaunchSamples:
    """One case in one launch.

    `seconds_per_call` holds one value a round, NaN where the rival sat the round out; position `i`
    of every rival of the setting in the same launch is the same moment. A sample is that many
    seconds times `calls_per_sample`, which is 1 where the file does not tell.
    """

    number: int
    seconds_per_call: Samples
    facts: Facts = field(default_factory=Facts)
    calls_per_sample: int = 1


@dataclass(frozen=True)
class Measurement:
    """A case with its launches; `reason` says why where it was not measured."""

    case: Case
    status: Status
    launches: tuple[LaunchSamples, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Run:
    """One journal: its header, its measurements and what was wrong with the file."""

    header: Header
    measurements: tuple[Measurement, ...]
    complete: bool
    warnings: tuple[str, ...] = ()
