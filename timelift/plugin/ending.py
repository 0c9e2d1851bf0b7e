"""What a run that measured shows at its end, in pytest's terminal: its answer, and its page."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from timelift import selftest
from timelift.analyse.findings import RunFindings
from timelift.analyse.results import Run
from timelift.commands.additions import additions, findings_with_additions
from timelift.errors import UserError
from timelift.gate import gate_words
from timelift.gate.outcomes import gate_findings
from timelift.gate.sides import SidesRace
from timelift.journal.files import is_latest
from timelift.journal.lines import Header
from timelift.measure.request import RunRequest
from timelift.measure.session import Session
from timelift.plugin import PREFIX
from timelift.present import terminal, usage
from timelift.present.summary import Additions, Pointers, Summary, summary
from timelift.project import Project

if TYPE_CHECKING:
    import pytest


def show(reporter: "pytest.TerminalReporter", session: Session) -> None:
    """Show the end of a run; with `--report`, write its page after it."""
    reporter.section("timelift")
    run, path = Run.of_lines(session.header, session.lines, session.end), session.journal_path
    results = session.request.results_folder
    folder = results / "report" if reporter.config.getoption(f"{PREFIX}report") else None
    try:
        if isinstance(session.race, SidesRace | selftest.TwinsRace):
            _show_copies(reporter, session, run)
            found = findings_with_additions(run, path, results) if path and folder else None
        else:
            assert path
            found = _show_answer(reporter, session.request, run, path, folder)
        if found and folder:
            _write_page(*found, folder, session.request.project)
    except UserError as error:
        reporter.write_line(f"timelift: {error}")


# Runs of copies ----------------------------------------------------------------------------------


def _show_copies(reporter: "pytest.TerminalReporter", session: Session, run: Run) -> None:
    """Show the end of a run against another side, or of a self-test, which is stored."""
    width = reporter._tw.fullwidth  # noqa: SLF001 - what pytest itself writes with
    try:
        for line in _lines_of_copies(session, run, width):
            reporter.write_line(line)
    except UserError as error:
        reporter.write_line(f"timelift: {error}")


def _lines_of_copies(session: Session, run: Run, width: int) -> Iterator[str]:
    race, path = session.race, session.journal_path
    if not isinstance(race, SidesRace):
        assert path
        yield from selftest.end_of_selftest(run, path.parent)
        return
    if path is None:
        run = Run(Header(against=race.header_entry()), (), complete=True)
        if not race.sides:
            yield (
                f"nothing was measured: no case has another side in {race.other_side.label} that "
                "differs (-rs tells why)"
            )
    yield from terminal.section_lines(gate_words.section(gate_findings(run)), width)
    if path:
        yield f"{_as_typed(path)}; read it with: timelift report {_as_typed(path)}"


# Usual runs --------------------------------------------------------------------------------------


def _show_answer(
    reporter: "pytest.TerminalReporter",
    request: RunRequest,
    run: Run,
    path: Path,
    folder: Path | None,
) -> tuple[RunFindings, Additions] | None:
    """Show the end of a usual run, and return what was found; None where no report can have it.

    A page is going to be in `folder`. Of a run without a report nothing is told of its machine.
    """
    try:
        found, added = findings_with_additions(run, path, request.results_folder)
    except UserError as error:
        reporter.write_line(f"timelift: {error}")
        run = replace(run, header=Header(strategies=run.header.strategies), ended="")
        trust = additions(run, request.results_folder).trust
        _print(reporter, summary(RunFindings(run), None, trust))
        return None
    page = folder and folder / "index.html"
    pointers = _pointers(path, request.project.root, page) if path.exists() else None
    _print(reporter, summary(found, pointers, added.trust))
    return found, added


def _pointers(path: Path, root: Path, page: Path | None) -> Pointers:
    """Return how to name a run of the project at `root`, and where its page is."""
    run = "" if is_latest(path, root / "results") else str(_as_typed(path))
    return Pointers(page and _as_typed(page), run)


def _as_typed(path: Path) -> Path:
    """Return a path as a user would type it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _print(reporter: "pytest.TerminalReporter", end: Summary) -> None:
    """Print the end of a run as wide and as coloured as pytest prints."""
    writer = reporter._tw  # noqa: SLF001 - what pytest itself writes with
    text = terminal.summary_text(end, writer.fullwidth, colour=writer.hasmarkup)
    for line in text.splitlines():
        writer.line(line)


def _write_page(found: RunFindings, added: Additions, folder: Path, project: Project) -> None:
    """Write the page of a run, after its answer was shown."""
    from timelift.present.page import write_report  # noqa: PLC0415 - figures take a second

    write_report(found, folder, added, usage.code_of_run(found.run, project))
