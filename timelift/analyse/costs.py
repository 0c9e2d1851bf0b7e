"""What follows from the time of a case: per step, over the forward call, of the machine's best.

The facts `flops` and `least_bytes` of a case, and `attainable_flops_per_second` and
`attainable_bytes_per_second` of its device, give the roofline (Williams, Waterman and Patterson
2009, Communications of the ACM 52(4), 65-76).
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from timelift.analyse.runs.measurement import (
    Measurement,
    MeasurementsByCase,
    Run,
    fact,
)
from timelift.analyse.stats.ranking import RankedCase, Ranking
from timelift.case import Case, Dtype, Lengths, Phase

#: Less than this stays in a cache, whose speed the copy does not show.
_CACHED_BYTES = 1 << 26
#: A device waits for its calls where so much of a call passes before all of it is queued.
DISPATCH_BOUND = 0.9

FirstCalls = Mapping[Case, float]


@dataclass(frozen=True, slots=True)
class Costs:
    """What a call costs; NaN where unknown, and a step is a valid one of one sequence.

    `limit_share` is the least time that a call needs on its device, as a share of what it takes.
    """

    seconds_per_step: float
    backward_minus_forward_seconds: float
    limit_share: float | None


def of_rankings(measurements: MeasurementsByCase, rankings: Iterable[Ranking]) -> dict[Case, Costs]:
    limits = attainable(measurements.values())
    return {
        row.case: Costs(
            seconds_per_step(row, measurements[row.case]),
            backward_minus_forward_seconds(row.case, measurements),
            limit_share(measurements[row.case], row.seconds_per_call, limits),
        )
        for ranking in rankings
        for row in ranking.all_rows
    }


def positive_facts(run: Run, name: str) -> dict[Case, float]:
    """Return a fact of every case for which it is known and can stand on a logarithmic axis."""
    values = {one.case: fact(one, name) for one in run.measurements}
    return {case: value for case, value in values.items() if value is not None and value > 0}


def seconds_per_step(row: RankedCase, measurement: Measurement) -> float:
    """Return the seconds of one valid step of one sequence, NaN where steps were not counted."""
    setting = row.case.setting
    every = setting.seq_len * setting.batch if setting.lengths is Lengths.FULL else math.nan
    return row.seconds_per_call / (fact(measurement, "valid_steps") or every)


def backward_minus_forward_seconds(case: Case, measurements: MeasurementsByCase) -> float:
    """Return the seconds that a backward call takes more than its forward call, NaN where unknown.

    In each launch that played both, the difference of the medians; then the mean over launches.
    """
    if case.setting.phase is not Phase.BACKWARD:
        return math.nan
    forward = measurements.get(forward_of(case))
    before = {} if forward is None else _medians(forward)
    after = _medians(measurements[case])
    differences = [after[number] - before[number] for number in after.keys() & before.keys()]
    return float(np.mean(differences)) if differences else math.nan


def forward_of(case: Case) -> Case:
    return dataclasses.replace(case, setting=dataclasses.replace(case.setting, phase=Phase.FORWARD))


def _medians(measurement: Measurement) -> dict[int, float]:
    medians = {one.number: one.median_seconds for one in measurement.launches}
    return {number: one for number, one in medians.items() if math.isfinite(one)}


class Attainable(NamedTuple):
    """What a device does in a second at best."""

    flops_per_second: float
    bytes_per_second: float


#: Device, threads and backend, which share a limit.
_Device = tuple[str, int, str]
Limits = Mapping[_Device, Attainable]


def attainable(measurements: Iterable[Measurement]) -> Limits:
    """Return what each device attained at best while a run went on."""
    found: dict[_Device, Attainable] = {}
    for one in measurements:
        for launch in one.launches:
            flops = launch.facts.number("attainable_flops_per_second") or 0.0
            moved = launch.facts.number("attainable_bytes_per_second") or 0.0
            before = found.get(_device(one), Attainable(0.0, 0.0))
            found[_device(one)] = Attainable(
                max(before.flops_per_second, flops), max(before.bytes_per_second, moved)
            )
    return {device: best for device, best in found.items() if best.flops_per_second > 0}


def limit_share(measurement: Measurement, seconds_per_call: float, limits: Limits) -> float | None:
    """Return the least seconds that a call needs on its device, as a share of what it takes.

    None where that is not known, and for padded sequences, of which not all steps are work.
    """
    setting, flops = measurement.case.setting, fact(measurement, "flops")
    best = limits.get(_device(measurement))
    exact = setting.dtype is Dtype.FLOAT32 and setting.lengths is Lengths.FULL
    if not flops or best is None or not exact or not seconds_per_call > 0:
        return None
    moved = fact(measurement, "least_bytes") or 0.0
    least = flops / best.flops_per_second
    if best.bytes_per_second and moved > _CACHED_BYTES:
        least = max(least, moved / best.bytes_per_second)
    return least / seconds_per_call


def _device(measurement: Measurement) -> _Device:
    setting = measurement.case.setting
    return setting.device, setting.threads, setting.backend


def dispatch_bound(ranking: Ranking, measurements: MeasurementsByCase) -> tuple[str, ...]:
    """Return the strategies whose device waits for the next call: its speed is not timed."""
    shares = (
        (row.case, fact(measurements[row.case], "dispatch_share")) for row in ranking.all_rows
    )
    return tuple(
        case.strategy for case, share in shares if share is not None and share >= DISPATCH_BOUND
    )


@dataclass(frozen=True)
class ForwardAndBackward:
    forward: Case
    backward: Case
    forward_seconds: float
    backward_seconds: float

    @property
    def times(self) -> float:
        """How many times its forward call the backward call takes."""
        return self.backward_seconds / self.forward_seconds


def forward_and_backward(rankings: Iterable[Ranking]) -> list[ForwardAndBackward]:
    seconds = {row.case: row.seconds_per_call for one in rankings for row in one.all_rows}
    backward = [case for case in seconds if case.setting.phase is Phase.BACKWARD]
    return [
        ForwardAndBackward(forward_of(case), case, seconds[forward_of(case)], seconds[case])
        for case in backward
        if forward_of(case) in seconds
    ]


def pareto_front(rows: Iterable[RankedCase], peak_bytes: Mapping[Case, float]) -> list[RankedCase]:
    """Return those of known memory that surely no other beats in both time and memory, by time.

    One whose memory is not known, or too little to be read, may hold less than any that is slower.
    """
    kept: list[RankedCase] = []
    least = math.inf
    for row in sorted(rows, key=lambda one: (one.seconds_per_call, peak_bytes.get(one.case, 0.0))):
        size = peak_bytes.get(row.case, 0.0)
        if 0 < size < least:
            kept.append(row)
        least = min(least, size)
    return kept


@dataclass(frozen=True)
class CheapestFrom:
    """From `calls` calls on, `strategy` has cost the least, the first call included."""

    strategy: str
    calls: int


def break_even(ranking: Ranking, first: FirstCalls) -> tuple[CheapestFrom, ...]:
    """Return which strategies cost the least in total, from one call to any number of them.

    A strategy takes over only from one that it was shown to be faster than.
    """
    known = [row for row in ranking.rows if row.case in first]
    if not known:
        return ()
    now = min(known, key=lambda row: (first[row.case], row.seconds_per_call))
    found = [CheapestFrom(now.case.strategy, 1)]
    while nexts := [(_calls(now, row, first), row) for row in known if _shown_faster(row, now)]:
        calls, now = min(nexts, key=lambda item: (item[0], item[1].seconds_per_call))
        found.append(CheapestFrom(now.case.strategy, max(calls, found[-1].calls)))
    return tuple(found)


def _shown_faster(row: RankedCase, other: RankedCase) -> bool:
    return not row.ties & other.ties and row.seconds_per_call < other.seconds_per_call


def _calls(now: RankedCase, later: RankedCase, first: FirstCalls) -> int:
    """Return from which call on `later` has cost less, each one's first call being one of them."""
    dearer = first[later.case] - first[now.case]
    saved = now.seconds_per_call - later.seconds_per_call
    return max(1, math.floor(1 + dearer / saved) + 1)
