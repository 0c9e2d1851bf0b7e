"""What a self-test planted: which rivals of a run are twins of which, and how they differ.

`pytest bench/ --selftest` lets every strategy race against twins of itself whose difference is
known. The header says of each, under `strategies[name]["planted"]`:

    {"of": the strategy it is a twin of,
     "slower": share by which its calls are slower, negative where faster,
     "one_launch_in": N, where it is so in one launch of N only,
     "first_call_seconds": seconds that its first call alone is slower}

An entry that is not like this is left out, and `complaints` names it.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET

from timelift.analyse.runs.measurement import Measurement, Run, Warnings
from timelift.case import Case, Setting, Status
from timelift.escape import NAME_LIMIT, plain
from timelift.journal import BAD_RECORD, LONGEST_SECONDS, as_object, whole

#: The least and the most that a twin may be slower, as shares: anything else is a slip.
LEAST_SLOWER, MOST_SLOWER = -0.9, 100.0


@dataclass(frozen=True)
class Twin:
    """A planted rival: `slower` as a share, in one launch of `one_launch_in`."""

    measurement: Measurement
    slower: float = 0.0
    one_launch_in: int = 1
    first_call_seconds: float = 0.0

    @property
    def truth(self) -> float | None:
        """Log ratio of its steady time to the base's, None where that differs between launches."""
        if self.slower and self.one_launch_in > 1:
            return None
        return math.log1p(self.slower)

    @property
    def identical(self) -> bool:
        """Whether its calls are the base's, once the first is over."""
        return self.truth == 0


@dataclass(frozen=True)
class TwinGroup:
    """A strategy and its twins in one setting: rivals of which it is known which is slower."""

    base: Measurement
    twins: tuple[Twin, ...]

    @property
    def setting(self) -> Setting:
        """What the rivals share."""
        return self.base.case.setting

    @property
    def rivals(self) -> tuple[Measurement, ...]:
        """The base and then its twins."""
        return (self.base, *(twin.measurement for twin in self.twins))

    @property
    def truths(self) -> tuple[float | None, ...]:
        """Log ratio of each rival's steady time to the base's, as `Twin.truth`."""
        return (0.0, *(twin.truth for twin in self.twins))


@dataclass(frozen=True)
class _Plant:
    """What the header says of one planted rival."""

    of: str
    slower: float
    one_launch_in: int
    first_call_seconds: float


def contests(run: Run) -> list[TwinGroup]:
    """Return every base with its twins in every setting, in setting order.

    Only rivals with samples take part, and a base or a twin alone is no contest.
    """
    plants = _plants(run, Warnings())
    measured = {one.case: one for one in run.measurements if _has_samples(one)}
    by_base: dict[str, list[str]] = defaultdict(list)
    for name, plant in plants.items():
        by_base[plant.of].append(name)
    found = []
    for case in sorted(one for one in measured if one.strategy in by_base):
        twins = tuple(_twins(case, by_base[case.strategy], plants, measured))
        found += [TwinGroup(measured[case], twins)] if twins else []
    return found


def complaints(run: Run) -> tuple[str, ...]:
    """Name the planted rivals that `contests` leaves out because the header is wrong about them."""
    warnings = Warnings()
    _plants(run, warnings)
    return warnings.all()


def _has_samples(measurement: Measurement) -> bool:
    return measurement.status is Status.MEASURED and bool(measurement.launches)


def _twins(
    base: Case,
    names: list[str],
    plants: Mapping[str, _Plant],
    measured: Mapping[Case, Measurement],
) -> Iterator[Twin]:
    for name in names:
        plant, measurement = plants[name], measured.get(Case(base.setting, name))
        if measurement:
            yield Twin(measurement, plant.slower, plant.one_launch_in, plant.first_call_seconds)


def _plants(run: Run, warnings: Warnings) -> dict[str, _Plant]:
    """Read what every planted strategy is a twin of, in the header's order."""
    strategies = run.header.strategies
    entries = {name: one.planted for name, one in strategies.items() if one.planted is not UNSET}
    bases = strategies.keys() - entries.keys()
    found = {}
    for name, entry in entries.items():
        try:
            found[name] = _plant(as_object(entry), bases)
        except BAD_RECORD as error:
            warnings.add(f"planted {plain(name, NAME_LIMIT)}", error)
    return found


def _plant(entry: Mapping[str, Any], bases: Collection[str]) -> _Plant:
    of = entry.get("of")
    if not isinstance(of, str) or of not in bases:
        raise ValueError(f"of: expected a strategy that is no twin itself, received {of!r:.80}")
    return _Plant(
        of=of,
        slower=_number("slower", entry.get("slower"), LEAST_SLOWER, MOST_SLOWER),
        one_launch_in=whole("one_launch_in", entry.get("one_launch_in", 1), smallest=1),
        first_call_seconds=_number(
            "first_call_seconds", entry.get("first_call_seconds", 0.0), 0.0, LONGEST_SECONDS
        ),
    )


def _number(name: str, value: object, least: float, most: float) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not least <= value <= most:  # type: ignore[operator]
        raise ValueError(f"{name}: expected a number from {least} to {most}, got {value!r:.80}")
    return float(value)  # type: ignore[arg-type]
