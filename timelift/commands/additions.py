"""What was found in a run and what features add to it, at whichever door it is shown."""

from pathlib import Path

from timelift import selftest
from timelift.analyse.findings import RunFindings, find_out
from timelift.analyse.results import Run, refuse_empty
from timelift.gate import gate_words
from timelift.gate.outcomes import gate_findings
from timelift.present.summary import Additions, Section


def find_all(
    run: Run, path: Path, results: Path, relative_to: str = ""
) -> tuple[RunFindings, Additions]:
    """Return what was found in the run of the file at `path`, and what features add.

    `results` has the folders of all machines. Raises UserError where nothing was measured, where
    it is too much to show, or where `relative_to` was not measured.
    """
    refuse_empty(run, path)
    return find_out(run, relative_to), additions(run, results)


def additions(run: Run, results: Path) -> Additions:
    """Return how far to trust the machine of a run, and what copies were raced for."""
    trust = selftest.trust_in_words(run, selftest.machine_trust(results, run))
    return Additions(*trust, section(run))


def section(run: Run) -> Section | None:
    """Return what was found against another side, or in a self-test; None of a usual run."""
    if run.header.against:
        return gate_words.section(gate_findings(run))
    return selftest.section(run) if run.header.races_copies else None
