"""From launch effects to estimates: a mean over launches, with a moderated variance."""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np

from timelift.analyse.effects import BATCHES, AlignedSamples, Effects, mean_and_variance
from timelift.analyse.evidence import by_machine, worth_of_rows
from timelift.analyse.results import Samples, facts_by_launch, launch_marks, launch_numbers
from timelift.analyse.variances import (
    Families,
    FitPrior,
    Spread,
    fit_prior,
    rivals_in,
    shrink_variances,
    special,
    typical_prior,
)
from timelift.case import Case
from timelift.measurement import Measurement

T = TypeVar("T")
#: The confidence of every interval and every family of verdicts, and the chance of an error.
CONFIDENCE = 0.95
ALPHA = 1 - CONFIDENCE
#: The sd between launches, of log ratios, that is assumed where a run has one launch alone.
ASSUMED_LAUNCH_SD = 0.02


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95 % interval from `low` to `high`, NaN where one launch bounds none."""

    value: float
    low: float = math.nan
    high: float = math.nan

    @property
    def is_known(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)

    def times(self, factor: float) -> "Interval":
        return Interval(self.value * factor, self.low * factor, self.high * factor)

    def inverse(self) -> "Interval":
        return Interval(1 / self.value, 1 / self.high, 1 / self.low)


class Estimates(NamedTuple):
    """Effects over launches with their standard errors, each array (comparisons,).

    `df` are the degrees of freedom of `standard_error`, `launches` how many launches (or machines,
    see `evidence`) an effect rests on, `agreeing` how many of those lie on its side of zero. What
    is unknown is NaN, with `df` 0.
    """

    effect: Samples
    standard_error: Samples
    df: Samples
    launches: Samples
    agreeing: Samples

    def part(self, rows: slice) -> "Estimates":
        return Estimates(*(column[rows] for column in self))

    def half_width(self, chance: float | Samples) -> Samples:
        """Return the half-width of an interval that is missed on each side with `chance`."""
        return half_width(self.standard_error, self.df, chance)

    def chance(self, distance: Samples) -> Samples:
        """Return the chance that an estimate misses the truth by `distance` or more to one side."""
        return chance_beyond(distance, self.standard_error, self.df)


def estimate(
    effects: Effects, families: Families | None = None, fit: FitPrior = fit_prior
) -> Estimates:
    """Estimate each comparison over its launches; its variance is moderated by the prior of all.

    Rows that are all pairs of the same rivals, and so not independent, share a number in
    `families`.
    """
    launches = np.isfinite(effects.effect).sum(-1)
    mean, variance = mean_and_variance(effects.effect)
    df = np.maximum(launches - 1.0, 0.0)
    worth = effects.worth if families is None else effects.worth * 2 / rivals_in(families)
    independence = np.full(len(df), worth)
    with np.errstate(invalid="ignore", divide="ignore"):
        # by the rounds of a launch alone, NaN where unknown
        log_within = np.log(mean_and_variance(effects.standard_error**2)[0])
        moderated, moderated_df = shrink_variances(
            Spread(variance, df, log_within, independence, families), fit
        )
        is_assumed = (launches == 1) & (moderated_df < 1)
        moderated = np.where(is_assumed, np.exp(log_within) + ASSUMED_LAUNCH_SD**2, moderated)
        moderated_df = np.where(is_assumed, BATCHES - 1.0, moderated_df)
        standard_error = np.sqrt(moderated / launches)
        agreeing = (effects.effect * np.sign(mean)[:, None] > 0).sum(-1)
    known = np.isfinite(standard_error)
    return Estimates(
        mean,
        np.where(known, standard_error, np.nan),
        np.where(known, moderated_df, 0),
        launches,
        agreeing,
    )


def by_row(kind: type[T], **columns: Iterable[Any]) -> list[T]:
    """Return an object of a kind for each row of its fields' columns, without numpy's scalars."""
    lists = [
        column.tolist() if isinstance(column, np.ndarray) else column for column in columns.values()
    ]
    return [kind(**dict(zip(columns, row, strict=True))) for row in zip(*lists, strict=True)]


def half_width(standard_error: Samples, df: Samples, chance: float | Samples) -> Samples:
    """Return the half-width that is missed on each side with `chance`; NaN where `df` is 0."""
    known = df > 0
    quantile = -special().stdtrit(np.where(known, df, 1.0), chance)
    return np.where(known, quantile * standard_error, np.nan)


def chance_beyond(distance: Samples | float, standard_error: Samples, df: Samples) -> Samples:
    """Return the chance of missing the truth by a distance to one side; NaN where `df` is 0."""
    known = df > 0
    statistic = np.where(known, distance / standard_error, 0.0)
    return np.where(known, special().stdtr(np.where(known, df, 1.0), -statistic), np.nan)


def absolute_times(settings: Sequence[AlignedSamples]) -> list[Estimates]:
    """Estimate every rival's log seconds per call from its launch medians, a part for each setting.

    Variances are moderated over all rivals. A launch may move all of them together, and those of
    one setting more than others. One launch alone bounds no time: its `df` is 0.
    """
    medians = [setting.launch_medians() for setting in settings]
    groups = np.repeat(np.arange(len(medians)), [*map(len, medians)])
    estimates = _estimate_logs(medians, [setting.marks for setting in settings], groups)
    ends = itertools.accumulate(map(len, medians))
    return [
        estimates.part(slice(end - len(logs), end)) for logs, end in zip(medians, ends, strict=True)
    ]


def first_calls(measurements: Iterable[Measurement]) -> dict[Case, Interval]:
    """Return the seconds of every case's first call: the geometric mean over launches.

    Two launches show next to nothing of a variance. But all first calls build, trace and compile,
    so each variance of logs is drawn towards the typical one of the run. The facts of a launch that
    built beside another process have no first call.
    """
    launches = {each.case: calls for each in measurements if (calls := _first_calls(each))}
    if not launches:
        return {}
    seconds, marks = zip(*(zip(*calls, strict=True) for calls in launches.values()), strict=True)
    return dict(zip(launches, typical_means(seconds, marks), strict=True))


def typical_means(
    figures: Iterable[Sequence[float]], marks: Sequence[Sequence[str]]
) -> list[Interval]:
    """Return geometric means over launches, each variance drawn towards the typical one.

    Each case has a positive figure, and a mark of its machine, for each of its launches.
    """
    logs = _estimate_logs([np.log([own]) for own in figures], marks, fit=typical_prior)
    width = logs.half_width(ALPHA / 2)
    ends = (logs.effect, logs.effect - width, logs.effect + width)
    return [Interval(*row) for row in np.exp(ends).T.tolist()]


def _first_calls(measurement: Measurement) -> list[tuple[float, str]]:
    """Return the seconds of first calls that are known, with the marks of their machines."""
    numbers = launch_numbers([measurement])
    seconds = facts_by_launch([measurement], numbers, "first_call_seconds")[0].tolist()
    marks = zip(seconds, launch_marks([measurement], numbers), strict=True)
    return [(took, mark) for took, mark in marks if 0 < took < math.inf]


def _estimate_logs(
    parts: Sequence[Samples],
    marks: Sequence[Sequence[str]],
    groups: Families | None = None,
    fit: FitPrior = fit_prior,
) -> Estimates:
    """Estimate log seconds, each part as (cases, launches); of one launch alone `df` is 0."""
    rows = [Effects(logs, np.full_like(logs, np.nan)) for logs in parts]
    effects = by_machine(rows, marks, alike=True)
    if groups is not None:
        together = (worth_of_rows(effects, own) for own in (groups, np.zeros_like(groups)))
        effects = effects._replace(worth=np.minimum(*together))
    estimates = estimate(effects, fit=fit)
    return estimates._replace(df=np.where(estimates.launches > 1, estimates.df, 0.0))
