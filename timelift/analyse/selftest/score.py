"""How often a rule was right where the truth is known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.runs.measurement import Samples
from timelift.analyse.runs.trust import Share
from timelift.analyse.selftest.recording import Recording
from timelift.analyse.selftest.rule import LadderRule

#: Truths that agree to so many digits are one.
_DIGITS = 9


@dataclass(frozen=True)
class Score:
    """What a rule said: `found` by truth, a log ratio; `seconds` is the mean over comparisons.

    `false_alarms` are differences called between identical rivals, `sometimes` those called where
    a rival is slower in some launches only, `wrong_way` those with the wrong sign.
    """

    rule: LadderRule
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


def score(rule: LadderRule, recordings: Sequence[Recording]) -> Score:
    """Try a rule on every run by itself, and count over all of them."""
    judged = [rule.judge(recording, rule.seats) for recording in recordings]
    parts = zip(recordings, judged, strict=True)
    seconds = np.concatenate([recording.price(one.used) for recording, one in parts])
    says = np.concatenate([one.says for one in judged])
    truth = np.round(np.concatenate([recording.truth for recording in recordings]), _DIGITS)
    tried = np.isfinite(says)
    planted = tried & np.isfinite(truth) & (truth != 0)
    return Score(
        rule=rule,
        false_alarms=_share(says != 0, tried & (truth == 0)),
        sometimes=_share(says != 0, tried & np.isnan(truth)),
        found=_found(says, truth, planted),
        wrong_way=_share(says * np.sign(truth) < 0, planted),
        seconds=float(seconds[tried].mean()) if tried.any() else float("nan"),
    )


def _found(says: Samples, truth: Samples, planted: NDArray[np.bool_]) -> dict[float, Share]:
    steps = np.unique(truth[np.isfinite(truth) & (truth != 0)]).tolist()
    return {step: _share(says == np.sign(step), planted & (truth == step)) for step in steps}


def _share(hit: NDArray[np.bool_], among: NDArray[np.bool_]) -> Share:
    return Share(int((hit & among).sum()), int(among.sum()))
