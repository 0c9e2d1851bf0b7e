"""How often a rule was right where the truth is known, and the judgement of our own rule."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from timelift.analyse.runs.measurement import Samples
from timelift.analyse.selftest.recording import Recording
from timelift.analyse.stats import verdicts
from timelift.analyse.stats.effects import all_pairs, stack
from timelift.analyse.stats.verdicts import CONFIDENCE, Verdict

#: The digits to which equal truths agree.
_DIGITS = 9
_SIGN = {Verdict.SLOWER: 1.0, Verdict.FASTER: -1.0}


class Proportion(Struct, frozen=True, array_like=True):
    """The number of hits among tries; in a file, a list of both."""

    hits: Annotated[int, Meta(ge=0)]
    tries: Annotated[int, Meta(lt=10**7)]

    def __post_init__(self) -> None:
        if self.hits > self.tries:
            raise ValueError(f"expected at most {self.tries} hits, received {self.hits}")

    @property
    def value(self) -> float:
        """NaN of no tries."""
        return self.hits / self.tries if self.tries else math.nan

    @property
    def at_most(self) -> float:
        """The true share's upper bound at 95 % confidence, one-sided and exact.

        Source: Clopper and Pearson 1934, Biometrika 26(4), 404-413.
        """
        from scipy import special  # noqa: PLC0415 - see `stats.estimates`

        if self.hits >= self.tries:
            return 1.0
        return float(special.betaincinv(self.hits + 1, self.tries - self.hits, CONFIDENCE))


@dataclass(frozen=True)
class Judgement:
    """A rule's answer to every comparison, and the rounds that it paid for.

    `sign` is (comparisons,): 1 where the second is called slower, -1 faster, 0 neither, NaN where
    the rule cannot be tried. `used` is (comparisons, side, launches, rounds).
    """

    sign: Samples
    used: NDArray[np.bool_]


@dataclass(frozen=True)
class Score:
    """How often a rule was right; `found` is by truth, a log ratio.

    `false_alarms` are differences called between identical rivals, `one_in_n` those called where
    a rival is slower in some launches only, `wrong_way` those with the wrong sign.
    `seconds_per_verdict` is the mean over comparisons.
    """

    false_alarms: Proportion
    one_in_n: Proportion
    found: dict[float, Proportion]
    wrong_way: Proportion
    seconds_per_verdict: float

    @property
    def tries(self) -> int:
        planted = sum(share.tries for share in self.found.values())
        return self.false_alarms.tries + self.one_in_n.tries + planted


def score(judgements: Sequence[Judgement], recordings: Sequence[Recording]) -> Score:
    """Count the answers over several recordings, each of which has a judgement of its own."""
    parts = zip(recordings, judgements, strict=True)
    seconds = np.concatenate([recording.seconds_spent(one.used) for recording, one in parts])
    sign = np.concatenate([one.sign for one in judgements])
    truth = np.round(np.concatenate([recording.truth for recording in recordings]), _DIGITS)
    tried = np.isfinite(sign)
    planted = tried & np.isfinite(truth) & (truth != 0)
    return Score(
        false_alarms=_proportion(sign != 0, tried & (truth == 0)),
        one_in_n=_proportion(sign != 0, tried & np.isnan(truth)),
        found=_found(sign, truth, planted),
        wrong_way=_proportion(sign * np.sign(truth) < 0, planted),
        seconds_per_verdict=float(seconds[tried].mean()) if tried.any() else math.nan,
    )


def _found(sign: Samples, truth: Samples, planted: NDArray[np.bool_]) -> dict[float, Proportion]:
    steps = np.unique(truth[np.isfinite(truth) & (truth != 0)]).tolist()
    return {step: _proportion(sign == np.sign(step), planted & (truth == step)) for step in steps}


def _proportion(hit: NDArray[np.bool_], among: NDArray[np.bool_]) -> Proportion:
    return Proportion(int((hit & among).sum()), int(among.sum()))


def judge_as_ranking(recording: Recording) -> Judgement:
    """Return the judgement of our own rule, as a ranking applies it.

    All pairs of a group are a family, and variances are moderated over all groups of the run.
    Rivals that are slow in some launches only are judged in a second pass: variances are believed
    less where a run has such rivals, and a tenth of all rivals is more than a usual run has.
    """
    unsteady = recording.pairs[np.isnan(recording.truth), 1]
    rivals = np.arange(len(recording.group))
    steady = _signs(recording, np.setdiff1d(rivals, unsteady))
    signs = _signs(recording, rivals) | steady if unsteady.size else steady
    of_pairs = np.array([signs[i, j] for i, j in recording.pairs.tolist()])
    return Judgement(of_pairs, np.isfinite(recording.sides))


def _signs(recording: Recording, rivals: NDArray[np.int_]) -> dict[tuple[int, int], float]:
    """Judge all pairs of these rivals: 1 where the second was called slower, -1 where faster."""
    group = recording.group[rivals]
    groups = [rivals[group == one] for one in np.unique(group)]
    effects = stack([all_pairs(recording.seconds_per_call[rows]) for rows in groups])
    pairs = [list(itertools.combinations(rows.tolist(), 2)) for rows in groups]
    families = np.repeat(np.arange(len(pairs)), [len(some) for some in pairs]).tolist()
    found = verdicts.compare(effects, families=families)
    signs = [_SIGN.get(comparison.verdict, 0.0) for comparison in found]
    return dict(zip(itertools.chain.from_iterable(pairs), signs, strict=True))
