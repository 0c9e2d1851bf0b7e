"""From the rounds of rivals to one effect a launch for every pair of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from timelift.analyse.runs.measurement import Samples
from timelift.analyse.stats.robust_mean import batch_error, trimmed_mean

#: Smaller eigenvalues, beside the largest, are a zero and its rounding: rivals that no pair joins.
#: Of pairs that do join rivals the smallest is seldom under 1e-5; numpy's own bound, 1e-15, takes
#: the rounding for a weak join and bends the scores of 12 rivals by a per cent.
_CONNECTED = 1e-10


@dataclass(frozen=True)
class Effects:
    """Launch effects and their errors, log ratios as (comparisons, launches); NaN where none."""

    effect: Samples
    standard_error: Samples


def launch_effects(a: Samples, b: Samples) -> Effects:
    """Return each launch's trimmed mean of log(b / a) over the rounds both played, and its error.

    `a` and `b` are (..., launches, rounds) in seconds per call; NaN marks a round sat out.
    """
    ratios = log_seconds(b) - log_seconds(a)
    return Effects(trimmed_mean(ratios), batch_error(ratios))


def all_pairs(seconds: Samples) -> Effects:
    """Return the launch effects of every pair of rivals, the second beside the first.

    `seconds` is (..., rivals, launches, rounds); pairs come in the order of `np.triu_indices`.
    Within a launch the effects are made to add up, so that no rival beats another that beats it;
    a pair weighs as much as its `shared_rounds`.
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

    A round counts 1 / n for every pair of the n rivals that played it: so weighted, differences of
    single rounds are fitted as by least squares with a level for each rival and each round. The
    plain number of rounds in common leaves up to half as much variance again where rivals sit out.
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
    launches = max(part.effect.shape[1] for part in parts)
    return Effects(
        np.concatenate([_padded(part.effect, launches) for part in parts]),
        np.concatenate([_padded(part.standard_error, launches) for part in parts]),
    )


def _padded(values: Samples, launches: int) -> Samples:
    padded = np.full((len(values), launches), np.nan)
    padded[:, : values.shape[1]] = values
    return padded
