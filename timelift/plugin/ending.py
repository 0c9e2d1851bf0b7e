"""What a run that measured shows at its end, in pytest's terminal: its answer, and its page."""

from pathlib import Path
from typing import TYPE_CHECKING

from timelift.analyse.findings import RunFindings
from timelift.analyse.results import Run
from timelift.errors import UserError
from timelift.gate.outcomes import GateFindings
from timelift.gate.sides import SidesRace
from timelift.journal.lines import RunEnd
from timelift.measure.session import Session
from timelift.measurement import merge
from timelift.plugin import PREFIX
from timelift.present import ended, terminal, usage
from timelift.present.summary import Summary, summary
from timelift.selftest import TwinsRace

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest


def show(reporter: "pytest.TerminalReporter", session: Session) -> None:
    """Show the end of a run; with `--report`, write its page after it."""
    wants_page = bool(reporter.config.getoption(f"{PREFIX}report"))
    reporter.section("timelift")
    found, copies = None, isinstance(session.race, SidesRace | TwinsRace)
    if copies:
        _show_copies(reporter, session)
    else:
        found = _show_answer(reporter, session, wants_page=wants_page)
    if session.journal_path and wants_page and (found or copies):
        _write_page(reporter, session, session.journal_path, found)


def _show_copies(reporter: "pytest.TerminalReporter", session: Session) -> None:
    """Show the end of a run against another side, or of a self-test."""
    path, race = session.journal_path, session.race
    width = reporter._tw.fullwidth  # noqa: SLF001 - what pytest itself writes with
    lines: Iterable[str] = ()
    try:
        if path is None and isinstance(race, SidesRace):
            if not race.sides:
                label = race.other_side.label
                reporter.write_line(
                    f"nothing was measured: no case has another side in {label} that differs "
                    "(-rs tells why)"
                )
            lines = ended.gate_screenful(GateFindings(race.header_entry(), []), width)
        elif path:
            sides = isinstance(race, SidesRace)
            lines = ended.gate_lines(path, width) if sides else ended.selftest_lines(path)
        for line in lines:
            reporter.write_line(line)
    except UserError as error:
        reporter.write_line(f"timelift: {error}")


def _show_answer(
    reporter: "pytest.TerminalReporter", session: Session, *, wants_page: bool
) -> RunFindings | None:
    """Show the end of a usual run, and return what was found; None where its journal is gone."""
    path = session.journal_path
    assert path
    page = session.request.results_folder / "report" / "index.html" if wants_page else None
    try:
        found = ended.find(path, session.request.results_folder)
        _print(reporter, ended.end(found, path, session.request.project.root, page))
    except UserError as error:
        reporter.write_line(f"timelift: {error}")
        end = session.campaign.exit_word if session.campaign else RunEnd.INTERRUPTED
        run = Run(
            session.strategies_header(),
            merge(session.lines),
            complete=end is RunEnd.COMPLETE,
            cut_short=end is RunEnd.CUT_SHORT,
        )
        _print(reporter, summary(RunFindings(run), None))
        return None
    return found


def _write_page(
    reporter: "pytest.TerminalReporter", session: Session, journal: Path, found: RunFindings | None
) -> None:
    """Write the page of a run, after its answer was shown."""
    from timelift.present.page import write_report  # noqa: PLC0415 - figures take a second

    try:
        found = found or ended.find(journal, session.request.results_folder)
        code = usage.code_of_run(found.run, session.request.project)
        write_report(found, session.request.results_folder / "report", code)
    except UserError as error:
        reporter.write_line(f"timelift: {error}")


def _print(reporter: "pytest.TerminalReporter", end: Summary) -> None:
    """Print the end of a run as wide and as coloured as pytest prints."""
    writer = reporter._tw  # noqa: SLF001 - what pytest itself writes with
    text = terminal.summary_text(end, writer.fullwidth, colour=writer.hasmarkup)
    for line in text.splitlines():
        writer.line(line)
