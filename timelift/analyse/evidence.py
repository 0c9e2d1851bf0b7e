"""The unit of evidence: launches, or the machines or runs that they belong to.

A machine affects a rival alike in all its launches, so many launches are no sample of machines: the
unit of evidence is the highest level that varies (Kalibera and Jones 2013, "Rigorous benchmarking
in reasonable time", ISMM, 63-74). From three machines on, the launches of each are averaged. The
variance of these means contains the variance between machines and that between launches (Burdick
and Graybill 1992, Confidence Intervals on Variance Components, chapter 3). Two machines show too
little of how machines differ: launches are the evidence, and the answer holds for these two alone.
The same rule holds for merged runs of one machine, since the launches of a run share the effect of
its session on a rival.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.effects import AlignedSamples, Effects, all_pairs, mean_and_variance, stack
from timelift.analyse.results import LEAST_MACHINES, Samples
from timelift.analyse.variances import Families
from timelift.measurement import machine_of


def machine_count(marks: Iterable[str]) -> int:
    """Return the number of machines in these marks; bound cores and '' do not count."""
    return len({machine_of(mark) for mark in marks} - {""})


def by_machine(
    parts: Sequence[Effects], marks: Sequence[Sequence[str]], *, alike: bool = False
) -> Effects:
    """Return all parts as one, with machines in place of launches in parts of three or more.

    `marks` are the machines of each part's launches, or the runs (`launch_marks`). A machine may
    affect a row alike in all parts, or all rows if they are `alike`; `worth` allows for that.
    """
    effects = stack([*map(_machine_means, parts, marks)])
    if max(map(machine_count, marks)) < LEAST_MACHINES:
        return effects
    rows = [np.arange(len(part.effect)) for part in parts]
    group = np.zeros(len(effects.effect), int) if alike else np.concatenate(rows)
    return effects._replace(worth=worth_of_rows(effects, group))


def worth_of_rows(effects: Effects, group: NDArray[np.int_]) -> Samples:
    """Return how many independent rows each row is worth, given the correlation in its group.

    If effects correlate by r, their variances correlate by r², so n rows are worth
    n / (1 + (n - 1) r²) independent ones (Kish 1965, Survey Sampling, chapter 5).
    """
    around = np.nan_to_num(effects.effect - mean_and_variance(effects.effect)[0][:, None])
    directions = around / np.maximum(np.linalg.norm(around, axis=-1, keepdims=True), 1e-300)
    rows = np.bincount(group)
    sums = np.zeros((len(rows), around.shape[1]))
    np.add.at(sums, group, directions)
    products = float((sums**2).sum() - (directions**2).sum())
    correlation = max(products, 0.0) / max((rows * (rows - 1)).sum(), 1)
    return np.asarray(1 / (1 + (rows[group] - 1) * correlation**2))


def rows_by_machine(effects: Effects, marks: Sequence[Sequence[str]]) -> Effects:
    """Return `by_machine` of rows that are alike, with the marks of each row's launches."""
    rows = [*map(Effects, effects.effect[:, None], effects.standard_error[:, None])]
    return by_machine(rows, marks, alike=True)


def _machine_means(effects: Effects, marks: Sequence[str]) -> Effects:
    """Return means per machine from three on (unmarked launches: one, last), else the launches."""
    if machine_count(marks) < LEAST_MACHINES:
        return effects
    means, errors = np.full((2, *effects.effect.shape), np.nan)
    for place, machine in enumerate(sorted({*marks}, key=lambda name: (not name, name))):
        own = [mark == machine for mark in marks]
        launches = np.isfinite(effects.effect[:, own]).sum(-1)
        means[:, place] = mean_and_variance(effects.effect[:, own])[0]
        squares = mean_and_variance(effects.standard_error[:, own] ** 2)[0]
        errors[:, place] = np.sqrt(squares / np.maximum(launches, 1))
    return Effects(means, errors)


def pairs_by_setting(settings: Sequence[AlignedSamples]) -> tuple[Effects, Families]:
    """Return the effects of all pairs of every setting, and the number of each row's setting."""
    pairs = [len(rivals.pairs) for rivals in settings]
    parts = [all_pairs(rivals.seconds) for rivals in settings]
    effects = by_machine(parts, [rivals.marks for rivals in settings])
    return effects, np.repeat(np.arange(len(settings)), pairs)
