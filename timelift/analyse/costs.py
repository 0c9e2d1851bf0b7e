"""What follows from the time of a case: per step, over the forward call, of the machine's best."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from timelift.analyse import limit
from timelift.analyse.runs.measurement import Measurement, Run, Samples, fact
from timelift.analyse.stats.ranking import RankedCase, Ranking
from timelift.case import Case, Lengths, Phase

Measured = Mapping[Case, Measurement]


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of one valid step of one sequence, and over the forward call; NaN where unknown.

    `limit_share` is the least time that a call needs on its device, as a share of what it takes.
    """

    per_step: float
    over_forward: float
    limit_share: float | None


def of_rankings(measured: Measured, rankings: Iterable[Ranking]) -> dict[Case, Costs]:
    """Return the costs of every ranked case."""
    limits = limit.attainable(measured.values())
    return {
        row.case: Costs(
            per_step(row, measured[row.case]),
            difference_to_forward(row.case, measured),
            limit.share(measured[row.case], row.seconds_per_call, limits),
        )
        for ranking in rankings
        for row in ranking.everyone
    }


def positive_facts(run: Run, name: str) -> dict[Case, float]:
    """Return a fact of every case for which it is known and can stand on a logarithmic axis."""
    values = {one.case: fact(one, name) for one in run.measurements}
    return {case: value for case, value in values.items() if value is not None and value > 0}


def per_step(row: RankedCase, measurement: Measurement) -> float:
    """Return the seconds of one valid step of one sequence, NaN where steps were not counted."""
    setting = row.case.setting
    every = setting.seq_len * setting.batch if setting.lengths is Lengths.FULL else math.nan
    return row.seconds_per_call / (fact(measurement, "valid_steps") or every)


def difference_to_forward(case: Case, measured: Measured) -> float:
    """Return the seconds that a backward call takes more than its forward call, NaN where unknown.

    In each launch that played both, the difference of the medians; then the mean over launches.
    """
    if case.setting.phase is not Phase.BACKWARD:
        return math.nan
    forward = measured.get(forward_of(case))
    before = {} if forward is None else _medians(forward)
    after = _medians(measured[case])
    differences = [after[number] - before[number] for number in after.keys() & before.keys()]
    return float(np.mean(differences)) if differences else math.nan


def forward_of(case: Case) -> Case:
    """Return the forward case of a backward one."""
    return dataclasses.replace(case, setting=dataclasses.replace(case.setting, phase=Phase.FORWARD))


def _medians(measurement: Measurement) -> dict[int, float]:
    return {one.number: median(one.seconds_per_call) for one in measurement.launches}


def median(seconds: Samples) -> float:
    """Return the median of what is there; np.nanmedian takes ten times as long for so few."""
    kept = np.sort(seconds[~np.isnan(seconds)])
    half = len(kept) // 2
    return float((kept[half] + kept[~half]) / 2) if len(kept) else math.nan


@dataclass(frozen=True)
class ForwardAndBackward:
    """One strategy in one size: seconds of a forward call and of a backward call."""

    forward: Case
    backward: Case
    forward_seconds: float
    backward_seconds: float


def forward_and_backward(rankings: Iterable[Ranking]) -> list[ForwardAndBackward]:
    """Return every case that was measured backward and forward."""
    seconds = {row.case: row.seconds_per_call for one in rankings for row in one.everyone}
    backward = [case for case in seconds if case.setting.phase is Phase.BACKWARD]
    return [
        ForwardAndBackward(forward_of(case), case, seconds[forward_of(case)], seconds[case])
        for case in backward
        if forward_of(case) in seconds
    ]


def pareto_front(rows: Iterable[RankedCase], peak_bytes: Mapping[Case, float]) -> list[RankedCase]:
    """Return those of known memory that no other beats in both time and memory, by time."""
    kept: list[RankedCase] = []
    known = (row for row in rows if row.case in peak_bytes)
    for row in sorted(known, key=lambda one: (one.seconds_per_call, peak_bytes[one.case])):
        if not kept or peak_bytes[row.case] < peak_bytes[kept[-1].case]:
            kept.append(row)
    return kept
