"""What stands beside the gain of a call: first calls that decide, and what it is in `fit`."""

from collections.abc import Iterator
from statistics import median

from timelift.analyse.findings import RunFindings
from timelift.analyse.in_fit import gains_in_fit
from timelift.analyse.verdicts import first_call_decides
from timelift.escape import plain
from timelift.present import words


def first_call(findings: RunFindings) -> Iterator[str]:
    """Yield the first calls of the baseline and the answer where they differ by seconds."""
    answer, calls = findings.answer, findings.first_calls
    assert answer
    cases = (
        (ranking.row(ranking.baseline).case, row.case)
        for ranking, row in answer.rows
        if ranking.baseline and ranking.baseline != answer.strategy
    )
    pairs = [
        (calls[old].value, calls[new].value, new)
        for old, new in cases
        if {old, new} <= calls.keys()
    ]
    decisive = [pair for pair in pairs if first_call_decides(*pair[:2])]
    if decisive:
        before, after, case = max(decisive, key=lambda pair: max(pair[:2]))
        where = f", in {plain(case.setting.label)}" if answer.settings > 1 else ""
        yield f"First call: {words.arrow(before, after)}{where}."


def in_fit(findings: RunFindings) -> Iterator[str]:
    """Yield the gain of an answer in `fit`, unless it is written like that in a train step."""
    answer = findings.answer
    assert answer
    first = next(iter(answer.other_gains), None)
    if first is None or not answer.is_decided:
        return
    rows = (row for ranking, row in answer.rows if ranking.baseline == first.baseline)
    gains = gains_in_fit(findings.run, rows)
    step, fit = (
        (words.times(median(each)) for each in zip(*gains, strict=True)) if gains else ("", "")
    )
    if step != fit:
        typically = "typically " if len(gains) > 1 else ""
        is_part = len(gains) < answer.settings
        where = f" in {len(gains)} of {answer.settings} settings" if is_part else ""
        yield f"In fit{where}: {typically}about {fit} times as fast."
