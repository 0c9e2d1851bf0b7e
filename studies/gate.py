"""Try the gate on suites whose truth is known: `python -m studies.gate --suites 100`.

Every suite is a project of two commits. By default they differ in a comment, so that whatever is
called slower is a false alarm. With `--regressions` every strategy but one has a regression, exact
or of the kind that people make, and the one without must not be blamed. With `--planted` six of
eight have an exact one, which needs no code of TensorFlow: `KERAS_BACKEND` chooses where. With
`--neutral` each is refactored without a cost. Nothing else should run on the machine meanwhile.
`--journals` keeps the suites' journals.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from studies import collect, parser, positive, program, write
from studies.scoreboard import OF, Column, Row, Scoreboard
from tests.support.projects import commit, lay_out
from timelift.analyse import results
from timelift.analyse.verdicts import Verdict
from timelift.case import Case
from timelift.gate.outcomes import CaseOutcome, gate_findings
from timelift.gate.sides import SidesRace
from timelift.measure.locks import Note
from timelift.measure.progress import StageBegun
from timelift.measure.request import Question, RunRequest
from timelift.measure.session import Session
from timelift.project import Project
from timelift.selftest.trust import Proportion

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
#: What every suite asks, as `timelift bench test_forward.py test_backward.py` does.
QUESTIONS = [Question({"phases": phase, "modes": "graph"}) for phase in ("forward", "backward")]


# Regressions -------------------------------------------------------------------------------------

#: Exact slow-downs by their word.
PLANTED = {f"+{share}%": share / 100 for share in (3, 5, 10)}
_WRAP = '''

import tensorflow as tf

_lift = build


class Slip(keras.layers.Layer):
    """What went wrong, behind the last layer."""

    def compute_output_shape(self, shape):
        return shape

    def call(self, x):
        {body}


def build(layer, shape, dtype=None):
    """Build the lift, and let the slip have its outputs."""
    model = _lift(layer, shape, dtype) if dtype else _lift(layer, shape)
    return keras.Model(model.inputs, Slip(dtype=model.outputs[0].dtype)(model.outputs[0]))
'''
_SLIPS = {
    "identity chain": "for _ in range(20): x = tf.identity(x)\n        return x",
    "float64 cast": "return tf.cast(1.0 * tf.cast(x, tf.float64), x.dtype)",
    "eager fall-back": (
        "return tf.ensure_shape(tf.py_function(lambda t: 1.0 * t, [x], x.dtype), x.shape)"
    ),
    "retrace per call": (
        # not called: with one thread what is called in a py_function waits for itself
        "traced = lambda t: tf.function(lambda u: 1.0 * u).get_concrete_function(t)\n        "
        "return tf.ensure_shape(tf.py_function("
        "lambda t: (traced(t), 1.0 * t)[1], [x], x.dtype), x.shape)"
    ),
}
#: Slips that people really make, by their word: code behind a strategy's model that keeps the law.
SLIPS = tuple(_SLIPS)
REGRESSIONS = (*PLANTED, *SLIPS)
_BRANCHES = ("more = x + 1.0", "less = x - 1.0")
_HALVES = "{}\n        {}\n        return 0.5 * (more + less)"
#: Refactors that cost nothing, by their word: the code before and after.
_REFACTORED = {
    "other names": (
        "return tf.abs(x) * tf.sign(x)",
        "with tf.name_scope('new'): return tf.multiply(tf.abs(x, 'size'), tf.sign(x, 'side'))",
    ),
    "an unused input": ("return 1.0 * x", "unused = tf.sin(x) + 1.0\n        return 1.0 * x"),
    "two identities": ("return 1.0 * x", "return tf.identity(1.0 * tf.identity(x))"),
    "branches reordered": (_HALVES.format(*_BRANCHES), _HALVES.format(*reversed(_BRANCHES))),
}
NEUTRAL = tuple(_REFACTORED)


def versions(text: str, word: str) -> tuple[str, str]:
    """Return a strategy's text before and after what the word says; exact slow-downs have none."""
    if word in NEUTRAL:
        before, after = (text + _WRAP.format(body=body) for body in _REFACTORED[word])
        return before, after
    return text, text + (_WRAP.format(body=_SLIPS[word]) if word in SLIPS else "# a comment\n")


def change(path: Path, word: str = NOTHING) -> None:
    """Do to a strategy's file what the word says, by default a comment."""
    path.write_text(versions(path.read_text(), word)[1])


