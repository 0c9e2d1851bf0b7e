"""What a hostile strategy does to its rivals: `python -m studies.neighbours`, on a quiet machine.

`native` and `fold_time` are measured by `pytest bench/` alone, and once more beside each strategy
of `tests/hostile.py`, all with one seed. A row shows what became of the hostile one, what time
fold_time takes beside native without and with it, and by how much that ratio moved, with 95 %
intervals over launches. `none` is a second run without any: what moves by itself. Exit code 1
where more ratios moved than chance allows. About ten minutes for all.
"""

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scipy import stats

from studies import answer, parser, positive, write
from studies.scoreboard import Column, Row, Scoreboard
from tests import hostile
from tests.projects import bench, project
from timelift.analyse.runs import results
from timelift.analyse.runs.measurement import Run
from timelift.analyse.stats import ranking
from timelift.errors import UserError, nearest
from timelift.escape import plain

GOOD = ("native", "fold_time")
HOSTILE: Mapping[str, str] = {
    **hostile.STRATEGIES,
    **hostile.WILD,
    **hostile.UNTIDY,
    "sleeps": hostile.SLEEPS,
}
NONE = "none"
WORDS = (
    *("bench/test_forward.py", "--workloads", "tokens", "--seq-lens", "16", "--batch-sizes", "8"),
    *("--round-seconds", "0.1", "--case-timeout", "8", "--first-call-limit", "8"),
    *("--memory-limit", "6G"),
)
#: The chance of so many moved ratios below which they are no chance.
_ALLOWED = 0.05
_LONGEST = 46
#: What is tried in the quick form.
QUICK = ("raises",)
BOARD = Scoreboard(
    (
        Column("beside", width=11),
        *(Column(title, width=21) for title in ("without", "with", "moved by")),
        Column("", width=5),
        Column("what became of it"),
    ),
    words=6,
)


@dataclass(frozen=True)
class Ratio:
    """How much longer fold_time takes than native, as a log ratio with its half width."""

    log: float
    half: float

    def beside(self, other: "Ratio") -> "Ratio":
        return Ratio(self.log - other.log, math.hypot(self.half, other.half))

    @property
    def same(self) -> bool:
        return abs(self.log) <= self.half

    def __str__(self) -> str:
        ends = (math.exp(self.log + side * self.half) for side in (0, -1, 1))
        return "{:.3f} [{:.3f}, {:.3f}]".format(*ends)


def main(words: Sequence[str] | None = None) -> int:
    options = parser("neighbours", __doc__)
    options.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(HOSTILE)}")
    options.add_argument("--launches", type=positive, default=5, metavar="N", help="default: 5")
    return answer(options, words, _run)


def _run(asked: argparse.Namespace) -> int:
    for name in asked.names:
        if name not in HOSTILE:
            raise UserError(f"unknown strategy {name!r}; {nearest(name, HOSTILE)}")
    names = asked.names or (QUICK if asked.quick else HOSTILE)
    plan = (
        "--launches",
        "2" if asked.quick else str(asked.launches),
        "--seed",
        str(5 + asked.seed),
    )
    begun, ratios = time.monotonic(), list[Ratio]()
    BOARD.show(_rows(names, plan, ratios))
    return judge([one.same for one in ratios], time.monotonic() - begun)


def judge(same: Sequence[bool], seconds: float) -> int:
    """Print how many ratios stayed in their intervals; 1 where more left than chance allows."""
    chance = float(stats.binom.sf(same.count(False) - 1, len(same), 0.05))
    write(
        f"{same.count(True)} of {len(same)} within their intervals; so many outside of them have "
        f"a chance of {chance:.2f} where nothing moves ({seconds:.0f} s)"
    )
    return int(chance < _ALLOWED)


def _rows(names: Iterable[str], plan: Sequence[str], ratios: list[Ratio]) -> Iterator[Row]:
    """Yield a row for each name, and note by how much the ratio of its rivals moved."""
    alone = _ratio(_measured({}, plan))
    for name in (NONE, *names):
        run = _measured({} if name == NONE else {name: HOSTILE[name]}, plan)
        beside = _ratio(run)
        moved = beside.beside(alone)
        ratios.append(moved)
        word = "same" if moved.same else "MOVED"
        yield name, str(alone), str(beside), str(moved), word, _became(run, name)


def _measured(extra: Mapping[str, str], plan: Sequence[str]) -> Run:
    with tempfile.TemporaryDirectory(prefix="timelift-neighbours-") as name:
        folder = Path(name) / "project"
        folder.mkdir()
        done = bench(project(folder, GOOD, extra), *WORDS, *plan)
        found = list(folder.glob("results/*/*.jsonl"))
        if not found:
            raise SystemExit(done.stdout + done.stderr)
        return results.load(found[0])


def _ratio(run: Run) -> Ratio:
    """Return the ratio of the two good rivals, whichever came first."""
    (found,) = ranking.rank(one for one in run.measurements if one.case.strategy in GOOD)
    second = found.rows[1]
    sign = 1 if second.case.strategy == GOOD[1] else -1
    return Ratio(sign * math.log(second.ratio), math.log(second.high / second.low) / 2)


def _became(run: Run, name: str) -> str:
    """Return how measuring a strategy ended."""
    for one in run.measurements:
        if one.case.strategy == name:
            reason = f": {one.reason}" if one.reason else f" in {len(one.launches)} launches"
            return plain(f"{one.status}{reason}", _LONGEST)
    return ""


if __name__ == "__main__":
    sys.exit(main())
