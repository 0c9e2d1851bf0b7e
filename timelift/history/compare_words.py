"""Two runs beside each other in words: the cases, and what decides about the suspects.

At the end stand the words that two runs and many have in common.
"""

import math
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter

from timelift.analyse.estimates import Interval
from timelift.analyse.results import Run
from timelift.analyse.verdicts import MIN_LAUNCHES
from timelift.case import AXES, Case, Setting
from timelift.errors import UserError, counted, first_few
from timelift.escape import plain
from timelift.history import ChangeState
from timelift.history.case_changes import CaseBetween
from timelift.history.two_runs import TwoRuns, commit_in
from timelift.journal.lines import Difference
from timelift.measurement import FactChange
from timelift.present import words
from timelift.present.document import Block, Document, lines
from timelift.present.tables import Column, Table, number

#: Characters after which a case is cut, which begins with its workload and ends with its strategy.
LONGEST_CASE = 200
#: The most rows that are printed beside the suspects, and the most cases in a list.
ROWS, _NAMES = 20, 6


def refusal(machines: Sequence[Difference], runs: Sequence[str]) -> UserError:
    return UserError(
        f"expected two runs of one machine, received others: {differences_in_words(machines)}; "
        f"timelift report {shlex.join(runs)} shows what each machine found"
    )


def document(compared: TwoRuns, rows: int) -> Document:
    """Return what became suspect: all suspects, and up to `rows` other cases, facts, commands."""
    shown = compared.cases[: compared.suspect_count + rows]
    return Document(
        answer=_answer(compared),
        below=_what_it_is_worth(compared),
        blocks=(
            Block(lines=lines(_head(compared))),
            Block(table=_table(shown)),
            Block(sentences=tuple(_notes(compared, len(shown), rows))),
            *_to_decide(compared, rows),
        ),
    )


def _head(compared: TwoRuns) -> Iterator[tuple[str, str]]:
    yield "old", _run(compared.old)
    yield "new", _run(compared.new)
    if compared.drift:
        yield "drift", differences_in_words(compared.drift)
    hash_, copy = map(words.percent_more, compared.canary)
    if math.isfinite(compared.canary[0]):
        second = f", {copy} for a copy of memory" if math.isfinite(compared.canary[1]) else ""
        yield "canary", f"{hash_} for a fixed piece of work{second}"
    else:
        yield "canary", "none in one of the runs, so a shift of the whole machine cannot be seen"


def _run(run: Run) -> str:
    end = ", provisional" if run.is_provisional else ", cut short" if run.cut_short else ""
    changes = " with uncommitted changes" if run.header.commit.dirty else ""
    started = run.header.started or "unknown time"
    launches = [
        launch.is_disturbed
        for case in run.measurements
        for launch in case.launches
        if launch.was_timed
    ]
    beside = "; another program ran beside it" if 2 * sum(launches) > len(launches) else ""
    return f"{started}, commit {commit_in(run) or 'unknown'}{changes}{end}{beside}"


def _table(shown: Sequence[CaseBetween]) -> Table:
    columns = (
        Column("case", value=lambda row: row.case.label, limit=LONGEST_CASE),
        state_column(),
        *change_columns(drop_order=1),
        *(number(run, unit=words.MILLISECONDS, drop_order=3) for run in ("old", "new")),
        number("beside", value=attrgetter("rivals"), drop_order=4),
        Column("launches", format="{0[0]} + {0[1]}".format, drop_order=5, right=True),
    )
    return Table("cases", "Cases of two runs", columns, shown)


def _notes(compared: TwoRuns, shown: int, rows: int) -> Iterator[str]:
    """Write what is not in the table: hidden rows, cases of one run alone, facts, settings."""
    if hidden := len(compared.cases) - shown:
        less = "which slowed down less or became faster"
        yield f"and {counted(hidden, 'more case')}, {less}; --all shows them"
    yield from _listed("new", compared.added)
    yield from _listed("removed", compared.removed)
    for case, failed in compared.failing_now.items():
        reason = f": {failed.reason}" if failed.reason else ""
        yield f"no longer measured: {case.label}: {failed.status}{reason}"
    facts = sorted(compared.facts, key=lambda change: not change.worse)
    for change in facts[:rows]:
        state = ChangeState.SUSPECT if change.worse else "better"
        yield f"{state}: {change.case.label}: {fact_in_words(change)}"
    if len(facts) > rows:
        yield f"and {counted(len(facts) - rows, 'more fact')} that changed; --all shows them"
    yield from _suspect_settings(compared)


def _listed(title: str, cases: Sequence[Case]) -> Iterator[str]:
    if cases:
        yield f"{title}: {first_few([case.label for case in cases], _NAMES)}"


def _suspect_settings(compared: TwoRuns) -> Iterator[str]:
    """Write a sentence for each setting that became slower as a whole, or one for all settings."""
    slower, suspect = compared.settings, compared.suspect_settings
    if compared.machine_moved or 1 < len(suspect) == compared.shared_settings:
        least = min(shift.value for shift in slower.values())
        state, why = "suspect", "something that all share, or other work on the machine"
        if compared.machine_moved:
            state, why = "machine", "so did the canary, by half as much or more"
        yield (
            f"{state}: {len(slower)} of {compared.shared_settings} settings moved together, by "
            f"{words.percent_more(least)} or more beside the canary: {why}"
        )
        return
    for setting, shift in suspect.items():
        yield (
            f"suspect: {words.percent(shift.share, 0)} of {shift.cases} rivals of {setting.label} "
            f"moved together, by {words.percent_more(shift.value)} beside the canary"
        )


