"""The end of a run: its journal is read and judged; a self-test's findings are kept."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from timelift import selftest
from timelift.analyse import results
from timelift.analyse.findings import RunFindings, find_out
from timelift.case import Case
from timelift.errors import UserError, writing
from timelift.gate.outcomes import GateFindings, gate_findings
from timelift.journal.files import find_run, replace_text
from timelift.present import conditions, copies, terminal
from timelift.present.summary import Pointers, Summary, pages, summary
from timelift.selftest import Trust

if TYPE_CHECKING:
    from rich.console import Console

#: Lines below what a gate found: which run it is, and where its page is.
_BELOW = 4


def find(path: Path, results_folder: Path, relative_to: str = "") -> RunFindings:
    """Read a run and return what is found in it; raises UserError where that cannot be."""
    run = results.load_measured(path, or_failed=True)
    return find_out(run, selftest.machine_trust(results_folder, run), relative_to)


def end(found: RunFindings, path: Path, root: Path, page: Path | None) -> Summary:
    """Return the end of a run that has just been measured in the project at `root`."""
    run = "" if is_latest(path, root / "results") else str(relative_path(path))
    return summary(found, Pointers(page and relative_path(page), run))


def show(found: RunFindings, console: "Console", pointers: Pointers) -> None:
    """Print the end of a run; where copies were raced, what they were measured for."""
    if found.run.header.races_copies:
        for line in terminal.screenful(_copies(found), console.width, _BELOW):
            console.print(Text(line), soft_wrap=True)
        terminal.show_notes(pages(pointers), console)
    else:
        terminal.show_summary(summary(found, pointers), console)


def _copies(found: RunFindings) -> Iterator[Iterable[str]]:
    """Yield what a run of copies found, and shorter versions of it."""
    if found.gate:
        yield from _gate(found.gate)
    else:
        yield copies.findings(found)


def gate_screenful(found: GateFindings, width: int) -> list[str]:
    """Return the lines of what a gate found in a terminal so wide, with room for those below."""
    return terminal.screenful(_gate(found), width, _BELOW)


def _gate(found: GateFindings) -> Iterator[Iterable[str]]:
    """Yield what a gate found, and shorter versions of it."""
    for most in range(copies.NAMED, -1, -1):
        yield copies.gate_lines(found, most)


def is_latest(path: Path, results_folder: Path) -> bool:
    """True if `timelift report` reads the run where none is named."""
    try:
        return find_run(results_folder, "latest").samefile(path)
    except (UserError, OSError):
        return False


def gate_lines(path: Path, width: int = terminal.SUMMARY_WIDTH) -> Iterator[str]:
    """Read a run against another side, and yield the lines of a terminal so wide."""
    found = gate_findings(results.load(path))
    yield from gate_screenful(found, width) if found else ()
    yield f"{relative_path(path)}; read it with: timelift report {relative_path(path)}"


def failures(path: Path) -> dict[Case, str]:
    """Read a run against another side; return each case that fails with the reason."""
    found = gate_findings(results.load(path))
    if found is None:
        return {}
    told = {one.case: copies.failure(one, found.against) for one in found.failed}
    told |= {one.new.case: copies.limit_in_words(one, found.against) for one in found.hit_limit}
    return told


def selftest_lines(path: Path) -> Iterator[str]:
    """Judge a self-test, keep its findings for reports if it is over, and yield lines."""
    run = results.load(path)
    found = selftest.trust_from_run(run)
    before = selftest.load_trust(path.parent / selftest.FILE)
    kept = before if found and selftest.rests_on_more(before, found) else None
    yield from copies.selftest_findings(found, conditions.state(run))
    if found and not kept and not run.is_provisional:
        save(found, path.parent)
    yield from copies.selftest_stored(found, kept, run)


def save(found: Trust, folder: Path) -> Path:
    """Write the findings into a self-test's folder whole; raises UserError on failure."""
    path = folder / selftest.FILE
    with writing(path, "make the folder writable"):
        replace_text(path, selftest.trust_as_json(found))
    return path


def relative_path(path: Path) -> Path:
    """Return a path as a user would type it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
