"""The scores of the rules as a scoreboard."""

import math
from collections.abc import Iterator, Sequence

from studies.scoreboard import Column, Row, Scoreboard
from timelift.analyse.runs.trust import Share
from timelift.analyse.selftest.score import Score

LEGEND = """
processes     launches whose samples the rule sees: shared by both rivals, or of its own for each
false alarms  differences called between identical rivals; at most: their exact 95 % bound
one in N      differences called where a rival is slower in one launch of N only
+5 % ...      how often a rival that is slower by so much (- faster) was called so; - never says so
wrong way     slower called faster, or faster called slower
seconds       measuring time of both rivals a comparison: building, first call and samples
"""
_NONE = "-"
#: Shares this close to none or to all are written with a tenth of a per cent.
_NEAR = 0.1
_TWO_FIGURES = 10


def board(scores: Sequence[Score]) -> Scoreboard:
    """Make the columns for what was planted."""
    titles = ["rule", "processes", "false alarms", "at most", "one in N"]
    titles += [f"{100 * math.expm1(step):+.3g} %" for step in _steps(scores)]
    columns = [Column(title) for title in (*titles, "wrong way", "seconds")]
    return Scoreboard(columns, LEGEND, words=2)


def rows(scores: Sequence[Score]) -> Iterator[Row]:
    """Write a row for each rule that could be tried; the first says how many comparisons."""
    steps = _steps(scores)
    tried = [one for one in scores if one.tries]
    yield from [_counts(tried, steps)] if tried else []
    yield from (_row(one, steps) for one in tried)


def _steps(scores: Sequence[Score]) -> list[float]:
    return sorted(scores[0].found, key=lambda step: (step < 0, abs(step))) if scores else []


def _counts(scores: Sequence[Score], steps: Sequence[float]) -> list[str]:
    """Tell how many comparisons stand behind each column, where the rule could try all."""
    most = max(scores, key=lambda one: one.tries)
    shares = [most.false_alarms, most.sometimes, *(most.found[step] for step in steps)]
    false, sometimes, *found = (f"{share.tries:,}" for share in shares)
    return ["comparisons", "", false, "", sometimes, *found, f"{most.wrong_way.tries:,}", ""]


def _row(score: Score, steps: Sequence[float]) -> list[str]:
    false = score.false_alarms
    return [
        score.rule.name,
        score.rule.seats.label,
        f"{_percent(false)} ({false.hits:,} of {false.tries:,})" if false.tries else _NONE,
        _bound(false) if false.tries else _NONE,
        _percent(score.sometimes),
        *(_found(score, step) for step in steps),
        f"{score.wrong_way.hits:,}",
        f"{score.seconds:.3g}",
    ]


def _found(score: Score, step: float) -> str:
    silent = step < 0 and not score.rule.says_faster
    return _NONE if silent else _percent(score.found[step])


def _bound(share: Share) -> str:
    """Write the bound with two figures."""
    bound = 100 * share.at_most
    return f"{bound:.0f} %" if bound >= _TWO_FIGURES else f"{bound:.2g} %"


def _percent(share: Share) -> str:
    """Write a share in per cent; near none and near all, the tenth matters."""
    if not share.tries:
        return _NONE
    digits = 1 if 0 < share.value < _NEAR or 1 - _NEAR < share.value < 1 else 0
    return f"{100 * share.value:.{digits}f} %"
