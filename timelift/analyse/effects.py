"""From the samples of a setting's rivals to one effect a launch for every pair of them.

NaN counts as absent throughout: a round that a rival sat out, or a launch that it missed.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.results import Samples, launch_marks, launch_numbers, seconds_by_launch
from timelift.case import Case, Setting
from timelift.errors import UserError
from timelift.measurement import Measurement

# Samples, aligned so that position means the same moment ------------------------------------------

#: What a run may compare: pairs of rivals in all, and rounds in all pairs of a setting.
MOST_PAIRS, MOST_ROUNDS = 1_000_000, 50_000_000


@dataclass(frozen=True)
class AlignedSamples:
    """One setting's sorted rivals; `seconds` is (rivals, launches, rounds), NaN if absent."""

    cases: tuple[Case, ...]
    seconds: Samples
    #: The machine of each launch, '' where unknown.
    marks: Sequence[str] = ()

    @property
    def setting(self) -> Setting:
        return self.cases[0].setting

    @property
    def pairs(self) -> list[tuple[int, int]]:
        return list(itertools.combinations(range(len(self.cases)), 2))

    def launch_medians(self) -> Samples:
        """Return the log of each rival's median seconds per call, as (rivals, launches)."""
        return trimmed_mean(log_seconds(self.seconds), HALF)


def aligned_samples(measurements: Iterable[Measurement]) -> list[AlignedSamples]:
    groups: dict[Setting, list[Measurement]] = defaultdict(list)
    for measurement in measurements:
        if measurement.was_measured:
            groups[measurement.case.setting].append(measurement)
    _refuse_too_many(groups.values())
    return [_aligned(groups[setting]) for setting in sorted(groups)]


def _refuse_too_many(groups: Iterable[Sequence[Measurement]]) -> None:
    """Raise UserError before the arrays of a run would fill the memory of a small machine."""
    sizes = [
        (
            max(1, math.comb(len(rivals), 2)),
            len(launch_numbers(rivals)),
            max(len(one.seconds_per_call) for rival in rivals for one in rival.launches),
        )
        for rivals in groups
    ]
    pairs = sum(pairs for pairs, _, _ in sizes)
    launches = max((launches for _, launches, _ in sizes), default=0)
    rounds = max((math.prod(size) for size in sizes), default=0)
    if pairs > MOST_PAIRS or max(pairs * launches, rounds) > MOST_ROUNDS:
        raise UserError(
            f"expected at most {MOST_PAIRS:,} pairs of rivals and {MOST_ROUNDS:,} rounds in all "
            f"pairs of a setting, received {pairs:,} pairs and {max(pairs * launches, rounds):,} "
            "rounds; measure fewer strategies, settings or launches in one run"
        )


def _aligned(rivals: Sequence[Measurement]) -> AlignedSamples:
    ordered = sorted(rivals, key=lambda rival: rival.case)
    cases = tuple(rival.case for rival in ordered)
    for case, following in itertools.pairwise(cases):
        if case == following:
            raise UserError(
                f"expected each case once, received two measurements of {case.label!r}; "
                "rank one run at a time"
            )
    numbers = launch_numbers(ordered)
    return AlignedSamples(
        cases, seconds_by_launch(ordered, numbers), launch_marks(ordered, numbers)
    )


# A robust mean and its standard error -------------------------------------------------------------

#: The share of values cut from each end by default.
TRIM = 0.2
#: Cutting this much leaves the median.
HALF = 0.5
#: The error of a mean comes from this many batches of neighbouring values, or is not known.
BATCHES = 6


def trimmed_mean(values: Samples, trim: float = TRIM) -> Samples:
    """Return the mean of the last axis without its lowest and highest `trim` share, or NaN.

    Source: Tukey and McLaughlin 1963, Sankhya A 25(3), 331-352.
    """
    ordered, count, cut = _cuts(values, trim)
    place = np.arange(values.shape[-1])
    kept = (place >= cut) & (place < count - cut)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(kept, ordered, 0.0).sum(-1) / kept.sum(-1))


def batch_error(values: Samples) -> Samples:
    """Return the standard error of the last axis' trimmed mean where neighbours may be alike.

    Values are winsorised at the cuts, since a trimmed mean depends on no more of them (Yuen 1974,
    Biometrika 61(1), 165-170), and their means in `BATCHES` batches in a row are compared (Conway
    1963, Management Science 10(1), 47-61). With fewer values than batches the error is NaN.
    """
    if values.shape[-1] < BATCHES:
        return np.full(values.shape[:-1], np.nan)
    ordered, count, cut = _cuts(values, TRIM)
    low = np.take_along_axis(ordered, cut, -1)
    high = np.take_along_axis(ordered, np.maximum(count - cut - 1, 0), -1)
    means = _batch_means(np.clip(values, low, high), count)
    error = np.sqrt(mean_and_variance(means)[1] / BATCHES) / (1 - 2 * TRIM)
    return np.where(count[..., 0] < BATCHES, np.nan, error)


def mean_and_variance(values: Samples) -> tuple[Samples, Samples]:
    """Return the mean and the unbiased variance of the last axis, NaN of too few values."""
    present = np.isfinite(values)
    count = present.sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(present, values, 0.0).sum(-1) / count
        squares = np.where(present, (values - mean[..., None]) ** 2, 0.0).sum(-1)
        return mean, np.where(count > 1, squares / (count - 1), np.nan)


