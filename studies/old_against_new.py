"""Show that another checkout of timelift reads and measures as this one does.

`python -m studies.old_against_new --old REV` simulates 200 journals from a seed, some of them
damaged, and reads all of them with the checkout of REV and with this one, through their public
doors: every number must be equal to 1e-12, relatively, and every text equal but for what `EXPECTED`
names. `--live` lets both measure one small grid in turns, launch by launch, and tells how much more
a call takes here, in the mean over cases. Exit code 0: alike; 1: not; 2, with --live: not known
well enough.
"""

import argparse
import io
import json
import math
import os
import re
import shutil
import statistics
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

from scipy import stats

import timelift
from studies import old_journals, parser
from studies.scoreboard import Column, Scoreboard

ROOT = Path(__file__).resolve().parents[1]
READER = Path(__file__).with_name("old_against_new_reader.py")
#: What two numbers may differ by, as a share of the larger one.
EQUAL = 1e-12
#: Differences that are meant: a pattern of the key with the new text behind it, and why.
EXPECTED: Mapping[str, str] = {
    r"read_run: .*, so it is left out": "a damaged fact is told, and what was received",
    r"/fastest\S*\.svg: ": "the map of the fastest says that it shows the shortest time",
    r"/index\.html: +<p>The shortest time": "as its figure does",
    r" export pytest-benchmark \S+: +\"stddev\": 0.0": "pytest-benchmark's own sum is exact",
    r"/index\.html: +<p class=\"lead\">never shown slower": "the recommended one is named first",
    r"^\d+ compare ": "`compare` has the words and the columns of the history",
    r"^machine\d+ history( \S+/history\.(md|csv))?: ": "the history has the words of `compare`",
    r"^machine\d+ history \S+/(changes\.csv|history-\w+\.svg): ": "a run counts, not its baseline",
    r"^\d+ report: how time grows: .* intervals over launches": "how times grow is a table",
}
#: Lines of a report that are reworded on purpose, and left out of both sides: the answer over
#: several settings, which now is the recommendation of each workload, as the page has it.
REWORDED = re.compile(r"^ {3}answer  .*\n(?: {11}.*\n)*|^- \*\*answer:\*\* .*\n", re.MULTILINE)
#: Journals in one history.
TOGETHER = 20
_SHOWN = 10
READ = Scoreboard((Column("read by both"), Column("found", ",")))
Answer = tuple[str, Any]
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
    """Compare what both read, or what both measure."""
    asked = _parser().parse_args(words)
    with tempfile.TemporaryDirectory(prefix="timelift-old-") as name:
        folder = Path(name)
        old = check_out(asked.old, folder / "checkout")
        if asked.live:
            return tell_live([_pair(turn, old, folder, asked.seed) for turn in range(asked.turns)])
        if asked.quick:
            asked.journals, asked.pages = 10, 5
        told = [folder / f"{side}.jsonl" for side in ("old", "new")]
        for checkout, output in zip((old, ROOT), told, strict=True):
            read(checkout, folder / f"home-{output.stem}", output, asked)
        return tell(compare(answers(told[0]), answers(told[1])), asked.journals + len(asked.runs))


def _parser() -> argparse.ArgumentParser:
    options = parser("old_against_new", __doc__)
    options.add_argument("--old", default="HEAD", metavar="REV", help="default: HEAD")
    options.add_argument("--journals", type=int, default=200, metavar="N")
    options.add_argument("--pages", type=int, default=10, help="one journal in so many: its report")
    options.add_argument("--runs", nargs="*", type=Path, default=[], help="more journals to read")
    options.add_argument("--live", action="store_true", help="measure instead of reading")
    options.add_argument("--turns", type=int, default=20, metavar="N", help="of each side")
    return options


def check_out(revision: str, folder: Path) -> Path:
    """Unpack a revision of this repository into a folder."""
    command = ["git", "-C", str(ROOT), "archive", revision]
    packed = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        tar.extractall(folder, filter="data")
    return folder


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
    """Return keys and values as they were written, one at a time."""
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

    def add(self, key: str, place: tuple[str, str], expected: Mapping[str, str]) -> None:
        """Count a difference as one that is expected, with the reason, or as one that is not."""
        for pattern, reason in expected.items():
            if re.search(pattern, f"{key}: {place[1]}", re.DOTALL):
                self.expected[reason] += 1
                return
        self.differing.append((key, *place))


def compare(
    old: Iterable[Answer], new: Iterable[Answer], expected: Mapping[str, str] = EXPECTED
) -> Tally:
    """Hold the answers of both sides against each other, run by run."""
    tally = Tally()
    for (run, mine), (other, its) in zip_longest(_runs(old), _runs(new), fillvalue=("", {})):
        if run != other:
            tally.differing.append(("the order of runs", run, other))
            break
        for key in [*mine, *(key for key in its if key not in mine)]:
            if place := _differ(mine.get(key, "(nothing)"), its.get(key, "(nothing)"), tally):
                tally.add(key, place, expected)
    return tally


