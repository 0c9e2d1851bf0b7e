"""The end of a run in pytest's terminal: its answer, or the verdicts on its copies; its page."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from timelift.analyse.findings import RunFindings
from timelift.analyse.results import Run
from timelift.case import Backend, Mode, Phase, TimeAxis
from timelift.commands import PREFIX
from timelift.commands.additions import findings_with_additions, section
from timelift.errors import UserError
from timelift.gate import gate_words
from timelift.gate.outcomes import GateFindings
from timelift.gate.sides import SidesRace
from timelift.journal.files import is_latest
from timelift.measure.request import RunRequest
from timelift.measure.session import Session
from timelift.present import terminal, usage
from timelift.present.summary import Additions, Pointers, summary
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
        if isinstance(session.race, SidesRace | TwinsRace):
            for line in _lines_of_copies(session, run, gate, reporter._tw.fullwidth):  # noqa: SLF001 - what pytest itself writes with
                reporter.write_line(line)
            reported = None
            if path and folder:
                reported = findings_with_additions(run, path, results, gate=gate)
        else:
            assert path
            reported = _show_answer(reporter, session.request, run, path, folder)
        if reported and folder:
            from timelift.present.page import write_report  # noqa: PLC0415 - figures take a second

            findings, added = reported
            code = usage.code_of_run(findings.run, session.request.project)
            write_report(findings, folder, added, code, results)
    except UserError as error:
        reporter.write_line(f"timelift: {error}")


def _lines_of_copies(
    session: Session, run: Run, gate: GateFindings | None, width: int
) -> Iterator[str]:
    """Yield the end of a run against another side, or of a self-test, whose result is stored."""
    race, path = session.race, session.journal_path
    if not isinstance(race, SidesRace):
        assert path
        yield from end_of_selftest(run, path.parent)
        return
    if path:
        shown = section(run, gate)
    else:
        untried = {case: why for case, why in session.not_tried.items() if case in race.sides}
        reasons = {**race.reasons, **untried}.values()
        shown = gate_words.nothing_compared(race.header_entry(), reasons)
    if shown:
        yield from terminal.section_lines(shown, width)
    if path:
        yield f"page  timelift report {_as_typed(path)} --open"


def _show_answer(
    reporter: "pytest.TerminalReporter",
    request: RunRequest,
    run: Run,
    path: Path,
    folder: Path | None,
) -> tuple[RunFindings, Additions] | None:
    """Show the end of a usual run, whose page will be in `folder`, in the width of the terminal.

    Returns its findings and additions, None if it has no report.
    """
    findings, added = findings_with_additions(run, path, request.results_folder)
    pointers = None
    if path.exists() and run.measured:
        names = [] if is_latest(path, request.project.results) else [str(_as_typed(path))]
        page = folder and _as_typed(folder / "index.html")
        pointers = Pointers(page, names, _not_asked(request, run))
    writer = reporter._tw  # noqa: SLF001 - what pytest itself writes with
    answer = summary(findings, pointers, added.trust)
    text = terminal.summary_text(answer, writer.fullwidth, colour=writer.hasmarkup)
    for line in text.splitlines():
        writer.line(line)
    return (findings, added) if run.measured else None


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
        "--phases train": True,
        f"--modes {','.join(modes)}": modes,
        f"--time-axes {','.join(sorted(varying))}": varying,
    }
    return " · ".join(filter(parts.get, parts))


def _as_typed(path: Path) -> Path:
    """Return a path as a user would type it in the working directory."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
