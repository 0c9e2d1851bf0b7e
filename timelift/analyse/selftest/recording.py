"""What a self-test planted and recorded, as arrays that every rule can be tried on.

`timelift bench --selftest` lets every strategy race against twins of itself whose difference is
known: the header has a `Planted` of each. A damaged one is left out, and `complaints` names it.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.runs.measurement import (
    LaunchSamples,
    Measurement,
    Run,
    Samples,
    Warnings,
    launch_numbers,
    seconds_by_launch,
)
from timelift.case import Case, Setting
from timelift.errors import UserError
from timelift.escape import NAME_LIMIT, plain
from timelift.journal import Planted

#: Samples in all pairs of all groups; beyond that the arrays fill a small machine's memory.
MOST_SAMPLES = 50_000_000
#: What a rival costs in a launch before its first sample; the first call includes the tracing.
_SETUP = ("build_seconds", "first_call_seconds")
_LONGEST = 1e6


# Twins -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Twin:
    """A planted rival; `truth` is the log ratio of its steady time to the base's.

    It is None where that differs between launches.
    """

    measurement: Measurement
    truth: float | None = 0.0


@dataclass(frozen=True)
class TwinGroup:
    """A strategy and its twins in one setting: rivals whose order is known."""

    base: Measurement
    twins: tuple[Twin, ...]

    @property
    def setting(self) -> Setting:
        return self.base.case.setting

    @property
    def rivals(self) -> tuple[Measurement, ...]:
        return (self.base, *(twin.measurement for twin in self.twins))

    @property
    def truths(self) -> tuple[float | None, ...]:
        return (0.0, *(twin.truth for twin in self.twins))


def truth_of(slower: float, one_launch_in: int) -> float | None:
    """Return the truth of a twin that is slower by a share, in one launch of `one_launch_in`."""
    return None if slower and one_launch_in > 1 else math.log1p(slower)


def twin_groups(run: Run) -> list[TwinGroup]:
    """Return every base with its twins in every setting, in setting order.

    Only rivals with samples take part, and a base or a twin alone is no group.
    """
    planted = _planted(run, Warnings())
    measured = run.measured
    twins_of: dict[str, list[str]] = defaultdict(list)
    for name, one in planted.items():
        twins_of[one.of].append(name)
    found = []
    for case in sorted(one for one in measured if one.strategy in twins_of):
        twins = tuple(
            Twin(measured[twin], truth_of(planted[name].slower or 0.0, planted[name].one_launch_in))
            for name in twins_of[case.strategy]
            if (twin := Case(case.setting, name)) in measured
        )
        found += [TwinGroup(measured[case], twins)] if twins else []
    return found


def complaints(run: Run) -> tuple[str, ...]:
    warnings = Warnings()
    _planted(run, warnings)
    return warnings.as_tuple()


def _planted(run: Run, warnings: Warnings) -> dict[str, Planted]:
    """Return the twins by name; what is wrong with the others is a warning."""
    strategies = run.header.strategies
    entries = {
        name: one.planted for name, one in strategies.items() if isinstance(one.planted, Planted)
    }
    bases = strategies.keys() - entries.keys()
    found = {}
    for name, entry in entries.items():
        try:
            _check(entry, bases)
        except ValueError as error:
            warnings.add(plain(name, NAME_LIMIT), error)
        else:
            found[name] = entry
    return found


def _check(entry: Planted, bases: Collection[str]) -> None:
    if entry.damage:
        raise ValueError(entry.damage[0])
    if entry.slower is None:
        raise ValueError("planted.slower: expected a number, received none")
    if entry.of not in bases:
        raise ValueError(
            f"planted.of: expected a strategy that is no twin itself, received {entry.of!r:.80}"
        )


# Samples -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recording:
    """One run's rivals, group after group, and the comparisons whose truth is known.

    `seconds_per_call` is (rivals, launches, rounds), NaN where a rival sat a round out or missed a
    launch; `calls_per_sample` and `setup_seconds` are (rivals, launches); `group` numbers each
    rival's. `pairs` is (comparisons, side), rows of rivals; `truth` (comparisons,) the log ratio
    second over first, NaN where it differs between launches.
    """

    seconds_per_call: Samples
    calls_per_sample: Samples
    setup_seconds: Samples
    group: NDArray[np.int_]
    pairs: NDArray[np.int_]
    truth: Samples

    @property
    def sides(self) -> Samples:
        """Seconds per call as (comparisons, side, launches, rounds)."""
        return np.asarray(self.seconds_per_call[self.pairs])

    def seconds_spent(self, used: NDArray[np.bool_]) -> Samples:
        """Return the seconds that the used rounds took, as (comparisons,), both rivals together.

        `used` is (comparisons, side, launches, rounds). A launch is paid for as a whole: building
        and the first call, where the run knows them, count if any round of it is used.
        """
        samples = (self.seconds_per_call * self.calls_per_sample[..., None])[self.pairs]
        setup = np.where(used.any(-1), self.setup_seconds[self.pairs], 0.0)
        return np.asarray(np.where(used, samples, 0.0).sum((1, 2, 3)) + setup.sum((1, 2)))


def record(groups: Sequence[TwinGroup]) -> Recording:
    """Align the samples of a run; raises UserError where they would not fit into memory."""
    sizes = [len(group.rivals) for group in groups]
    rivals = [rival for group in groups for rival in group.rivals]
    numbers = launch_numbers(rivals)
    rounds = max(launch.seconds_per_call.size for rival in rivals for launch in rival.launches)
    _refuse_too_many(sum(math.comb(size, 2) for size in sizes) * len(numbers) * rounds)
    calls, setup = np.ones((len(rivals), len(numbers))), np.zeros((len(rivals), len(numbers)))
    for row, rival in enumerate(rivals):
        for launch in rival.launches:
            at = row, numbers.index(launch.number)
            calls[at], setup[at] = launch.calls_per_sample, _setup_seconds(launch)
    pairs, truth = zip(*_comparisons(groups), strict=True)
    return Recording(
        seconds_per_call=seconds_by_launch(rivals, numbers),
        calls_per_sample=calls,
        setup_seconds=setup,
        group=np.repeat(np.arange(len(groups)), sizes),
        pairs=np.array(pairs),
        truth=np.array(truth),
    )


def _refuse_too_many(samples: int) -> None:
    if samples > MOST_SAMPLES:
        raise UserError(
            f"expected a self-test of at most {MOST_SAMPLES:,} samples in all pairs of rivals, "
            f"received {samples:,}; plant fewer rivals or play fewer launches"
        )


def _setup_seconds(launch: LaunchSamples) -> float:
    known = [one for name in _SETUP if (one := launch.facts.number(name)) is not None]
    return float(sum(one for one in known if 0 <= one <= _LONGEST))


def _comparisons(groups: Sequence[TwinGroup]) -> Iterator[tuple[tuple[int, int], float]]:
    """Yield rows and the truth: each base beside its twins, and identical twins by two."""
    start = 0
    for group in groups:
        truths = group.truths
        for i, j in itertools.combinations(range(len(truths)), 2):
            if i == 0 or truths[i] == truths[j] == 0:
                truth = truths[j]
                yield (start + i, start + j), math.nan if truth is None else truth
        start += len(truths)
