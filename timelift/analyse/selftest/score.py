"""How often a rule was right where the truth is known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.runs.measurement import Samples
from timelift.analyse.runs.trust import Share
from timelift.analyse.selftest.recording import Recording

#: Truths that agree to so many digits are one.
_DIGITS = 9


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
    """How often a rule was right: `found` by truth, a log ratio; `seconds` a comparison's mean.

    `false_alarms` are differences called between identical rivals, `sometimes` those called where
    a rival is slower in some launches only, `wrong_way` those with the wrong sign.
    """

    false_alarms: Share
    sometimes: Share
    found: dict[float, Share]
    wrong_way: Share
    seconds: float

    @property
    def tries(self) -> int:
        """How many comparisons the rule could be tried on."""
        planted = sum(share.tries for share in self.found.values())
        return self.false_alarms.tries + self.sometimes.tries + planted


def score(judgements: Sequence[Judgement], recordings: Sequence[Recording]) -> Score:
    """Count the answers over several recordings, each of which has a judgement of its own."""
    parts = zip(recordings, judgements, strict=True)
    seconds = np.concatenate([recording.price(one.used) for recording, one in parts])
    sign = np.concatenate([one.sign for one in judgements])
    truth = np.round(np.concatenate([recording.truth for recording in recordings]), _DIGITS)
    tried = np.isfinite(sign)
    planted = tried & np.isfinite(truth) & (truth != 0)
    return Score(
        false_alarms=_share(sign != 0, tried & (truth == 0)),
        sometimes=_share(sign != 0, tried & np.isnan(truth)),
        found=_found(sign, truth, planted),
        wrong_way=_share(sign * np.sign(truth) < 0, planted),
        seconds=float(seconds[tried].mean()) if tried.any() else float("nan"),
    )


def _found(sign: Samples, truth: Samples, planted: NDArray[np.bool_]) -> dict[float, Share]:
    steps = np.unique(truth[np.isfinite(truth) & (truth != 0)]).tolist()
    return {step: _share(sign == np.sign(step), planted & (truth == step)) for step in steps}


def _share(hit: NDArray[np.bool_], among: NDArray[np.bool_]) -> Share:
    return Share(int((hit & among).sum()), int(among.sum()))
