"""Try the gate on suites whose truth is known: `python -m studies.gate --suites 100`.

Every suite is a project of two commits. Without `--regressions` they differ in a comment, so that
whatever is called slower is a false alarm; with it every strategy but one has a regression, exact
or of the kind that people make, and the one without must not be blamed. Nothing else should run on
the machine meanwhile. `--journals` keeps the suites' journals.
"""

import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from studies import parser
from studies.projects import PLANTED, SLIPS, comment_on, lay_out, slip_into
from studies.scoreboard import OF, Column, Row, Scoreboard
from timelift.analyse.gate.outcomes import CaseOutcome, GateReferee, of_run, outcomes
from timelift.analyse.runs import results
from timelift.analyse.selftest.score import Share
from timelift.analyse.stats.verdicts import Verdict
from timelift.case import Case
from timelift.errors import UserError
from timelift.escape import plain
from timelift.measure.options import OPTIONS
from timelift.measure.progress import CampaignEvent
from timelift.measure.session import Session

REGRESSIONS = (*PLANTED, *SLIPS)
#: What a suite measures: five strategies in four settings, or eight in two.
IDENTICAL = {
    "strategies": "native,fold_time,conv1d_pointwise,einsum_ellipsis,vectorized_map",
    "workloads": "tokens",
    "seq_lens": "8",
    "batch_sizes": "8,32",
}
REGRESSED = IDENTICAL | {
    "strategies": IDENTICAL["strategies"] + ",einsum_letters,loop_unstack,mask_and_pad",
    "batch_sizes": "16",
}
QUICK = IDENTICAL | {"strategies": "native,fold_time", "batch_sizes": "8"}
NOTHING = "nothing"
#: The share of identical cases that may fail.
ALLOWED = 0.05
BOARD = Scoreboard(
    (
        Column("what was done", width=16),
        Column("cases", ",", width=6),
        Column("failed", OF, width=10, most=ALLOWED),
        Column("at most", ".2%"),
        Column("faster", ",", width=6),
        Column("undecided", ","),
        Column("same", ",", width=6),
        Column("slower", ",", width=6),
        Column("nodes differ", ","),
    ),
    """
failed        cases that the gate failed; at most: the exact 95 % bound on their share
faster ...    verdicts on the time; nodes differ: cases whose graph has another number of nodes
""",
    judged=lambda row: row[0] == NOTHING,
)
#: What every suite asks, as `pytest bench/test_forward.py bench/test_backward.py` does.
QUESTIONS = ({"phases": "forward", "modes": "graph"}, {"phases": "backward", "modes": "graph"})
_GIT = ("git", "-c", "user.name=trial", "-c", "user.email=trial@localhost")


@dataclass(frozen=True)
class Suite:
    """What became of a suite: each case's outcome, and what was done to its strategy."""

    outcomes: tuple[CaseOutcome, ...]
    done_to: Mapping[str, str]
    seconds: float

    def word(self, case: Case) -> str:
        """What was done to the strategy of a case; nothing where it is untouched."""
        return self.done_to.get(case.strategy, "")

    @property
    def untouched(self) -> list[CaseOutcome]:
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

    def show(self, event: CampaignEvent) -> None:
        """Drop an event."""


def project(folder: Path, asked: Mapping[str, str], done_to: Mapping[str, str]) -> None:
    """Write the project: a commit as it is here, and one with a comment or a slip in every file."""
    lay_out(folder, ("strategies", "workloads"))
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


def race(folder: Path, asked: Mapping[str, str], done_to: Mapping[str, str]) -> Suite:
    """Race the project's last commit against the one before, with what was planted."""
    started = time.monotonic()
    every = {option.name: asked.get(option.name, "") for option in OPTIONS}
    session = Session(folder, {**every, "against": "HEAD~1"})
    assert session.gate is not None
    cases = [case for question in QUESTIONS for case in session.cases(question)]
    session.gate.match(cases)
    for name, word in done_to.items():
        if word in PLANTED:
            session.catalogue.plants[name] = PLANTED[word]
    referee = GateReferee(
        session.gate.matched.sides, session.gate.gates, session.gate.screening, thorough=False
    )
    session.measure(cases, Silent(), referee, 0)
    assert session.journal_path is not None
    found = results.load(session.journal_path)
    against = of_run(found)
    assert against is not None
    return Suite(tuple(outcomes(found, against)), done_to, time.monotonic() - started)