def _cuts(values: Samples, trim: float) -> tuple[Samples, NDArray[np.int_], NDArray[np.int_]]:
    """Return the last axis sorted, how many values are there, and how many to cut on each side."""
    ordered = np.sort(values, axis=-1)
    count = np.isfinite(ordered).sum(-1, keepdims=True)
    cut = np.minimum(np.floor(trim * count), np.maximum(count - 1, 0) // 2)
    return ordered, count, cut.astype(int)


def _batch_means(values: Samples, count: NDArray[np.int_]) -> Samples:
    present = np.isfinite(values)
    place = (present.cumsum(-1) - 1) * BATCHES // np.maximum(count, 1)
    members = [(place == number) & present for number in range(BATCHES)]
    sums = np.stack([np.where(member, values, 0.0).sum(-1) for member in members], axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums / np.stack([member.sum(-1) for member in members], axis=-1))


# Effects ------------------------------------------------------------------------------------------

#: An eigenvalue below this share of the largest is a rounded zero: some rivals share no pair.
#: Where pairs connect all rivals the smallest is seldom under 1e-5; numpy's own bound, 1e-15, takes
#: the rounding for a weak connection and bends the scores of 12 rivals by a per cent.
_CONNECTED = 1e-10


class Effects(NamedTuple):
    """Launch effects and their errors, log ratios as (comparisons, launches); NaN where none."""

    effect: Samples
    standard_error: Samples
    #: How many independent comparisons each row is; see `evidence`.
    worth: float | Samples = 1.0


def launch_effects(a: Samples, b: Samples) -> Effects:
    """Return each launch's trimmed mean of log(b / a) over the rounds both played, and its error.

    `a` and `b` are (..., launches, rounds) in seconds per call; NaN marks a round sat out.
    """
    ratios = log_seconds(b) - log_seconds(a)
    return Effects(trimmed_mean(ratios), batch_error(ratios))


def all_pairs(seconds: Samples) -> Effects:
    """Return the launch effects of every pair of rivals, the second beside the first.

    `seconds` is (..., rivals, launches, rounds); pairs come in the order of `np.triu_indices`.
    Within a launch the effects are fitted so that they add up (a to c is a to b plus b to c), and
    no rivals beat each other in a circle; a pair weighs as much as its `shared_rounds`.
    """
    rivals = seconds.shape[-3]
    first, second = np.triu_indices(rivals, 1)
    raw = launch_effects(seconds[..., first, :, :], seconds[..., second, :, :])
    by_launch = np.swapaxes(raw.effect, -1, -2)
    scores = fit_scores(by_launch, shared_rounds(seconds)[..., first, second], rivals)
    agreed = np.swapaxes(scores[..., second] - scores[..., first], -1, -2)
    return Effects(np.where(np.isfinite(raw.effect), agreed, np.nan), raw.standard_error)


def shared_rounds(seconds: Samples) -> Samples:
    """Return how many rounds each pair of rivals shares, as (..., launches, rivals, rivals).

    A round counts 1 / n for every pair of the n rivals that played it. With these weights the fit
    equals least squares over single rounds with a level for each rival and each round. With the
    plain number of rounds the variance is up to half as large again where rivals sit out.
    """
    played = np.isfinite(log_seconds(np.swapaxes(seconds, -3, -2))).astype(float)
    part = played / np.maximum(played.sum(-2, keepdims=True), 1.0)
    return np.asarray(part @ np.swapaxes(played, -1, -2))


def fit_scores(effects: Samples, weights: Samples, rivals: int) -> Samples:
    """Return scores of rivals whose differences are closest to the effects of their pairs.

    `effects` and `weights` are (..., pairs), the scores (..., rivals). Weighted least squares; the
    scores of rivals that pairs connect sum to zero.
    """
    pairs = (..., *np.triu_indices(rivals, 1))
    weight, pull = np.zeros((2, *weights.shape[:-1], rivals, rivals))
    weight[pairs], pull[pairs] = weights, weights * np.nan_to_num(effects)
    weight += np.swapaxes(weight, -1, -2)
    laplacian = np.eye(rivals) * weight.sum(-1)[..., None] - weight
    pulls = pull.sum(-2) - pull.sum(-1)
    inverse = np.linalg.pinv(laplacian, rcond=_CONNECTED, hermitian=True)
    return np.asarray((inverse @ pulls[..., None])[..., 0])


def log_seconds(seconds: Samples) -> Samples:
    return np.log(np.where(seconds > 0, seconds, np.nan))


def stack(parts: Sequence[Effects]) -> Effects:
    """Return the comparisons of all parts, with NaN in the launches that a part lacks."""
    launches = max(part.effect.shape[1] for part in parts)

    def padded(values: Samples) -> Samples:
        missing = launches - values.shape[1]
        return np.pad(values, ((0, 0), (0, missing)), constant_values=np.nan)

    columns = zip(*(part[:2] for part in parts), strict=True)
    return Effects(*(np.concatenate([*map(padded, column)]) for column in columns))
