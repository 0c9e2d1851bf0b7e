"""One suite: a project of two commits, the second raced against the first by the real gate."""

import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from studies.trials.project import lay_out
from studies.trials.regressions import PLANTED, SLIPS, comment_on, slip_into
from timelift.analyse.runs import results
from timelift.analyse.runs.against import of_run
from timelift.analyse.stats.gate_referee import GateReferee
from timelift.analyse.stats.outcomes import Outcome, outcomes
from timelift.case import Case
from timelift.measure.axes import OPTIONS
from timelift.measure.knobs import KNOBS
from timelift.measure.session import Session

#: What every suite asks, as `pytest bench/test_forward.py bench/test_backward.py` does.
QUESTIONS = ({"phases": "forward", "modes": "graph"}, {"phases": "backward", "modes": "graph"})
_GIT = ("git", "-c", "user.name=trial", "-c", "user.email=trial@localhost")


@dataclass(frozen=True)
class Suite:
    """What became of a suite: each case's outcome, and what was done to its strategy."""

    outcomes: tuple[Outcome, ...]
    done_to: Mapping[str, str]
    seconds: float

    def word(self, case: Case) -> str:
        """What was done to the strategy of a case; nothing where it is untouched."""
        return self.done_to.get(case.strategy, "")

    @property
    def untouched(self) -> list[Outcome]:
        """What became of the cases to which nothing was done."""
        return [one for one in self.outcomes if not self.word(one.case)]

    @property
    def false_alarms(self) -> list[Case]:
        """The cases to which nothing was done, and that failed the gate."""
        return [one.case for one in self.untouched if one.fails("pass")]


class Silent:
    """A display that shows nothing."""

    def say(self, text: str) -> None:
        """Drop a line."""

    def show(self, text: str, seconds_left: float, *, at_most: bool) -> None:
        """Drop what is going on."""


def project(home: Path, folder: Path, asked: Mapping[str, str], done_to: Mapping[str, str]) -> None:
    """Write the project: a commit as in `home`, and one with a comment or a slip in every file."""
    lay_out(home, folder, ("strategies", "workloads"))
    _git(folder, "init", "-q")
    _commit(folder)
    for name in asked["strategies"].split(","):
        path = folder / "strategies" / f"{name}.py"
        word = done_to.get(name, "")
        slip_into(path, word) if word in SLIPS else comment_on(path)
    _commit(folder)


def _commit(folder: Path) -> None:
    _git(folder, "add", "-A")
    _git(folder, "commit", "-qm", "a commit")


def _git(folder: Path, *words: str) -> None:
    subprocess.run([*_GIT, *words], cwd=folder, check=True, capture_output=True)


def run(folder: Path, asked: Mapping[str, str], done_to: Mapping[str, str]) -> Suite:
    """Race the project's last commit against the one before, with what was planted."""
    started = time.monotonic()
    every = {option.name: asked.get(option.name, "") for option in (*OPTIONS, *KNOBS)}
    session = Session(folder, {**every, "against": "HEAD~1"})
    assert session.gate is not None
    cases = [case for question in QUESTIONS for case in session.cases(question)]
    session.gate.pair(cases)
    for name, word in done_to.items():
        if word in PLANTED:
            session.catalogue.plants[name] = PLANTED[word]
    referee = GateReferee(
        session.gate.pairing.sides, session.gate.gates, session.gate.screening, thorough=False
    )
    session.measure(cases, Silent(), referee, 0)
    assert session.journal_path is not None
    found = results.load(session.journal_path)
    against = of_run(found)
    assert against is not None
    return Suite(tuple(outcomes(found, against)), done_to, time.monotonic() - started)
