"""Two runs beside each other in a terminal: the suspects, what decides about them, and the rest.

The words at the end are those of two runs and of many.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter

from rich.console import Console
from rich.text import Text

from timelift.analyse.fact_changes import FactChange
from timelift.analyse.results import Run
from timelift.analyse.verdicts import MIN_LAUNCHES
from timelift.case import AXIS_FLAGS, Case
from timelift.errors import UserError, counted
from timelift.escape import plain
from timelift.history import ChangeState
from timelift.history.two_runs import CaseBetween, Commits, TwoRuns
from timelift.journal.lines import Difference
from timelift.present.tables import Column, Table, number
from timelift.present.terminal import show_line, show_note, show_table
from timelift.present.words import (
    MILLISECONDS,
    axis_options,
    bench_command,
    human_bytes,
    percent,
    percent_interval,
    percent_more,
    three_figures,
)

#: The most rows that are printed beside the suspects, and the most cases in a list.
ROWS, _NAMES = 20, 6
#: What stands for a state where the machines differ, so that nothing can be suspect.
_ADVISED = {ChangeState.SUSPECT: "slower there"}


def refusal(compared: TwoRuns) -> UserError:
    """Return the error of runs of two machines where one machine is expected."""
    return UserError(
        f"expected two runs of one machine, received others: "
        f"{differences_in_words(compared.machines)}; "
        "compare ratios alone with --across-machines"
    )


def show(compared: TwoRuns, console: Console, rows: int = ROWS) -> None:
    for label, text in _head(compared):
        show_line(console, f"{label:>9}  ", text)
    if shown := _shown(compared, rows):
        console.print()
        styles = [STYLES.get(row.state, "") for row in shown]
        show_table(_table(shown, compared), console, styles)
    for line in notes(compared, rows):
        show_note(console, line)
    for line in ending(compared, rows):
        console.print(Text(plain(line)), soft_wrap=True)


def _head(compared: TwoRuns) -> Iterator[tuple[str, str]]:
    yield "old", _run(compared.old, compared.commits.old)
    yield "new", _run(compared.new, compared.commits.new)
    if compared.advisory:
        yield "machines", "two different ones: ratios between rivals only, and no suspects"
    if compared.drift:
        yield "drift", differences_in_words(compared.drift)
    if math.isfinite(compared.canary):
        yield "canary", f"{percent_more(compared.canary)} for a fixed piece of work"
    else:
        yield "canary", "none in one of the runs, so a shift of the whole machine cannot be seen"


def _run(run: Run, commit: str) -> str:
    word = "provisional" if run.is_provisional else "cut short" if run.cut_short else ""
    state = f", {word}" if word else ""
    changes = " with uncommitted changes" if run.header.commit.dirty else ""
    started = run.header.started or "unknown time"
    return f"{started}, commit {commit or 'unknown'}{changes}{state}"


def _shown(compared: TwoRuns, rows: int) -> Sequence[CaseBetween]:
    """Return the cases that are printed: all suspects, and the first `rows` of the others."""
    return compared.cases[: compared.suspect_count + rows]


def _table(shown: Sequence[CaseBetween], compared: TwoRuns) -> Table:
    """Return a row a case; `change` is beside the other rivals of the setting, not in seconds."""
    side = _place if compared.advisory else _seconds
    states = _ADVISED if compared.advisory else {}
    columns = (
        Column("case", value=lambda row: _case_name(row.case)),
        Column("now", value=lambda row: states.get(row.state, str(row.state))),
        *change_columns("change", drop_order=1),
        side("old"),
        side("new"),
        number("beside", value=attrgetter("shift.rivals"), drop_order=4),
        Column("launches", value=_launches, drop_order=5, right=True),
    )
    return Table("cases", "Cases of two runs", columns, shown)


def _case_name(case: Case) -> str:
    """Name a case, the strategy first: long names are cut at their end."""
    return f"{case.strategy}, {case.setting.label}"


def _seconds(side: str) -> Column:
    return number(
        side, None, attrgetter(f"{side}.seconds_per_call"), unit=MILLISECONDS, drop_order=3
    )


def _place(side: str) -> Column:
    text = "{0.place} of {0.rivals}".format
    return Column(f"{side} rank", value=attrgetter(side), format=text, drop_order=3, right=True)


def _launches(row: CaseBetween) -> str:
    before, after = row.shift.launches
    return f"{before} + {after}"


def notes(compared: TwoRuns, rows: int = ROWS) -> Iterator[str]:
    """Write what is not in the table: hidden rows, cases of one run alone, facts, common shifts."""
    hidden = len(compared.cases) - len(_shown(compared, rows))
    if hidden:
        less = "which slowed down less or became faster"
        yield f"and {counted(hidden, 'more case')}, {less}; --all shows them"
    yield from _listed("new", compared.added)
    yield from _listed("removed", compared.removed)
    for case, end in compared.failing_now.items():
        why = f"{end.status}: {end.reason}" if end.reason else str(end.status)
        yield f"no longer measured: {_case_name(case)}: {why}"
    if compared.advisory:
        return
    facts = sorted(compared.facts, key=lambda change: not change.worse)
    yield from map(_fact, facts[:rows])
    if len(facts) > rows:
        yield f"and {counted(len(facts) - rows, 'more fact')} that changed; --all shows them"
    yield from _settings(compared)


def _listed(title: str, cases: Sequence[Case]) -> Iterator[str]:
    if cases:
        more = f" and {len(cases) - _NAMES} more" if len(cases) > _NAMES else ""
        yield f"{title}: {'; '.join(map(_case_name, cases[:_NAMES]))}{more}"


def _fact(change: FactChange) -> str:
    state = ChangeState.SUSPECT if change.worse else "better"
    return f"{state}: {_case_name(change.case)}: {fact_in_words(change)}"


def _settings(compared: TwoRuns) -> Iterator[str]:
    """Write which settings became slower as a whole; all of them are one sentence."""
    slower = compared.suspect_settings
    if compared.all_settings_slower:
        least = min(shift.value for shift in slower.values())
        yield (
            f"suspect: all {len(slower)} settings moved together, by {percent_more(least)} or more "
            "beside the canary: something that all share, or other work on the machine"
        )
        return
    for setting, shift in slower.items():
        yield (
            f"suspect: {percent(shift.share, 0)} of {shift.cases} rivals of {setting.label} "
            f"moved together, by {percent_more(shift.value)} beside the canary"
        )


def ending(compared: TwoRuns, rows: int = ROWS) -> Iterator[str]:
    many = len(compared.cases)
    if compared.advisory:
        yield f"{counted(many, 'case')} beside each other; advisory, since the machines differ"
    elif not compared.any_suspect:
        yield f"no suspects among {counted(many, 'case')}{_visible(compared)}"
    else:
        yield from _decisions(compared, compared.suspects, rows)


def _visible(compared: TwoRuns) -> str:
    if not compared.cases:
        return ""
    if math.isnan(compared.usually_visible):
        return f"; too few launches for any suspect ({MIN_LAUNCHES} of each run are needed)"
    return (
        f"; the median case would be one if it were {percent_more(compared.usually_visible)} slower"
    )


def _decisions(compared: TwoRuns, suspects: Sequence[Case], rows: int) -> Iterator[str]:
    settings, many = compared.suspect_settings, len(compared.cases)
    parts = (
        [f"{counted(len(suspects), 'suspect')} among {counted(many, 'case')}"] if suspects else []
    )
    parts += [f"{counted(len(settings), 'setting')} as a whole"] if settings else []
    yield (
        f"{', '.join(parts)}. Two runs made at different times can show a suspect, not prove a "
        f"slow-down: {_how_to_decide(compared.commits)}"
    )
    for case in suspects[:rows]:
        yield f"  {_to_decide(case, compared.commits.against)}"
    if len(suspects) > rows:
        yield f"  and {len(suspects) - rows} more; --all shows them"
    if compared.packages_drifted:
        yield (
            "versions or flags drifted, too, and both sides of a revision run on the same; "
            "what races another interpreter is: timelift bench --against PYTHON"
        )


def _how_to_decide(commits: Commits) -> str:
    if commits.same_code:
        return f"both measured commit {commits.new}, so it was not the code; measure again with"
    if not commits.old:
        return "the old run has no commit to race against; measure again with"
    place = f", with {commits.new} checked out," if commits.new else ""
    return f"what decides{place} is"


def _to_decide(case: Case, against: str) -> str:
    """Return the command that decides about a suspect.

    It races the revision `against`, or measures the case again where that is empty.
    """
    options = [(AXIS_FLAGS["strategy"], case.strategy), *axis_options(case.setting)]
    if against:
        options.insert(0, ("--against", against))
        if not case.setting.threads:  # against another side the usual number is one
            options.append((AXIS_FLAGS["threads"], "default"))
    return bench_command(options)


# What changed between two runs or many ------------------------------------------------------------

#: Red fails a build; a suspect is to be looked at.
STYLES = {
    ChangeState.SUSPECT: "yellow",
    ChangeState.SLOWER: "red",
    ChangeState.CREPT: "red",
    ChangeState.FASTER: "green",
}
FACTS: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "weights": ("weights", "{:,.0f}".format),
    "graph_nodes": ("graph nodes", "{:,.0f}".format),
    "traces": ("traces", "{:,.0f}".format),
    "first_call_seconds": ("first call", lambda seconds: f"{three_figures(seconds)} s"),
    "peak_bytes": ("peak memory", human_bytes),
}
#: The most differences that are named, and the most characters of each.
_NAMED, _QUOTE = 8, 60


def change_columns(attribute: str, drop_order: int) -> tuple[Column, Column]:
    """Return the columns of a change and its interval, which is the first of them to go."""
    value = attrgetter(attribute)
    return (
        Column("change", None, value, lambda change: percent_more(change.value), right=True),
        Column("95 % interval", None, value, percent_interval, drop_order=drop_order, right=True),
    )


def fact_in_words(change: FactChange) -> str:
    name, write = FACTS[change.name]
    return f"{name} {write(change.old)} → {write(change.new)}"


def differences_in_words(
    differences: Sequence[Difference], missing: str = "unknown", most: int = _NAMED
) -> str:
    """Name what differs between two runs, `keras 3.14 → 3.15`: the first, where there is much."""
    named = [
        f"{plain(each.name, _QUOTE)} {_side(each.old, missing)} → {_side(each.new, missing)}"
        for each in differences[:most]
    ]
    more = [f"and {len(differences) - most} more"] if len(differences) > most else []
    return ", ".join([*named, *more])


def _side(value: object, missing: str) -> str:
    return missing if value is None else plain(value, _QUOTE)
