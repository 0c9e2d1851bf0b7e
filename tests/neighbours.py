"""What a hostile strategy does to its rivals: `python -m tests.neighbours`, on a quiet machine.

`native` and `fold_time` are measured by `pytest bench/` alone, and once more beside each strategy
of `tests/hostile.py`, all with one seed. A row says what became of the hostile one, what time
fold_time takes beside native without and with it, and by how much that ratio moved, with 95 %
intervals over launches. `nobody` is a second run without any: what moves by itself. Exit code 1
where more ratios moved than chance allows. About ten minutes for all.
"""

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests import hostile
from tests.projects import bench, project
from timelift.analyse.runs import results
from timelift.analyse.runs.measurement import Run
from timelift.analyse.stats import ranking
from timelift.escape import plain

GOOD = ("native", "fold_time")
HOSTILE: Mapping[str, str] = {
    **hostile.STRATEGIES,
    **hostile.WILD,
    **hostile.UNTIDY,
    "sleeps": hostile.SLEEPS,
}
NOBODY = "nobody"
WORDS = (
    "bench/test_forward.py --workloads tokens --seq-lens 16 --batch-sizes 8 --round-seconds 0.1 "
    "--case-timeout 8 --first-call-limit 8 --memory-limit 6G --seed 5"
).split()
#: The chance of so many moved ratios below which they are no chance.
_ALLOWED = 0.05
_LONGEST = 46


@dataclass(frozen=True)
class Ratio:
    """How much longer fold_time takes than native, as a log ratio with its half width."""

    log: float
    half: float

    def beside(self, other: "Ratio") -> "Ratio":
        """The difference of two independent ones."""
        return Ratio(self.log - other.log, math.hypot(self.half, other.half))

    @property
    def same(self) -> bool:
        """Whether the interval holds no difference."""
        return abs(self.log) <= self.half

    def __str__(self) -> str:
        ends = (math.exp(self.log + side * self.half) for side in (0, -1, 1))
        return "{:.3f} [{:.3f}, {:.3f}]".format(*ends)


def main(words: Sequence[str] | None = None) -> int:
    """Measure the rivals alone and beside every hostile strategy; print a row each."""
    parser = argparse.ArgumentParser(prog="python -m tests.neighbours", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(HOSTILE)}")
    parser.add_argument("--launches", default="5", metavar="N", help="default: 5")
    asked = parser.parse_args(words)
    unknown = set(asked.names) - HOSTILE.keys()
    if unknown:
        parser.error(f"unknown strategy {min(unknown)!r}")
    begun = time.monotonic()
    moved = []
    for line, same in _lines(asked.names or list(HOSTILE), asked.launches):
        moved += [] if same else [line]
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    tries = 1 + len(asked.names or HOSTILE)
    chance = _chance(len(moved), tries)
    sys.stdout.write(
        f"{tries - len(moved)} of {tries} within their intervals; so many outside of them have a "
        f"chance of {chance:.2f} where nothing moves ({time.monotonic() - begun:.0f} s)\n"
    )
    return int(chance < _ALLOWED)


def _lines(names: Sequence[str], launches: str) -> Iterator[tuple[str, bool]]:
    """Give a row for each name, and whether its rivals' ratio is the same with it and without."""
    yield f"{'beside':13}{'without':23}{'with':23}{'moved by':23}{'':6}what became of it", True
    alone = _ratio(_measured({}, launches))
    for name in [NOBODY, *names]:
        run = _measured({} if name == NOBODY else {name: HOSTILE[name]}, launches)
        beside = _ratio(run)
        moved = beside.beside(alone)
        word = "same" if moved.same else "MOVED"
        shown = f"{name:13}{alone!s:23}{beside!s:23}{moved!s:23}{word:6}{_became(run, name)}"
        yield shown.rstrip(), moved.same


def _measured(extra: Mapping[str, str], launches: str) -> Run:
    """Run `pytest bench/` in a project of its own and read the journal."""
    with tempfile.TemporaryDirectory(prefix="timelift-neighbours-") as name:
        folder = Path(name) / "project"
        folder.mkdir()
        done = bench(project(folder, GOOD, extra), *WORDS, "--launches", launches)
        found = list(folder.glob("results/*/*.jsonl"))
        if not found:
            raise SystemExit(done.stdout + done.stderr)
        return results.load(found[0])


def _ratio(run: Run) -> Ratio:
    """Give the ratio of the two good rivals, whoever else ran."""
    good = [one for one in run.measurements if one.case.strategy in GOOD]
    (found,) = ranking.rank(good)
    second = found.rows[1]
    sign = 1 if second.case.strategy == GOOD[1] else -1
    width = (math.log(second.high) - math.log(second.low)) / 2
    return Ratio(sign * math.log(second.ratio), width)


def _became(run: Run, name: str) -> str:
    """Say how measuring a strategy ended."""
    for one in run.measurements:
        if one.case.strategy == name:
            reason = f": {one.reason}" if one.reason else f" in {len(one.launches)} launches"
            return plain(f"{one.status}{reason}", _LONGEST)
    return ""


def _chance(moved: int, tries: int) -> float:
    """Give the chance of at least so many outside of a 95 % interval."""
    ways = (math.comb(tries, k) * 0.05**k * 0.95 ** (tries - k) for k in range(moved, tries + 1))
    return math.fsum(ways)


if __name__ == "__main__":
    sys.exit(main())
