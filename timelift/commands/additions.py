"""What features add to a run, at whichever door it is shown."""

from pathlib import Path

from timelift import selftest
from timelift.analyse.results import Run
from timelift.gate import gate_words
from timelift.gate.outcomes import gate_findings
from timelift.present.summary import Additions, Section


def additions(run: Run, results: Path) -> Additions:
    """Return how far to trust the machine of a run, and what copies were raced for.

    `results` has the folders of all machines.
    """
    trust = selftest.trust_in_words(run, selftest.machine_trust(results, run))
    return Additions(*trust, section(run))


def section(run: Run) -> Section | None:
    """Return what was found against another side, or in a self-test; None of a usual run."""
    if run.header.against:
        return gate_words.section(gate_findings(run))
    return selftest.section(run) if run.header.races_copies else None
