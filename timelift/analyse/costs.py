"""What follows from the time of a case: beside its forward call, and beside its memory."""

import dataclasses
import math
from collections.abc import Iterable, Mapping

from timelift.analyse.stats.ranking import RankedCase, Ranking
from timelift.case import Case, Phase


def backward_over_forward(rankings: Iterable[Ranking]) -> dict[Case, float]:
    """Return how many times its forward call a backward call takes, where both were measured."""
    seconds = {row.case: row.seconds_per_call for one in rankings for row in one.all_rows}
    backward = [case for case in seconds if case.setting.phase is Phase.BACKWARD]
    pairs = ((case, _forward_of(case)) for case in backward)
    return {case: seconds[case] / seconds[forward] for case, forward in pairs if forward in seconds}


def _forward_of(case: Case) -> Case:
    return dataclasses.replace(case, setting=dataclasses.replace(case.setting, phase=Phase.FORWARD))


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
