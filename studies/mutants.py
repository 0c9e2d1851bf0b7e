"""Mutate a room of timelift and count the mutants that its tests see: `make mutate ROOM=analyse`.

mutmut (https://mutmut.readthedocs.io) makes the mutants and tries each with the tests that call its
function. All of a room would take hours, so a sample is drawn by the seed. It happens in a copy of
the tracked files, and with the tests alone that import the room and start no run.
"""

import argparse
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from scipy.stats import binomtest

from studies import ROOT, parser, positive, program, write
from studies.scoreboard import OF, Column, Scoreboard
from timelift.errors import UserError
from timelift.selftest.trust import Proportion

BOARD = Scoreboard(
    (
        Column("room", width=16),
        Column("mutants", ","),
        Column("drawn", ","),
        Column("seen", OF),
        Column("share", ".1%"),
        Column("at least", ".1%"),
        Column("at most", ".1%"),
    ),
    """
seen               mutants that made a test fail or end late
at least, at most  the 95 % interval of their share among all mutants of the room (Wilson)
""",
)
#: A test that starts runs or processes sees nothing that a test of the room does not, and is slow.
#: Studies start runs or are slow, but for the simulator of noise and the rule played on it.
_STARTS_RUNS = re.compile(
    r"timelift\.(measure|worker|plugin)\b|^from tests.*\bprojects\b"
    r"|^import subprocess|pytester|^from studies(?! import noise$|\.gate_rule\b)",
    re.MULTILINE,
)
_LINE = re.compile(r"^ {4}(?P<mutant>\S+): (?P<status>.+)$", re.MULTILINE)
_SEEN = {"killed", "timeout", "segfault", "suspicious", "caught by type check"}
#: A name that no mutant has: mutmut makes all mutants and maps tests to functions, but tries none.
_NONE = "none"


def tests_of(room: str, root: Path) -> list[str]:
    """Return the files of tests that import the room and start no run."""
    imports = re.compile(rf"timelift\.{room.replace('/', '.')}\b")
    return [
        str(path.relative_to(root))
        for path in sorted((root / "tests").glob("test_*.py"))
        if imports.search(text := path.read_text()) and not _STARTS_RUNS.search(text)
    ]


def lay_out(copy: Path, room: str) -> None:
    """Copy the tracked files and write what mutmut is to do.

    Raises UserError where there is no such room, or no mutmut.
    """
    if find_spec("mutmut") is None:
        raise UserError("expected mutmut, which is not installed; make mutate installs it")
    if not (ROOT / "timelift" / room).exists():
        raise UserError(f"--room: expected a folder of timelift/, received {room!r}")
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    for name in tracked:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    beside = sorted({Path(name).parts[0] for name in tracked} - {"timelift", "tests"})
    settings = {
        "source_paths": ["timelift"],
        "only_mutate": [f"timelift/{room}/*.py"],
        "also_copy": beside,
        "pytest_add_cli_args_test_selection": tests_of(room, copy),
    }
    lines = (f"{name}=\n  " + "\n  ".join(values) for name, values in settings.items())
    (copy / "setup.cfg").write_text("\n".join(["[mutmut]", *lines, ""]))


def mutmut(copy: Path, *words: str) -> str:
    """Run mutmut in the copy and return what it printed."""
    command = [sys.executable, "-m", "mutmut", *words]
    return subprocess.run(
        command, cwd=copy, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    ).stdout


def statuses(copy: Path) -> dict[str, str]:
    """Return the status of each mutant by its name."""
    lines = _LINE.finditer(mutmut(copy, "results", "--all", "true"))
    return {line["mutant"]: line["status"] for line in lines}


def draw(mutants: Sequence[str], count: int, seed: int) -> list[str]:
    """Return `count` mutants, each equally likely."""
    return sorted(random.Random(seed).sample(sorted(mutants), min(count, len(mutants))))


def missed(drawn: Sequence[str], became: dict[str, str]) -> Iterator[str]:
    """Yield the mutants that no test saw."""
    return (f"{name}: {became[name]}" for name in drawn if became[name] not in _SEEN)


OPTIONS = parser("mutants", __doc__)
OPTIONS.add_argument("--room", default="analyse", help="a folder of timelift/; default: analyse")
OPTIONS.add_argument("--mutants", type=positive, default=200, metavar="N", help="default: 200")


@program(OPTIONS)
def main(asked: argparse.Namespace) -> int:
    count = 4 if asked.quick else asked.mutants
    with tempfile.TemporaryDirectory(prefix="timelift-mutants-") as folder:
        copy = Path(folder)
        lay_out(copy, asked.room)
        printed = mutmut(copy, "run", _NONE)
        if not (mutants := list(statuses(copy))):
            raise UserError(f"mutmut made no mutants of {asked.room}: {printed[-2000:]}")
        drawn = draw(mutants, count, asked.seed)
        mutmut(copy, "run", *drawn)
        became = statuses(copy)
    for line in missed(drawn, became):
        write(line)
    seen = Proportion(sum(became[name] in _SEEN for name in drawn), len(drawn))
    interval = binomtest(seen.hits, seen.tries).proportion_ci(0.95, "wilson")
    row = asked.room, len(mutants), len(drawn), seen, seen, interval.low, interval.high
    return BOARD.show([row])


if __name__ == "__main__":
    sys.exit(main())
