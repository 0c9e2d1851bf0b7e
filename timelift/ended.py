"""The end of a run: its journal is read and judged; a self-test's findings are kept."""

from collections.abc import Iterator
from pathlib import Path

from timelift.analyse.findings import RunFindings
from timelift.analyse.gate.outcomes import gate_findings
from timelift.analyse.runs import results
from timelift.analyse.runs.measurement import Run
from timelift.analyse.selftest import trust_file
from timelift.analyse.selftest.trust_file import Trust
from timelift.case import Case
from timelift.errors import writing
from timelift.journal import replace_text
from timelift.present import ending, gate_words


def lines(path: Path) -> Iterator[str]:
    yield from ending.end_lines(RunFindings(results.load(path)), path)


def without_journal(run: Run) -> Iterator[str]:
    yield from ending.answers(RunFindings(run))


def gate_lines(path: Path) -> Iterator[str]:
    found = gate_findings(results.load(path))
    yield from gate_words.gate_lines(found) if found else ()
    yield ending.how_to_read(path)


def failures(path: Path) -> dict[Case, str]:
    """Read a run against another side; return each case that fails with the reason."""
    found = gate_findings(results.load(path))
    if found is None:
        return {}
    return {one.case: gate_words.failure(one, found.against) for one in found.failed}


def selftest_lines(path: Path) -> Iterator[str]:
    """Judge a self-test that has ended, keep its findings for reports, and yield lines."""
    found = trust_file.trust_from_run(results.load(path))
    before = trust_file.load_trust(path.parent / trust_file.FILE)
    kept = before if found and trust_file.rests_on_more(before, found) else None
    if found and not kept:
        save(found, path.parent)
    yield from ending.selftest(found, kept, path)


def save(found: Trust, folder: Path) -> Path:
    """Write the findings into a self-test's folder whole; raises UserError on failure."""
    path = folder / trust_file.FILE
    with writing(path, "make the folder writable"):
        replace_text(path, trust_file.trust_as_json(found))
    return path
