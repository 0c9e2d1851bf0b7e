"""Answer one question in five lines: which strategy to use for a workload at a size.

The answer is measured, or interpolated between measured sizes where the paired curves allow it.
Otherwise the command is printed that would decide it. Exit code 0: answered; 2: not decided by this
run; 1: a mistake in the question.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from timelift.analyse.choose.question import Goal, Question, ask, carried
from timelift.analyse.runs import results, trust
from timelift.analyse.runs.measured import refuse_twins
from timelift.analyse.runs.measurement import Run
from timelift.case import AXES
from timelift.errors import UserError
from timelift.escape import plain

#: The exit code where a run does not decide.
UNDECIDED = 2
_HELP = {"seq_len": "how many steps", "batch": "how many sequences a call"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add one option an axis, the goal, and which run to ask."""
    for name in AXES:
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            dest=name,
            default="",
            help=_HELP.get(name, "default: the usual one, or the only one that was measured"),
        )
    parser.add_argument("--goal", default=str(Goal.TIME), help=f"one of {', '.join(Goal)}")
    parser.add_argument(
        "--run", default="latest", help="a journal, a folder, the beginning of a commit, or latest"
    )


def run(arguments: argparse.Namespace, root: Path) -> int:
    """Answer, or print the command that would."""
    folder = root / "results"
    (path,) = results.find(folder, [arguments.run])
    found = results.load(path)
    if not found.measurements:
        raise UserError(
            f"expected measurements in {str(path)!r}, found none; let the run go on or name another"
        )
    refuse_twins(found, path)
    known = [one.stem for one in (root / "workloads").glob("[!_]*.py")]
    asked = {name: getattr(arguments, name) for name in AXES}
    return _answer(ask(asked, arguments.goal, found, known), found, root)


def _answer(question: Question, found: Run, root: Path) -> int:
    from timelift.analyse.choose import decision  # noqa: PLC0415 - a typo needs no numpy
    from timelift.analyse.choose.answers import Undecided  # noqa: PLC0415
    from timelift.commands.usage import usage  # noqa: PLC0415
    from timelift.present import choice  # noqa: PLC0415 - a typo needs no numpy
    from timelift.present.head import trust_in_words  # noqa: PLC0415
    from timelift.present.notes import titles  # noqa: PLC0415

    made = decision.decide(question, found)
    if isinstance(made, Undecided):
        _print(choice.undecided(question, made, carried(found)))
        return UNDECIDED
    title = dict(titles(found)).get(made.strategy, "")
    used = usage(question.setting.workload, made.strategy, found, root)
    trusted = trust_in_words(found, trust.of_machine(root / "results", found))
    _print(choice.answer(question, made, title, used, trusted))
    return 0


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{plain(line)}\n")
