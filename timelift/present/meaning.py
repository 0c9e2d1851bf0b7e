"""What recommended strategies change in training, and which of unknown meaning are not ranked."""

from collections import defaultdict
from collections.abc import Iterator

from timelift.analyse.findings import RunFindings
from timelift.analyse.recommend import Recommendation, recommend_by
from timelift.errors import first_few
from timelift.escape import NAME_LIMIT, plain
from timelift.present.words import changes_in_words

#: The most workloads that a sentence names.
_MOST_NAMED = 3


def changed_in_training(findings: RunFindings, *answers: Recommendation) -> str:
    """Write what each strategy of these answers, or of all of a run, changes; '' if nothing."""
    changed, everywhere = defaultdict[tuple[str, str], set[str]](set), set[str]()
    for answer in answers or _answers(findings):
        for ranking, row in answer.rows:
            everywhere.add(ranking.setting.workload)
            if changes := findings.meanings.changes(row.case, ranking.baseline):
                changed[answer.strategy, changes_in_words(changes)].add(ranking.setting.workload)
    return " ".join(
        f"{plain(name, NAME_LIMIT)} changes in training{_where(own, everywhere)}: {text}."
        for (name, text), own in changed.items()
    )


def _where(workloads: set[str], everywhere: set[str]) -> str:
    return f" ({first_few(sorted(workloads), _MOST_NAMED)})" if workloads != everywhere else ""


def _answers(findings: RunFindings) -> Iterator[Recommendation]:
    """Yield what is recommended for all, on each place, and for each workload there."""
    axis, by_place, _ = findings.places
    yield from [findings.answer] if findings.answer else []
    yield from by_place.values()
    for answer in findings.answers.values():
        yield from recommend_by(axis, answer.rankings).values() if axis else [answer]


def unknown_meanings(findings: RunFindings) -> Iterator[tuple[str, str]]:
    """Yield a note on each strategy of unknown meaning: a label and a text."""
    cases = (row.case for ranking in findings.rankings for row in ranking.unranked)
    told = (
        f"{case.strategy} ({case.setting.workload}): {why}"
        for case in cases
        if (why := findings.meanings.why_unknown(case))
    )
    for text in dict.fromkeys(told):
        yield "not ranked", text
