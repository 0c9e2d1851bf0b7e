"""What the evidence is: launches, or the machines that played them.

The launches of a machine share what it does to a rival, so however many they are, they are no
sample of machines: the unit of evidence is the highest level that varies (Kalibera and Jones 2013,
"Rigorous benchmarking in reasonable time", ISMM, 63-74). From three machines on launches of each
are averaged, and the variance of these means holds that between machines and that between launches
(Burdick and Graybill 1992, Confidence Intervals on Variance Components, chapter 3). Two say too
little of how machines differ: launches are the evidence, and the answer holds for these two. The
same is true of the runs of a machine that were put together: what a session does to a rival, all
launches of a run share.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.effects import AlignedSamples, Effects, all_pairs, mean_and_variance, stack
from timelift.analyse.results import LEAST_MACHINES, Samples
from timelift.analyse.variances import Families
from timelift.measurement import machine_of


def machine_count(marks: Iterable[str]) -> int:
    """Return how many machines have these marks, without the cores that processes were bound to."""
    return len({machine_of(mark) for mark in marks} - {""})


def by_machine(
    parts: Sequence[Effects], marks: Sequence[Sequence[str]], *, alike: bool = False
) -> Effects:
    """Return all parts, with machines in place of launches where three or more played a part.

    `marks` are the machines of each part's launches, or the runs (`launch_marks`). What a machine
    does to a row it may do to it in all parts, or to all rows that are `alike`.
    """
    effects = stack([*map(_machine_means, parts, marks)])
    if max(map(machine_count, marks)) < LEAST_MACHINES:
        return effects
    group = np.concatenate([np.arange(len(part.effect)) * (not alike) for part in parts])
    return effects._replace(worth=worth_of_rows(effects, group))


def worth_of_rows(effects: Effects, group: NDArray[np.int_]) -> Samples:
    """Return how many independent rows each row is worth, as the rows of a group move together.

    Variances of rows whose effects correlate by r correlate by r², so that n rows are worth
    n / (1 + (n - 1) r²) (Kish 1965, Survey Sampling, chapter 5).
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
    """Return the same of rows that are alike, each with the marks of its launches."""
    rows = [*map(Effects, effects.effect[:, None], effects.standard_error[:, None])]
    return by_machine(rows, marks, alike=True)


def _machine_means(effects: Effects, marks: Sequence[str]) -> Effects:
    """Return means per machine from three on, else launches; unmarked ones count as one, last."""
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