def _answer(compared: TwoRuns) -> str:
    """Write how many cases and settings are suspect."""
    suspects, settings = compared.suspects, compared.suspect_settings
    parts = [counted(len(suspects), "suspect")] if suspects else []
    parts += [f"{counted(len(settings), 'setting')} as a whole"] if settings else []
    among = f"among {counted(len(compared.cases), 'case')}"
    return f"{' and '.join(parts) or 'No suspects'} {among}{_detectable(compared)}."


def _detectable(compared: TwoRuns) -> str:
    """Write what would have been suspect, or that nothing could; '' where something is."""
    if not compared.cases:
        return ""
    if math.isnan(compared.usually_visible):
        return f"; too few launches to see any slow-down ({MIN_LAUNCHES} of each run are needed)"
    if compared.any_suspect:
        return ""
    visible = words.percent_more(compared.usually_visible)
    return f"; the median case would be one if it were {visible} slower"


def _what_it_is_worth(compared: TwoRuns) -> str:
    if not compared.any_suspect:
        return ""
    return "Two runs made at different times can show a suspect, not prove a slow-down."


def _to_decide(compared: TwoRuns, rows: int) -> Iterator[Block]:
    """Yield the command that decides about each suspect, for up to `rows` of them."""
    to_race = [(case.setting, case.strategy) for case in compared.suspects]
    to_race += [(setting, "") for setting in compared.suspect_settings]
    if not to_race:
        return
    commands = tuple(
        _deciding_command(setting, compared.against, strategy)
        for setting, strategy in to_race[:rows]
    )
    yield Block(sentences=(f"{_how_to_decide(compared)}:",), commands=commands)
    if len(to_race) > rows:
        yield Block(sentences=(f"and {len(to_race) - rows} more; --all shows them",))
    if compared.packages_drifted:
        told = (
            "versions or flags drifted, too, and both sides of a revision run on the same; "
            "what races another interpreter is: timelift bench --against PYTHON"
        )
        yield Block(sentences=(told,))


def _how_to_decide(compared: TwoRuns) -> str:
    new = commit_in(compared.new)
    if compared.same_code:
        return f"both measured commit {new}, so it was not the code; measure again with"
    if not compared.against:
        return "the old run has no commit to race against; measure again with"
    place = f", with {new} checked out," if new else ""
    return f"what decides{place} is"


def _deciding_command(setting: Setting, against: str, strategy: str = "") -> str:
    """Return the command that races a case or setting against a revision; '' measures it again."""
    options = [("--strategies", strategy)] if strategy else []
    options += words.axis_options(setting)
    if against:
        options.insert(0, ("--against", against))
        if not setting.threads:  # against another side the default is one thread
            options.append((AXES["threads"].flag, "default"))
    return words.bench_command(options)


# Two runs and many -------------------------------------------------------------------------------

#: Red fails a build; a suspect is to be measured again.
_STYLES: Mapping[str, str] = {
    ChangeState.SUSPECT: "yellow",
    ChangeState.SLOWER: "red",
    ChangeState.CREPT: "red",
    ChangeState.TOGETHER: "red",
    ChangeState.FASTER: "green",
}
#: The name of each fact, and how a value of it is written.
FACT_WORDS: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "weights": ("weights", "{:,.0f}".format),
    "graph_nodes": ("graph nodes", "{:,.0f}".format),
    "traces": ("traces", "{:,.0f}".format),
    "first_call_seconds": ("first call", lambda seconds: f"{words.three_figures(seconds)} s"),
    "peak_bytes": ("peak memory", words.human_bytes),
}
#: The most differences that are named, and the most characters of a name or value.
_NAMED, _QUOTE = 8, 60


def state_column() -> Column:
    return Column("now", value=attrgetter("state"), style=lambda row: _STYLES.get(row.state, ""))


def change_columns(drop_order: int) -> tuple[Column, Column]:
    """Return the columns of a change and of its interval, which is left out sooner."""
    value = attrgetter("change")
    return (
        Column("change", None, value, lambda change: words.percent_more(change.value), right=True),
        Column("95 % interval", None, value, _interval, drop_order=drop_order, right=True),
    )


def _interval(change: Interval) -> str:
    return words.percent_interval(change) if change.is_known else ""


def fact_in_words(change: FactChange) -> str:
    name, write = FACT_WORDS[change.name]
    return f"{name} {write(change.old)} → {write(change.new)}"


def differences_in_words(
    differences: Sequence[Difference], missing: str = "unknown", most: int = _NAMED
) -> str:
    """Write differences of two runs as `keras 3.14 → 3.15`, the first `most` by name."""

    def quoted(value: object) -> str:
        return missing if value is None else plain(value, _QUOTE)

    named = [
        f"{quoted(difference.name)} {quoted(difference.old)} → {quoted(difference.new)}"
        for difference in differences
    ]
    return first_few(named, most)
