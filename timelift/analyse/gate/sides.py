"""Pairs: the two sides of a case, and by how much their quantities differ in every launch."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from timelift.analyse.runs.measurement import LaunchSamples, Measurement, Samples
from timelift.analyse.stats.effects import Effects, launch_effects


class Quantity(StrEnum):
    """What may become worse: the seconds of a call, of the first call, the peak bytes of a call."""

    TIME = "time"
    FIRST_CALL = "first call"
    MEMORY = "peak memory"


class Sides(NamedTuple):
    """A case as it was and as it is."""

    old: Measurement
    new: Measurement


#: The fact behind a quantity, and what is added to both sides before they are divided, so that a
#: change of what nobody would notice is none: 50 ms of a first call, 1 MiB of memory.
_FACTS = {Quantity.FIRST_CALL: ("first_call_seconds", 0.05), Quantity.MEMORY: ("peak_bytes", 2**20)}


def changes(pairs: Sequence[Sides], quantity: Quantity) -> Effects:
    """Give the log ratios, new over old, as (pairs, launches), by number of launch from 1."""
    launches = max((one.number for pair in pairs for one in pair.new.launches), default=1)
    if quantity is Quantity.TIME:
        return _times(pairs, launches)
    name, floor = _FACTS[quantity]
    effect = np.stack([_fact(pair, launches, name, floor) for pair in pairs])
    return Effects(effect, np.zeros_like(effect))  # a launch tells a fact once: no rounds differ


def _times(pairs: Sequence[Sides], launches: int) -> Effects:
    rounds = max(
        (len(one.seconds_per_call) for pair in pairs for side in pair for one in side.launches),
        default=1,
    )
    old, new = (
        np.stack([_by_launch(pair[side], launches, rounds) for pair in pairs]) for side in (0, 1)
    )
    return launch_effects(old, new)


def _by_launch(side: Measurement, launches: int, rounds: int) -> Samples:
    seconds = np.full((launches, rounds), np.nan)
    for one in side.launches:
        if one.number <= launches:
            seconds[one.number - 1, : len(one.seconds_per_call)] = one.seconds_per_call
    return seconds


def _fact(pair: Sides, launches: int, name: str, floor: float) -> Samples:
    """Give the log ratio of a fact in every launch that both sides tell it of."""
    old, new = (
        _values(side, launches, lambda one: one.facts.number_or_bound(name)) for side in pair
    )
    return np.asarray(np.log((new + floor) / (old + floor)))


def _values(
    side: Measurement, launches: int, of: Callable[[LaunchSamples], float | None]
) -> Samples:
    values = np.full(launches, np.nan)
    for one in side.launches:
        value = of(one)
        if one.number <= launches and value is not None and value >= 0:
            values[one.number - 1] = value
    return values
