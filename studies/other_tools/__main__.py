"""Try every rule on the recorded samples of a self-test: `python -m studies.other_tools RUN...`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from timelift.analyse.runs import results
from timelift.analyse.selftest import planted
from timelift.errors import UserError
from timelift.escape import plain

if TYPE_CHECKING:
    from timelift.analyse.selftest.score import Score

RESULTS = Path(__file__).parents[2] / "results"


def main(words: Sequence[str] | None = None) -> int:
    """Print what every rule makes of the runs; 1 where the user has to do something first."""
    options = _parser().parse_args(words)
    try:
        sys.stdout.write(_answer(options))
    except UserError as error:
        sys.stderr.write(f"studies.other_tools: {plain(error)}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m studies.other_tools", description=__doc__)
    parser.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="a self-test's journal, a folder, the beginning of a commit, or latest "
        "(default: the newest run under results/)",
    )
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table alone")
    parser.add_argument(
        "--figure",
        type=Path,
        metavar="FILE",
        help="draw the rules as people use them, .png or .svg",
    )
    parser.add_argument("--theme", choices=("light", "dark"), default="light", help="of the figure")
    return parser


def _answer(options: argparse.Namespace) -> str:
    # scipy waits until the runs are known to be good: a typo is answered at once.
    contests = [_contests(path) for path in results.find(RESULTS, options.runs)]
    from studies.other_tools import rules, sheet  # noqa: PLC0415
    from timelift.analyse.selftest.recording import record  # noqa: PLC0415
    from timelift.analyse.selftest.score import score  # noqa: PLC0415

    recordings = [record(some) for some in contests]
    scores = [score(rule, recordings) for rule in rules.RULES]
    if options.figure:
        _draw(scores, options)
    rows = sheet.cells(scores)
    if options.markdown:
        return f"{sheet.markdown(rows)}\n"
    return f"{sheet.aligned(rows)}\n{sheet.LEGEND}"


def _draw(scores: Sequence["Score"], options: argparse.Namespace) -> None:
    from studies.other_tools import picture, rules  # noqa: PLC0415

    shown = [one for one in scores if one.rule in rules.AS_USED and one.tries]
    picture.save(picture.draw(shown, options.theme), options.figure)


def _contests(path: Path) -> list[planted.Contest]:
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
