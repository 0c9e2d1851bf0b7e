"""Show that another checkout of timelift reads and measures as this one does.

`python -m studies.old_against_new --old REV` simulates 200 journals from a seed, some of them
damaged, and reads all of them with the checkout of REV and with this one, through their public
doors: every number must be equal to 1e-12, relatively, and every text equal but for what `EXPECTED`
names. `--live` lets both measure one small grid in turns, launch by launch, and prints how much
more a call takes here, in the mean over cases. Exit code 0: alike; 1: not; 2, with --live: not
known well enough.
"""

import argparse
import io
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

import timelift
from studies import ROOT, answer, old_journals, parser, positive, write
from studies.scoreboard import Column, Scoreboard
from timelift.errors import UserError

READER = Path(__file__).with_name("old_against_new_reader.py")
#: What two numbers may differ by, as a share of the larger one.
EQUAL = 1e-12
#: Differences that are meant: a pattern of the key with the new text behind it, and why. What is
#: merged leaves this table, since the last commit, the usual side, has it too.
EXPECTED: Mapping[str, str] = {}
#: Journals in one history.
TOGETHER = 20
_SHOWN = 10
READ = Scoreboard((Column("read by both"), Column("found", ",")))
Answer = tuple[str, Any]
#: Both sides of the first place that differs.
Place = tuple[str, str]
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
#: What a call may take longer here in the mean, as a share.
ALIKE = 0.01
#: One thread: with the framework's own number, launches minutes apart differ by a tenth.
GRID = (
    *("--threads", "1"),
    *("--workloads", "sensor,tokens", "--seq-lens", "16", "--batch-sizes", "8"),
    *("--phases", "forward,backward", "--modes", "graph"),
    *("--strategies", "native,fold_time,loop_unstack,time_distributed", "--launches", "1"),
)


def main(words: Sequence[str] | None = None) -> int:
    options = parser("old_against_new", __doc__)
    options.add_argument("--old", default="HEAD", metavar="REV", help="default: HEAD")
    options.add_argument("--journals", type=positive, default=200, metavar="N")
    options.add_argument(
        "--pages", type=positive, default=10, help="one journal in so many: its report"
    )
    options.add_argument("--runs", nargs="*", type=Path, default=[], help="more journals to read")
    options.add_argument("--live", action="store_true", help="measure instead of reading")
    options.add_argument("--turns", type=positive, default=20, metavar="N", help="of each side")
    return answer(options, words, _run)


def _run(asked: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="timelift-old-") as name:
        folder = Path(name)
        old = check_out(asked.old, folder / "checkout")
        if asked.live:
            return show_live([_turn(turn, old, folder, asked.seed) for turn in range(asked.turns)])
        if asked.quick:
            asked.journals, asked.pages = 10, 5
        outputs = folder / "old.jsonl", folder / "new.jsonl"
        for checkout, output in zip((old, ROOT), outputs, strict=True):
            read(checkout, folder / f"home-{output.stem}", output, asked)
        tally = compare(answers(outputs[0]), answers(outputs[1]))
        return show(tally, asked.journals + len(asked.runs))


def check_out(revision: str, folder: Path) -> Path:
    command = ["git", "-C", str(ROOT), "archive", revision]
    packed = subprocess.run(command, capture_output=True, check=False)
    if packed.returncode:
        reason = packed.stderr.decode(errors="replace").strip()
        raise UserError(
            f"--old: expected a revision of this repository, received {revision!r}: {reason}"
        )
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder


# Reading -----------------------------------------------------------------------------------------


def read(checkout: Path, home: Path, output: Path, asked: argparse.Namespace) -> None:
    """Write the journals into a home of this checkout and read them there."""
    for number in range(asked.journals):
        path = home / f"results/machine{number // TOGETHER}/{number:04}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        machine = path.parent.name.encode()
        made = old_journals.anything(asked.seed + number)
        path.write_bytes(made.replace(b'"name":"golden"', b'"name":"%s"' % machine))
    for path in asked.runs:
        (home / "results/further").mkdir(exist_ok=True)
        shutil.copy(path, home / "results/further")
    shutil.copy(checkout / "report.py", home)
    words = [str(READER), str(checkout), str(home), str(output), str(asked.pages)]
    subprocess.run([sys.executable, *words], check=True)


def answers(path: Path) -> Iterator[Answer]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            key, value = json.loads(line)
            yield key, value


@dataclass
class Tally:
    """What was compared, and what differed: by key, with both sides of the first place."""

    numbers: int = 0
    texts: int = 0
    worst: float = 0.0
    differing: list[tuple[str, str, str]] = field(default_factory=list)
    expected: Counter[str] = field(default_factory=Counter)

    def compare(self, key: str, old: Any, new: Any, expected: Mapping[str, str]) -> None:
        """Count two values of a key, and a difference as expected or not."""
        place = self._differ(old, new)
        if place is None:
            return
        reasons = [
            why for one, why in expected.items() if re.search(one, f"{key}: {place[1]}", re.DOTALL)
        ]
        if reasons:
            self.expected[reasons[0]] += 1
        else:
            self.differing.append((key, *place))

    def _differ(self, old: Any, new: Any) -> Place | None:
        if isinstance(old, str) and isinstance(new, str):
            self.texts += 1
            return _texts_differ(old, new)
        if not isinstance(old, list) or not isinstance(new, list) or len(old) != len(new):
            return repr(old), repr(new)
        self.numbers += len(old)
        apart = [_apart(*pair) for pair in zip(old, new, strict=True)]
        worst = max(apart, default=0.0)
        self.worst = max(self.worst, worst)
        at = apart.index(worst) if apart else 0
        return (repr(old[at]), repr(new[at])) if worst > EQUAL else None


