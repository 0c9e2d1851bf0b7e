"""Try the gate on suites whose truth is known: `python -m studies.trials --suites 100`.

Every suite is a project of two commits. Without `--regressions` they differ in a comment, so that
whatever is called slower is a false alarm; with it every strategy but one has a regression, exact
or of the kind that people make, and the one without must not be blamed. Nothing else should run on
the machine meanwhile. `--journals` keeps the suites' journals.
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from studies.trials import suite
from studies.trials.regressions import PLANTED, SLIPS
from studies.trials.suite import Suite
from timelift.analyse.runs.trust import Share
from timelift.analyse.stats.verdicts import Verdict
from timelift.errors import UserError
from timelift.escape import plain

_HOME = Path(__file__).parents[2]
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


def main(words: Sequence[str] | None = None) -> int:
    """Run suites and print what became of each, and of all; 1 where the user has to act first."""
    parser = argparse.ArgumentParser(prog="python -m studies.trials", description=__doc__)
    parser.add_argument("--suites", type=int, default=10, metavar="N", help="default: 10")
    parser.add_argument("--regressions", action="store_true")
    parser.add_argument("--journals", type=Path, metavar="FOLDER")
    asked = parser.parse_args(words)
    suites: list[Suite] = []
    try:
        for number in range(1, asked.suites + 1):
            suites.append(_suite(number, asked.journals, regressions=asked.regressions))
            sys.stdout.write(f"suite {number}: {_in_words(suites[-1])}\n")
            sys.stdout.flush()
    except KeyboardInterrupt:
        sys.stdout.write("interrupted; what there is:\n")
    except UserError as error:
        sys.stderr.write(f"studies.trials: {plain(error)}\n")
        return 1
    sys.stdout.write("".join(f"{line}\n" for line in lines(suites)))
    return 0


def _suite(number: int, journals: Path | None, *, regressions: bool) -> Suite:
    axes = REGRESSED if regressions else IDENTICAL
    done_to = _dealt(number, axes["strategies"].split(",")) if regressions else {}
    kept = {"results": str(journals.resolve())} if journals else {}
    with tempfile.TemporaryDirectory(prefix="timelift-trial-") as folder:
        suite.project(_HOME, Path(folder), axes, done_to)
        return suite.run(Path(folder), {**axes, **kept}, done_to)


def _dealt(number: int, strategies: Sequence[str]) -> dict[str, str]:
    """Deal the regressions out, each to another strategy in every suite; one has none."""
    lot = random.Random(number).sample(list(strategies), len(strategies))
    return dict(zip(lot, REGRESSIONS, strict=False))


def _in_words(one: Suite) -> str:
    suspects = sum(found.suspected for out in one.outcomes for found in out.findings.values())
    failed = sum(out.fails("pass") for out in one.outcomes)
    alarms = ", ".join(case.label for case in one.false_alarms)
    text = f"{len(one.outcomes)} cases, {suspects} suspected, {failed} failed, {one.seconds:.0f} s"
    return f"{text}; FALSE ALARM: {alarms}" if alarms else text


def lines(suites: Sequence[Suite]) -> Iterator[str]:
    """Say what became of all suites together."""
    if not suites:
        return
    reds = Share(sum(bool(one.false_alarms) for one in suites), len(suites))
    yield f"suites with a false alarm: {reds.hits} of {reds.tries} (at most {reds.at_most:.1%})"
    untouched = [out for one in suites for out in one.untouched]
    wrong = Share(sum(len(one.false_alarms) for one in suites), len(untouched))
    faster = sum(out.time.verdict is Verdict.FASTER for out in untouched)
    yield (
        f"identical cases: {wrong.hits} of {wrong.tries:,} failed (at most {wrong.at_most:.2%}), "
        f"{faster} called faster; {_counted(out.time.verdict for out in untouched)}"
    )
    for word in REGRESSIONS:
        yield from _caught(word, suites)
    times = sorted(one.seconds for one in suites)
    yield f"seconds a suite: {times[len(times) // 2]:.0f} in the median, {times[-1]:.0f} at most"


def _caught(word: str, suites: Iterable[Suite]) -> Iterator[str]:
    hit = [out for one in suites for out in one.outcomes if one.word(out.case) == word]
    if hit:
        failed = sum(out.fails("pass") for out in hit)
        nodes = sum("graph_nodes" in out.facts for out in hit)
        verdicts = _counted(out.time.verdict for out in hit)
        told = f"{word}: {failed} of {len(hit)} cases failed; time: {verdicts}"
        yield f"{told}; graph nodes differ in {nodes}"


def _counted(verdicts: Iterable[Verdict]) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in Counter(verdicts).most_common())


if __name__ == "__main__":
    sys.exit(main())
