"""The scores as a table of text, for a terminal or for Markdown."""

import math
from collections.abc import Sequence

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
_GAP = "   "
_NONE = "-"
#: Columns of words, which come before those of numbers.
_WORDS = 2
#: Shares this close to none or to all are written with a tenth of a per cent.
_NEAR = 0.1
_TWO_FIGURES = 10


def cells(scores: Sequence[Score]) -> list[list[str]]:
    """Give the table row by row, the first being the head and the second how many comparisons.

    A rule that could nowhere be tried has no row.
    """
    steps = sorted(scores[0].found, key=lambda step: (step < 0, abs(step))) if scores else []
    head = ["rule", "processes", "false alarms", "at most", "one in N"]
    head += [f"{100 * math.expm1(step):+.3g} %" for step in steps]
    tried = [one for one in scores if one.tries]
    rows = [_row(one, steps) for one in tried]
    return [[*head, "wrong way", "seconds"], *([_counts(tried, steps)] if tried else []), *rows]


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Lay the table out for a terminal: words to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        _GAP.join(_pad(cell, width, place) for place, (cell, width) in enumerate(pairs)).rstrip()
        for pairs in (list(zip(row, widths, strict=True)) for row in rows)
    )


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Lay the table out for Markdown."""
    head, *body = rows
    rule = ["---" if place < _WORDS else "---:" for place in range(len(head))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *body))


def _pad(cell: str, width: int, place: int) -> str:
    return cell.ljust(width) if place < _WORDS else cell.rjust(width)


def _counts(scores: Sequence[Score], steps: Sequence[float]) -> list[str]:
    """Say how many comparisons stand behind each column, where the rule could try all."""
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