def compare(
    old: Iterable[Answer], new: Iterable[Answer], expected: Mapping[str, str] = EXPECTED
) -> Tally:
    """Hold the answers of both sides against each other, run by run."""
    tally = Tally()
    for (run, mine), (other, its) in zip_longest(_runs(old), _runs(new), fillvalue=("", {})):
        if run != other:
            tally.differing.append(("the order of runs", run, other))
            break
        for key in mine | its:
            tally.compare(key, mine.get(key, "(nothing)"), its.get(key, "(nothing)"), expected)
    return tally


def _runs(answers: Iterable[Answer]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the answers of each run together; a key's first word names the run."""
    for run, some in groupby(answers, lambda one: one[0].partition(" ")[0]):
        yield run, dict(some)


def _apart(old: float, new: float) -> float:
    """Return the difference of two numbers as a share of the larger one."""
    if old == new or (math.isnan(old) and math.isnan(new)):
        return 0.0
    share = abs(old - new) / max(abs(old), abs(new))
    return share if math.isfinite(share) else math.inf


def _texts_differ(old: str, new: str) -> Place | None:
    """Compare two texts line by line: equal, but for the last digits of numbers."""
    lines = (one.splitlines(keepends=True) for one in (old, new))
    for mine, its in zip_longest(*lines, fillvalue="(no line)"):
        if mine != its and not (
            _NUMBER.split(mine) == _NUMBER.split(its)
            and all(map(_is_rounded, _NUMBER.findall(mine), _NUMBER.findall(its)))
        ):
            return mine, its
    return None


def _is_rounded(old: str, new: str) -> bool:
    """True if two numbers are written alike, or differ by rounding; 1.0 and 1.00 do not."""
    return old == new or 0 < _apart(float(old), float(new)) <= EQUAL


def show(tally: Tally, journals: int) -> int:
    """Print what was compared and the first differences; 1 where one is not expected."""
    counts = {
        "journals": journals,
        "numbers compared": tally.numbers,
        "texts compared": tally.texts,
        "differing, as expected": sum(tally.expected.values()),
        "differing": len(tally.differing),
    }
    READ.show([*counts.items(), ("worst relative difference", f"{tally.worst:.2g}")])
    for reason, count in tally.expected.items():
        write(f"  expected {count:,}: {reason}")
    for key, old, new in tally.differing[:_SHOWN]:
        write(f"{key}\n  old  {old.rstrip():.300}\n  new  {new.rstrip():.300}")
    return int(bool(tally.differing) or not tally.texts)


# Measuring ---------------------------------------------------------------------------------------


def _turn(turn: int, old: Path, folder: Path, seed: int) -> float:
    """Let both measure once, first the one that was second; the mean log ratio over cases."""
    found: dict[Path, dict[str, float]] = {}
    for checkout in (old, ROOT) if turn % 2 else (ROOT, old):
        results = folder / f"live-{turn}-{checkout.name}-{checkout == ROOT}"
        found[checkout] = _measured(checkout, results, seed + turn)
    cases = sorted(found[old].keys() & found[ROOT].keys())
    mean = float(np.mean([math.log(found[ROOT][case] / found[old][case]) for case in cases]))
    write(f"turn {turn + 1}: {len(cases)} cases, {mean:+.2%}")
    return mean


def _measured(checkout: Path, results: Path, seed: int) -> dict[str, float]:
    words = ["bench/", "-q", "-p", "no:cacheprovider", "--wait", *GRID]
    words += ["--results", str(results), "--seed", str(seed)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(
            f"studies.old_against_new: `pytest bench/` in {checkout} ended with:\n{done.stdout}"
        )
    table = timelift.load("latest", "launch", results)
    names = [name for name in table.columns if name in {"strategy", *old_journals.USUAL}]
    labels = table[names].astype(str).agg("-".join, axis=1)
    return dict(zip(labels, table["seconds_per_call"].astype(float), strict=True))


def show_live(turns: Sequence[float]) -> int:
    """Print the mean over turns and its 95 % interval; 0 where it lies within ALIKE."""
    mean, low, high = float(np.mean(turns)), -math.inf, math.inf
    if len(turns) > 1:
        low, high = stats.t.interval(0.95, len(turns) - 1, mean, stats.sem(turns))
    inside, apart = max(-low, high) <= ALIKE, max(low, -high) > ALIKE
    verdict = "within" if inside else "beyond" if apart else "not known to be within"
    write(
        f"new over old: {mean:+.2%} [{low:+.2%}, {high:+.2%}] in the mean over cases, "
        f"{len(turns)} turns: {verdict} {ALIKE:.0%}"
    )
    return 0 if inside else 1 if apart else 2


if __name__ == "__main__":
    sys.exit(main())