def dealt(number: int, strategies: Sequence[str], words: Sequence[str]) -> dict[str, str]:
    """Deal words out, each to other strategies in every suite; what is left over has none."""
    lot = random.Random(number).sample(list(strategies), len(strategies))
    times = max(1, len(lot) // max(1, len(words)))
    return dict(zip(lot, [*words] * times, strict=False))


# Suites ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Suite:
    """A suite that was raced: each case's outcome, and the word for the change of its strategy."""

    outcomes: tuple[CaseOutcome, ...]
    done_to: Mapping[str, str]
    seconds: float

    def word(self, case: Case) -> str:
        """Return what was done to the strategy of a case."""
        return self.done_to.get(case.strategy, NOTHING)

    @property
    def false_alarms(self) -> list[Case]:
        failed = [outcome.case for outcome in self.outcomes if outcome.fails]
        return [case for case in failed if self.word(case) == NOTHING]


class Silent:
    """A display that shows nothing."""

    note: Note = staticmethod(lambda _: None)

    def say(self, text: str) -> None: ...

    def show(self, stage: StageBegun) -> None: ...


def suite(axes: Mapping[str, str], journals: Path | None, done_to: Mapping[str, str]) -> Suite:
    """Race the last of two commits against the first, with a comment or a regression in it."""
    kept = {"results": str(journals.resolve())} if journals else {}
    with tempfile.TemporaryDirectory(prefix="timelift-trial-") as name:
        folder = Path(name)
        lay_out(folder, ("strategies", "workloads"))
        paths = [folder / "strategies" / f"{name}.py" for name in axes["strategies"].split(",")]
        texts = {path: path.read_text() for path in paths}
        for number in (0, 1):
            for path, text in texts.items():
                path.write_text(versions(text, done_to.get(path.stem, NOTHING))[number])
            commit(folder)
        return race(folder, {**axes, **kept}, done_to)


def race(folder: Path, asked: Mapping[str, str], done_to: Mapping[str, str]) -> Suite:
    """Race a project's last commit against the one before, with what was planted."""
    started = time.monotonic()
    texts = {**asked, "against": "HEAD~1"}
    request = RunRequest(Project(folder), texts, SidesRace.usual_axes)
    for name, word in done_to.items():
        if word in PLANTED:
            strategies = request.catalogue.strategies
            strategies[name] = replace(strategies[name], planted=PLANTED[word])
    session = Session(SidesRace(request))
    session.measure([case for question in QUESTIONS for case in request.cases(question)], Silent())
    assert session.journal_path is not None
    run = results.load(session.journal_path)
    return Suite(tuple(gate_findings(run).outcomes), done_to, time.monotonic() - started)


# The table ---------------------------------------------------------------------------------------


_VERDICTS = (Verdict.FASTER, Verdict.UNDECIDED, Verdict.SAME, Verdict.SLOWER)
BOARD = Scoreboard(
    (
        Column("what was done", width=18),
        Column("cases", ",", width=6),
        Column("failed", OF, width=10, most=0.05),
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
    is_bound=lambda row: row[0] not in REGRESSIONS,
)


def in_words(suite: Suite) -> str:
    outcomes = suite.outcomes
    suspects = sum(change.suspected for case in outcomes for change in case.changes.values())
    failed = sum(case.fails for case in outcomes)
    alarms = ", ".join(case.label for case in suite.false_alarms)
    text = f"{len(outcomes)} cases, {suspects} suspected, {failed} failed, {suite.seconds:.0f} s"
    return f"{text}; FALSE ALARM: {alarms}" if alarms else text


def show(suites: Sequence[Suite]) -> int:
    """Print the figures of all suites together; return 1 if too much identical code failed."""
    if not suites:
        return 0
    wrong = BOARD.show(list(rows(suites)))
    reds = Proportion(sum(bool(suite.false_alarms) for suite in suites), len(suites))
    times = sorted(suite.seconds for suite in suites)
    write(f"suites with a false alarm: {reds.hits} of {reds.tries} (at most {reds.at_most:.1%})")
    write(f"seconds a suite: {times[len(times) // 2]:.0f} in the median, {times[-1]:.0f} at most")
    return wrong


def rows(suites: Sequence[Suite]) -> Iterator[Row]:
    """Write a row for what nothing was done to, and one for each word that was dealt."""
    by_word: dict[str, list[CaseOutcome]] = {word: [] for word in (NOTHING, *NEUTRAL, *REGRESSIONS)}
    for one in suites:
        for outcome in one.outcomes:
            by_word[one.word(outcome.case)].append(outcome)
    for word, outcomes in by_word.items():
        if outcomes:
            failed = Proportion(sum(outcome.fails for outcome in outcomes), len(outcomes))
            verdicts = Counter(outcome.time.verdict for outcome in outcomes if outcome.changes)
            counts = [verdicts[verdict] for verdict in _VERDICTS]
            facts = [change.name for outcome in outcomes for change in outcome.facts]
            nodes = facts.count("graph_nodes")
            yield word, len(outcomes), failed, failed.at_most, *counts, nodes


OPTIONS = parser("gate", __doc__)
OPTIONS.add_argument("--suites", type=positive, default=10, metavar="N", help="default: 10")
_KINDS = OPTIONS.add_mutually_exclusive_group()
for _option, _words, _help in (
    ("--regressions", REGRESSIONS, "seven, some of them exact"),
    ("--planted", tuple(PLANTED), "the exact ones alone"),
    ("--neutral", NEUTRAL, "refactors without a cost"),
):
    _KINDS.add_argument(
        _option, action="store_const", dest="words", const=_words, default=(), help=_help
    )
OPTIONS.add_argument("--journals", type=Path, metavar="FOLDER")


@program(OPTIONS)
def main(asked: argparse.Namespace) -> int:
    axes = QUICK if asked.quick else REGRESSED if asked.words else IDENTICAL
    names = axes["strategies"].split(",")
    suites = (
        suite(axes, asked.journals, dealt(number, names, asked.words))
        for number in range(1, 1 + (1 if asked.quick else asked.suites))
    )
    return show(collect(suites, in_words))


if __name__ == "__main__":
    sys.exit(main())
