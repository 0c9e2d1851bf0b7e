"""What is said below the table of two runs: what changed beside times, and what would decide."""

from collections.abc import Iterator, Sequence

from timelift.analyse.changes.states import ChangeState
from timelift.analyse.changes.two_runs import CaseBetween, Decision, TwoRunFindings, TwoRuns
from timelift.analyse.runs.fact_changes import FactChange
from timelift.case import Case
from timelift.present.changed import fact_in_words, percent
from timelift.present.command_lines import to_decide

#: So many rows are printed beside the suspects, and so many cases in a list.
ROWS, NAMES = 20, 6


def shown(findings: TwoRunFindings, rows: int) -> list[CaseBetween]:
    """Return the rows that are printed: all suspects, and so many more."""
    return list(findings.cases[: findings.suspect_rows + rows])


def case_name(case: Case) -> str:
    """Name a case, the strategy first: long names are cut at their end."""
    return f"{case.strategy}, {case.setting.label}"


def notes(compared: TwoRuns, rows: int = ROWS) -> Iterator[str]:
    """Write what is not in the table: hidden rows, cases of one run alone, facts, common shifts."""
    findings = compared.findings
    hidden = len(findings.cases) - len(shown(findings, rows))
    if hidden:
        yield f"and {hidden} more cases, which became less slow; --all shows them"
    yield from _listed("new", findings.added)
    yield from _listed("removed", findings.removed)
    for case, one in findings.lost.items():
        why = f"{one.status}: {one.reason}" if one.reason else str(one.status)
        yield f"no longer measured: {case_name(case)}: {why}"
    if compared.advisory:
        return
    facts = sorted(findings.facts, key=lambda change: not change.worse)
    yield from map(_fact, facts[:rows])
    if len(facts) > rows:
        yield f"and {len(facts) - rows} more facts that changed; --all shows them"
    yield from _together(findings)


def _listed(what: str, cases: Sequence[Case]) -> Iterator[str]:
    if cases:
        more = f" and {len(cases) - NAMES} more" if len(cases) > NAMES else ""
        yield f"{what}: {'; '.join(map(case_name, cases[:NAMES]))}{more}"


def _fact(change: FactChange) -> str:
    state = ChangeState.SUSPECT if change.worse else "better"
    return f"{state}: {case_name(change.case)}: {fact_in_words(change)}"


def _together(findings: TwoRunFindings) -> Iterator[str]:
    """Write which settings moved as a whole; all of them are one sentence."""
    slower = findings.suspect_settings
    if findings.all_settings_slower:
        least = min(move.shift for move in slower.values())
        yield (
            f"suspect: all {len(slower)} settings moved together, by {percent(least)} or more "
            "beside the canary: something that all share, or other work on the machine"
        )
        return
    for setting, move in slower.items():
        yield (
            f"suspect: {move.share:.0%} of {move.cases} rivals of {setting.label} moved together, "
            f"by {percent(move.shift)} beside the canary"
        )


def ending(compared: TwoRuns, rows: int = ROWS) -> Iterator[str]:
    """Write how many suspects there are, and the command that decides about each."""
    findings = compared.findings
    compared_cases = len(findings.cases)
    if compared.advisory:
        yield f"{compared_cases} cases beside each other; advisory, since the machines differ"
        return
    if not findings.any_suspect:
        yield f"no suspects among {compared_cases} cases{_visible(findings)}"
        return
    yield from _decisions(compared, findings.suspects, rows)


def _visible(findings: TwoRunFindings) -> str:
    if not findings.cases:
        return ""
    usual = percent(findings.usually_visible)
    return f"; the median case would be one if it were {usual} slower"


def _decisions(compared: TwoRuns, cases: Sequence[Case], rows: int) -> Iterator[str]:
    shared = compared.findings.suspect_settings
    parts = [f"{len(cases)} suspects among {len(compared.findings.cases)} cases"] if cases else []
    parts += [f"{len(shared)} settings as a whole"] if shared else []
    yield (
        f"{', '.join(parts)}. Two runs made at different times can show a suspect, not prove a "
        f"slow-down: {_how_to_decide(compared.decision)}"
    )
    for case in cases[:rows]:
        yield f"  {to_decide(case, compared.decision)}"
    if len(cases) > rows:
        yield f"  and {len(cases) - rows} more; --all shows them"
    if compared.findings.packages_drifted:
        yield (
            "versions or flags drifted, too, and both sides of a revision run on the same; "
            "what races another interpreter is: pytest bench/ --against-python PYTHON"
        )


def _how_to_decide(found: Decision) -> str:
    if found.same_code:
        return f"both measured commit {found.new}, so it was not the code; measure again with"
    if not found.old:
        return "the old run has no commit to race against; measure again with"
    place = f", with {found.new} checked out," if found.new else ""
    return f"what decides{place} is"