def _runs(answers: Iterable[Answer]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the answers of each run together; a key's first word names the run."""
    for run, some in groupby(answers, lambda one: one[0].partition(" ")[0]):
        yield run, dict(some)


def _differ(old: Any, new: Any, tally: Tally) -> tuple[str, str] | None:
    """Return both sides of the first place that differs, if any does."""
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return _numbers(old, new, tally)
    if isinstance(old, str) and isinstance(new, str):
        return _texts(old, new, tally)
    return repr(old), repr(new)


def _numbers(old: list[float], new: list[float], tally: Tally) -> tuple[str, str] | None:
    tally.numbers += len(old)
    apart = [_apart(*pair) for pair in zip(old, new, strict=True)]
    worst = max(apart, default=0.0)
    tally.worst = max(tally.worst, worst)
    if worst <= EQUAL:
        return None
    at = apart.index(worst)
    return repr(old[at]), repr(new[at])


def _apart(old: float, new: float) -> float:
    """Return the difference of two numbers as a share of the larger one."""
    if old == new or (math.isnan(old) and math.isnan(new)):
        return 0.0
    share = abs(old - new) / max(abs(old), abs(new))
    return share if math.isfinite(share) else math.inf


def _texts(old: str, new: str, tally: Tally) -> tuple[str, str] | None:
    """Compare two texts line by line: equal, but for the last digits of numbers and `REWORDED`."""
    tally.texts += 1
    lines = (REWORDED.sub("", one).splitlines(keepends=True) for one in (old, new))
    for mine, its in zip_longest(*lines, fillvalue="(no line)"):
        if mine != its and not (
            _NUMBER.split(mine) == _NUMBER.split(its)
            and all(map(_rounded, _NUMBER.findall(mine), _NUMBER.findall(its)))
        ):
            return mine, its
    return None


def _rounded(old: str, new: str) -> bool:
    """True if two numbers are written alike, or differ by rounding; 1.0 and 1.00 do not."""
    return old == new or 0 < _apart(float(old), float(new)) <= EQUAL


def tell(tally: Tally, journals: int) -> int:
    """Print what was compared and the first differences; 1 where one is not expected."""
    counts = {
        "journals": journals,
        "numbers compared": tally.numbers,
        "texts compared": tally.texts,
        "differing, as expected": sum(tally.expected.values()),
        "differing": len(tally.differing),
    }
    READ.show([*counts.items(), ("worst relative difference", f"{tally.worst:.2g}")])
    rows = [f"  expected {count:,}: {reason}" for reason, count in tally.expected.items()]
    for key, old, new in tally.differing[:_SHOWN]:
        rows += [key, f"  old  {old.rstrip():.300}", f"  new  {new.rstrip():.300}"]
    sys.stdout.write("".join(f"{row}\n" for row in rows))
    return int(bool(tally.differing) or not tally.texts)


def _pair(turn: int, old: Path, folder: Path, seed: int) -> dict[str, float]:
    """Let both measure once, whoever began last turn second; the log ratio of each case."""
    found: dict[Path, dict[str, float]] = {}
    for checkout in (old, ROOT) if turn % 2 else (ROOT, old):
        results = folder / f"live-{turn}-{checkout.name}-{checkout == ROOT}"
        found[checkout] = _measured(checkout, results, seed + turn)
    cases = found[old].keys() & found[ROOT].keys()
    logs = {case: math.log(found[ROOT][case] / found[old][case]) for case in sorted(cases)}
    sys.stdout.write(
        f"turn {turn + 1}: {len(logs)} cases, {statistics.fmean(logs.values()):+.2%}\n"
    )
    sys.stdout.flush()
    return logs


def _measured(checkout: Path, results: Path, seed: int) -> dict[str, float]:
    """Run `pytest bench/` in a checkout; seconds per call by case."""
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


def tell_live(turns: Sequence[Mapping[str, float]]) -> int:
    """Print the mean over cases and its 95 % interval over turns; 0 where it lies within ALIKE."""
    means = [statistics.fmean(one.values()) for one in turns]
    middle = statistics.fmean(means)
    reach = math.inf
    if len(means) > 1:
        error = statistics.stdev(means) / len(means) ** 0.5
        reach = float(stats.t.ppf(0.975, len(means) - 1)) * error
    low, high = middle - reach, middle + reach
    inside = max(-low, high) <= ALIKE
    apart = max(low, -high) > ALIKE
    verdict = "within" if inside else "beyond" if apart else "not known to be within"
    sys.stdout.write(
        f"new over old: {middle:+.2%} [{low:+.2%}, {high:+.2%}] in the mean over {len(turns[0])} "
        f"cases, {len(turns)} turns: {verdict} {ALIKE:.0%}\n"
    )
    return 0 if inside else 1 if apart else 2


if __name__ == "__main__":
    sys.exit(main())
