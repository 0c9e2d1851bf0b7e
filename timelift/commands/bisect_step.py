"""A step of `timelift bisect`: the commit that is checked out in a folder, judged by the gate."""

import io
import json
import sys
from contextlib import chdir
from pathlib import Path

from timelift.analyse.results import Run
from timelift.case import Case
from timelift.commands import EXIT_INTERRUPTED, write_lines
from timelift.commands.bench import with_pythonpath
from timelift.commands.bisect import PASSED, SLOWER, UNKNOWN, WORDS
from timelift.errors import UserError
from timelift.gate import gate_words
from timelift.gate.outcomes import gate_findings
from timelift.gate.sides import SidesRace
from timelift.journal.lines import Quantity
from timelift.measure.display import CampaignDisplay
from timelift.measure.request import Question, RunRequest
from timelift.measure.session import Session
from timelift.project import Project, git


def step(folder: str, asked: str) -> int:
    """Race the commit in a folder, print its verdict, and return the exit code for git.

    An error is unknown, since git would take Python's exit code 1 for slower.
    """
    existing = next(path for path in (Path(folder), *Path(folder).parents) if path.is_dir())
    code, reason = UNKNOWN, f"it has no folder {Path(folder).name}"
    if existing == Path(folder):
        try:
            with chdir(folder):
                code, reason = _race(Path(folder), json.loads(asked))
        except UserError as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - no error is a verdict
            reason = f"{type(error).__name__}: {error}"
    commit = git(existing, "log", "-1", "--format=%h %s")
    write_lines([f"{WORDS[code]} {commit}: {' '.join(reason.split())}"])
    return code


def _race(folder: Path, texts: dict[str, str]) -> tuple[int, str]:
    """Return the exit code for the commit in a folder, and the reason."""
    request = RunRequest(with_pythonpath(Project.around(folder)), texts)
    (case,) = request.cases(Question({"time_axes": ""}))
    race = SidesRace(request)
    session = Session(race)
    session.measure([case], CampaignDisplay(io.StringIO()))
    if session.interrupted:
        raise KeyboardInterrupt
    if why := session.why_not(case):
        is_same = case.strategy in race.unchanged and why == race.why_not(case)
        return PASSED if is_same else UNKNOWN, why
    return verdict(Run.of_lines(session.header, session.lines, session.end), case)


def verdict(run: Run, case: Case) -> tuple[int, str]:
    """Return the exit code for a case of a run against another side, and the reason."""
    gate = gate_findings(run)
    outcome = next((one for one in gate.outcomes if one.case == case), None)
    if outcome is None:
        ended = run.by_case[case]
        return UNKNOWN, f"{ended.status}: {ended.reason}"
    told = gate_words.failures(gate) | gate_words.not_compared(gate)
    if Quantity.TIME in outcome.worse and not gate.is_provisional:
        return SLOWER, told[case]
    return (UNKNOWN, told[case]) if case in told else (PASSED, "the gate passes it")


if __name__ == "__main__":
    try:
        sys.exit(step(*sys.argv[1:]))
    except KeyboardInterrupt:  # git stops at a code above 127
        sys.exit(EXIT_INTERRUPTED)
