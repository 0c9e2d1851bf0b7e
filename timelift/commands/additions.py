"""The findings of a run and what features add to them, for every door that shows a run."""

from dataclasses import replace
from pathlib import Path

from timelift.analyse.findings import RunFindings, find_out
from timelift.analyse.merging import merge_runs
from timelift.analyse.results import Run, load_usual, refuse_empty
from timelift.errors import UserError
from timelift.gate import gate_words
from timelift.gate.outcomes import GateFindings, gate_findings
from timelift.journal.files import NamedRuns
from timelift.present import conditions
from timelift.present.document import Block, Document
from timelift.present.summary import Additions
from timelift.selftest import trust


def findings_with_additions(
    run: Run, path: Path, results: Path, relative_to: str = "", gate: GateFindings | None = None
) -> tuple[RunFindings, Additions]:
    """Return the findings of a run, and what features add; UserError where nothing can be shown.

    `gate` are the findings of a gate that was judged already.
    """
    refuse_empty(run, path)
    return find_out(run, relative_to), additions(run, results, gate)


def usual_run(runs: NamedRuns) -> Run:
    """Return a usual run, or several put together."""
    loaded = [load_usual(path, or_failed=True) for _, path in runs]
    for run, (_, path) in zip(loaded, runs, strict=True):
        if run.header.races_whole_model:
            raise UserError(
                f"expected a run of strategies, received {str(path)!r}, of a model; name another"
            )
    return merge_runs([word for word, _ in runs], loaded) if len(runs) > 1 else loaded[0]


def additions(run: Run, results: Path, gate: GateFindings | None = None) -> Additions:
    """Return how far to trust the machine of a run, and the verdicts of a run of copies."""
    in_line_and_full = trust.trust_in_words(run, trust.machine_trust(results, run))
    return Additions(*in_line_and_full, verdicts_on_copies(run, gate))


def verdicts_on_copies(run: Run, gate: GateFindings | None = None) -> Document | None:
    """Return the result of an --against run or a self-test; None for a usual run."""
    if not run.header.races_copies:
        return None
    if run.header.against is None:
        shown = trust.document(run)
    else:
        verdicts = gate_words.document(gate or gate_findings(run))
        shown = replace(verdicts, state=conditions.state(run))
    disturbed = conditions.neighbours(run)
    return shown.plus(Block(name="also", sentences=(disturbed,))) if disturbed else shown
