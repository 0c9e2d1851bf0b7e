"""Try every rule on the recorded samples of a self-test: `python -m timelift.replay RUN...`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from timelift.errors import UserError
from timelift.read import planted, results
from timelift.read.escape import plain

RESULTS = Path(__file__).parents[2] / "results"


def main(words: Sequence[str] | None = None) -> int:
    """Print what every rule makes of the runs; 1 where the user has to do something first."""
    options = _parser().parse_args(words)
    try:
        sys.stdout.write(_answer(options.runs, in_markdown=options.markdown))
    except UserError as error:
        sys.stderr.write(f"timelift.replay: {plain(error)}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m timelift.replay", description=__doc__)
    parser.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="a self-test's journal, a folder, the beginning of a commit, or latest "
        "(default: the newest run under results/)",
    )
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table alone")
    return parser


def _answer(runs: Sequence[str], *, in_markdown: bool) -> str:
    # scipy waits until the runs are known to be good: a typo is answered at once.
    contests = [_contests(path) for path in results.find(RESULTS, runs)]
    from timelift.replay import rules, sheet  # noqa: PLC0415
    from timelift.replay.recording import record  # noqa: PLC0415
    from timelift.replay.score import score  # noqa: PLC0415

    recordings = [record(some) for some in contests]
    rows = sheet.cells([score(rule, recordings) for rule in rules.RULES])
    if in_markdown:
        return f"{sheet.markdown(rows)}\n"
    return f"{sheet.aligned(rows)}\n{sheet.LEGEND}"


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
