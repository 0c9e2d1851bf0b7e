"""The end of a run in pytest's terminal: its answer, or the verdicts on its copies; its page."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from timelift.analyse.findings import RunFindings
from timelift.analyse.results import Run
from timelift.axis_values import Backend, Mode, Phase, Runtime, TimeAxis
from timelift.commands import PREFIX
from timelift.commands.additions import findings_with_additions, verdicts_on_copies
from timelift.errors import UserError
from timelift.gate import gate_words
from timelift.gate.outcomes import GateFindings
from timelift.gate.sides import SidesRace
from timelift.journal.files import is_latest
from timelift.measure.request import RunRequest
from timelift.measure.session import Session
from timelift.present import usage
from timelift.present.document import Block, Document, Line
from timelift.present.summary import Additions, summary, what_next
from timelift.present.terminal import to_text
from timelift.selftest.trust import end_of_selftest
from timelift.selftest.twins import TwinsRace

if TYPE_CHECKING:
    import pytest

#: Options of which none is typed for the default question.
_MAKE_ANOTHER_QUESTION = ("workloads", "layer", "strategies", "phases", "modes", "time_axes")


def show_end(
    reporter: "pytest.TerminalReporter", session: Session, gate: GateFindings | None
) -> None:
    """Show the end of a run, and of the `gate` that judged it; with `--report`, write its page."""
    reporter.section("timelift")
    run, path = Run.of_lines(session.header, session.lines, session.end), session.journal_path
    results = session.request.results_folder
    folder = results / "report" if reporter.config.getoption(f"{PREFIX}report") else None
    try:
        if not path:
            _write(_nothing_compared(session), reporter)
            return
        page = folder and _as_typed(folder / "index.html")
        if run.header.races_copies:  # which have verdicts, however many or few were measured
            _write(_end_of_copies(session, run, gate, path, page), reporter)
            if not folder:
                return
        findings, added = findings_with_additions(run, path, results, gate=gate)
        if not run.header.races_copies:
            _write(_end(session, findings, added, path, page), reporter)
        if folder and (run.measured or run.header.races_copies):
            from timelift.present.page import write_report  # noqa: PLC0415 - figures take a second

            code = usage.code_of_run(run, session.request.project)
            write_report(findings, folder, added, code, results)
    except UserError as error:
        _write(Document(blocks=(Block(sentences=(f"timelift: {error}",)),)), reporter)


def show_nothing(reporter: "pytest.TerminalReporter", reasons: Iterable[str]) -> None:
    """Show why nothing was measured."""
    reporter.section("timelift")
    told = f"nothing was measured: {'; '.join(dict.fromkeys(reasons))}"
    _write(Document(blocks=(Block(sentences=(told,)),)), reporter)


def _write(document: Document, reporter: "pytest.TerminalReporter") -> None:
    """Write a document in the width of the terminal."""
    writer = reporter._tw  # noqa: SLF001 - what pytest itself writes with
    for line in to_text(document, writer.fullwidth, colour=writer.hasmarkup).splitlines():
        writer.line(line)


def _nothing_compared(session: Session) -> Document:
    race = session.race
    assert isinstance(race, SidesRace)
    untried = {case: why for case, why in session.not_tried.items() if case in race.sides}
    return gate_words.nothing_compared(race.header_entry(), {**race.reasons, **untried}.values())


def _end_of_copies(
    session: Session, run: Run, gate: GateFindings | None, path: Path, page: Path | None
) -> Document:
    """Return the verdicts on copies; the result of a self-test is stored."""
    if isinstance(session.race, TwinsRace):
        return end_of_selftest(run, path.parent)
    document = verdicts_on_copies(run, gate)
    assert document
    return document.plus(what_next(RunFindings(run), page, [str(_as_typed(path))]))


def _end(
    session: Session, findings: RunFindings, added: Additions, path: Path, page: Path | None
) -> Document:
    """Return the end of a usual run, whose `page` is written below."""
    run, request = findings.run, session.request
    names = [] if is_latest(path, request.project.results) else [str(_as_typed(path))]
    is_stored = path.exists() and bool(run.measured)
    document = summary(findings, added, names, is_stored=is_stored)
    if not is_stored:
        return document
    not_asked = _not_asked(request, run)
    missing = [Block(lines=(Line("not asked", not_asked),))] if not_asked else []
    return document.plus(*missing, what_next(findings, page, names))


def _not_asked(request: RunRequest, run: Run) -> str:
    """Write what the default question leaves out, and its options; '' for another question."""
    if any(request.texts[name] for name in _MAKE_ANOTHER_QUESTION):
        return ""
    settings = {case.setting for case in run.by_case}
    if {setting.phase for setting in settings} != {Phase.FORWARD, Phase.BACKWARD}:
        return ""
    workloads = request.catalogue.workloads.keys() - {setting.workload for setting in settings}
    strategies = request.catalogue.strategies.keys() - {case.strategy for case in run.by_case}
    varying = {axis for axis in TimeAxis if axis.varies} - {each.time_axis for each in settings}
    missing = set() if Backend.TENSORFLOW in request.catalogue.backends else {Mode.XLA}
    modes = sorted({*Mode} - {setting.mode for setting in settings} - missing)
    parts = {
        f"--workloads all ({len(workloads)} more)": workloads,
        f"--strategies all ({len(strategies)} more)": strategies,
        "--phases train,serve": True,
        f"--modes {','.join(modes)}": modes,
        f"--time-axes {','.join(sorted(varying))}": varying,
        f"--runtimes {','.join([*Runtime][1:])}": True,
    }
    return " · ".join(filter(parts.get, parts))


def _as_typed(path: Path) -> Path:
    """Return a path as a user would type it in the working directory."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