def main(words: Sequence[str] | None = None) -> int:
    """Run suites and print what became of each, and of all; 1 where identical code failed."""
    options = parser("gate", __doc__)
    options.add_argument("--suites", type=int, default=10, metavar="N", help="default: 10")
    options.add_argument("--regressions", action="store_true")
    options.add_argument("--journals", type=Path, metavar="FOLDER")
    asked = options.parse_args(words)
    axes = QUICK if asked.quick else REGRESSED if asked.regressions else IDENTICAL
    suites: list[Suite] = []
    try:
        for number in range(1, 1 + (1 if asked.quick else asked.suites)):
            done_to = dealt(number, axes["strategies"].split(",")) if asked.regressions else {}
            suites.append(_suite(axes, asked.journals, done_to))
            _say(f"suite {number}: {in_words(suites[-1])}")
    except KeyboardInterrupt:
        _say("interrupted; what there is:")
    except UserError as error:
        sys.stderr.write(f"studies.gate: {plain(error)}\n")
        return 1
    return tell(suites)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _suite(axes: Mapping[str, str], journals: Path | None, done_to: Mapping[str, str]) -> Suite:
    kept = {"results": str(journals.resolve())} if journals else {}
    with tempfile.TemporaryDirectory(prefix="timelift-trial-") as folder:
        project(Path(folder), axes, done_to)
        return race(Path(folder), {**axes, **kept}, done_to)


def dealt(number: int, strategies: Sequence[str]) -> dict[str, str]:
    """Deal the regressions out, each to another strategy in every suite; one has none."""
    lot = random.Random(number).sample(list(strategies), len(strategies))
    return dict(zip(lot, REGRESSIONS, strict=False))


def in_words(one: Suite) -> str:
    """Sum up a suite in a line."""
    suspects = sum(found.suspected for out in one.outcomes for found in out.findings.values())
    failed = sum(out.fails("pass") for out in one.outcomes)
    alarms = ", ".join(case.label for case in one.false_alarms)
    text = f"{len(one.outcomes)} cases, {suspects} suspected, {failed} failed, {one.seconds:.0f} s"
    return f"{text}; FALSE ALARM: {alarms}" if alarms else text


def tell(suites: Sequence[Suite]) -> int:
    """Print what became of all suites together; 1 where too much identical code failed."""
    if not suites:
        return 0
    wrong = BOARD.show(list(rows(suites)))
    reds = Share(sum(bool(one.false_alarms) for one in suites), len(suites))
    times = sorted(one.seconds for one in suites)
    _say(f"suites with a false alarm: {reds.hits} of {reds.tries} (at most {reds.at_most:.1%})")
    _say(f"seconds a suite: {times[len(times) // 2]:.0f} in the median, {times[-1]:.0f} at most")
    return wrong


def rows(suites: Sequence[Suite]) -> Iterator[Row]:
    """Write a row for what nothing was done to, and one for each regression that was dealt."""
    every = [(one.word(out.case) or NOTHING, out) for one in suites for out in one.outcomes]
    for word in (NOTHING, *REGRESSIONS):
        mine = [out for done, out in every if done == word]
        if mine:
            yield _row(word, mine)


def _row(word: str, mine: Sequence[CaseOutcome]) -> Row:
    failed = Share(sum(out.fails("pass") for out in mine), len(mine))
    verdicts = Counter(out.time.verdict for out in mine)
    order = (Verdict.FASTER, Verdict.UNDECIDED, Verdict.SAME, Verdict.SLOWER)
    nodes = sum(change.name == "graph_nodes" for out in mine for change in out.facts)
    return word, len(mine), failed, failed.at_most, *(verdicts[one] for one in order), nodes


if __name__ == "__main__":
    sys.exit(main())
