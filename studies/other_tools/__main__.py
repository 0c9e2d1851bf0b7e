"""Try every rule on the samples of a self-test: `python -m studies.other_tools RUN...`.

`--quick` simulates a self-test.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from studies import noise, parser
from studies.other_tools import picture, rules, sheet
from timelift.analyse.runs import results
from timelift.analyse.selftest import planted
from timelift.analyse.selftest.planted import TwinGroup
from timelift.analyse.selftest.recording import record
from timelift.analyse.selftest.score import Score, score
from timelift.errors import UserError
from timelift.escape import plain
from timelift.journal import find

RESULTS = Path(__file__).parents[2] / "results"
#: What the ladder may be wrong about among identical rivals, as a share.
ALLOWED = 0.02


def main(words: Sequence[str] | None = None) -> int:
    """Print what every rule makes of the runs; 1 where the user has to do something first."""
    options = _parser().parse_args(words)
    try:
        return _answer(options)
    except UserError as error:
        sys.stderr.write(f"studies.other_tools: {plain(error)}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    options = parser("other_tools", __doc__)
    options.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="a self-test's journal, a folder, the beginning of a commit, or latest "
        "(default: the newest run under results/)",
    )
    options.add_argument("--markdown", action="store_true", help="print a Markdown table alone")
    options.add_argument(
        "--figure",
        type=Path,
        metavar="FILE",
        help="draw the rules as people use them, .png or .svg",
    )
    options.add_argument(
        "--theme", choices=("light", "dark"), default="light", help="of the figure"
    )
    return options


def _answer(options: argparse.Namespace) -> int:
    recordings = [record(some) for some in _contests(options)]
    scores = [score(rule, recordings) for rule in rules.RULES]
    if options.figure:
        shown = [one for one in scores if one.rule in rules.AS_USED and one.tries]
        picture.save(picture.draw(shown, options.theme), options.figure)
    board, rows = sheet.board(scores), list(sheet.rows(scores))
    if options.markdown:
        sys.stdout.writelines(f"{line}\n" for line in board.markdown(rows))
        return 0
    board.show(rows)
    return _judge(scores[0]) if options.quick else 0


def _judge(ours: Score) -> int:
    """Return 1 if the ladder is too often wrong."""
    share = ours.false_alarms
    if share.value <= ALLOWED:
        return 0
    sys.stderr.write(f"{ours.rule.name}: expected at most {ALLOWED:.0%}, found {share}\n")
    return 1


def _contests(options: argparse.Namespace) -> list[list[TwinGroup]]:
    if options.quick and not options.runs:
        random = np.random.default_rng(options.seed)
        return [noise.selftest(noise.SCENARIOS[1], 12, 4, 40, random)]
    return [_of_run(path) for path in find(RESULTS, options.runs)]


def _of_run(path: Path) -> list[TwinGroup]:
    run = results.load(path)
    for complaint in planted.complaints(run):
        sys.stderr.write(f"warning: {plain(complaint)}\n")
    found = planted.contests(run)
    if not found:
        raise UserError(
            f"{str(path)!r}: expected strategies beside planted twins of themselves, found none; "
            "measure some with: pytest bench/ --selftest"
        )
    return found


if __name__ == "__main__":
    sys.exit(main())
