"""Plant faults and run the tests that should see them: `python -m studies.mutations --room gate`.

One fault at a time (`studies.faults`) is planted in a copy of the checkout's tracked files, and the
tests that `make test` has for its room are run there until the first that fails. First they are run
without any fault, and must pass. A fault is caught by a test that fails, or by tests that do not
end. Exit code 1: a fault survives, its text does not stand once in its file, or tests do not run.
"""

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from studies import ROOT, answer, parser, write
from studies.faults import FAULTS, Fault
from studies.scoreboard import Column, Row, Scoreboard
from timelift.errors import UserError, nearest

#: Seconds after which tests that have not ended never will.
PATIENCE = 300.0
#: The rooms of which `--quick` tries the first fault: their tests take seconds.
QUICK_ROOMS = ("ground", "journal", "stats")
CONTROL = Scoreboard(
    (
        Column("without a fault", width=58),
        Column("seconds", ".0f"),
        Column("wrong", most=0),
    )
)
CAUGHT = Scoreboard(
    (
        Column("room", width=10),
        Column("fault", width=52),
        Column("caught by", width=76),
        Column("seconds", ".0f"),
        Column("uncaught", most=0),
    ),
    words=3,
)
#: How pytest names a test that failed, whatever its parameters hold.
_FAILED = re.compile(r"^FAILED (.+?)(?: - .*)?$", re.MULTILINE)
_PASSED, _SOME_FAILED = 0, 1
Item = TypeVar("Item")
Found = TypeVar("Found")


@dataclass(frozen=True)
class Tried:
    """What became of tests: `code` is pytest's, None where they did not end."""

    code: int | None
    printed: str
    seconds: float

    @property
    def failed(self) -> str:
        """The first test that failed; empty where none did."""
        found = _FAILED.search(self.printed)
        return found[1] if found and self.code == _SOME_FAILED else ""


def tracked_files(root: Path) -> list[Path]:
    """Return the tracked files of a checkout, relative to it; raises UserError where it is none."""
    done = subprocess.run(
        ["git", "-C", root, "ls-files", "-z"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UserError(f"expected a git checkout, whose tracked files are copied: {str(root)!r}")
    paths = map(Path, filter(None, done.stdout.split("\0")))
    return [path for path in paths if (root / path).is_file()]


def try_tests(root: Path, tests: Iterable[str], fault: Fault | None = None) -> Tried:
    """Run tests in a copy of the checkout, with or without a fault in it."""
    with tempfile.TemporaryDirectory(
        prefix="timelift-mutations-", ignore_cleanup_errors=True
    ) as folder:  # processes that a test started may still be ending
        copy, temporary = Path(folder, "checkout"), Path(folder, "tmp")
        temporary.mkdir()
        for path in tracked_files(root):
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / path, copy / path)
        if fault:
            (copy / fault.path).write_text(fault.planted(root), encoding="utf-8")
        return _run(copy, temporary, tests)


def _run(copy: Path, temporary: Path, tests: Iterable[str]) -> Tried:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    others = {name: one for name, one in os.environ.items() if not name.startswith("PYTEST_")}
    begun = time.monotonic()
    with (temporary / "printed").open("w+", encoding="utf-8", errors="replace") as printed:
        run = subprocess.Popen(
            command,
            cwd=copy,
            # the copy comes before the package that is installed, in processes of tests too
            env={**others, "PYTHONPATH": str(copy), "TMPDIR": str(temporary)},
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                run.wait(PATIENCE)
            code = run.poll()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
            run.wait()
        printed.seek(0)
        return Tried(code, printed.read(), time.monotonic() - begun)


def control(root: Path, tests: Sequence[str]) -> Row:
    """Run tests without a fault; they must pass, or their failing with one means nothing."""
    tried = try_tests(root, tests)
    return " ".join(tests), tried.seconds, int(tried.code != _PASSED)


def try_fault(root: Path, fault: Fault) -> Row:
    count = fault.count(root)
    if count != 1:
        why = f"nothing: its text stands {count} times in {fault.path}"
        return fault.room, fault.what, why, None, 1
    tried = try_tests(root, fault.tests, fault)
    by = tried.failed
    if tried.code is None:
        by = "tests that do not end"
    elif not by and tried.code != _PASSED:
        return fault.room, fault.what, f"nothing: {_not_run(tried)}", tried.seconds, 1
    return fault.room, fault.what, by or "nothing: it survives", tried.seconds, int(not by)


def _not_run(tried: Tried) -> str:
    last = tried.printed.strip().splitlines()[-1:]
    return f"the tests do not run (exit code {tried.code}): {''.join(last)}"


def side_by_side(
    jobs: int, attempt: Callable[[Item], Found], items: Iterable[Item]
) -> Iterator[Found]:
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(attempt, items)


def main(words: Sequence[str] | None = None) -> int:
    options = parser("mutations", __doc__)
    options.add_argument("--room", metavar="NAME", help="plant the faults of one room alone")
    options.add_argument("--jobs", type=int, default=2, metavar="N", help="default: 2")
    return answer(options, words, _study)


def _study(asked: argparse.Namespace) -> int:
    chosen = _chosen(asked)
    sets = list(dict.fromkeys(fault.tests for fault in chosen))
    wrong = CONTROL.show(side_by_side(asked.jobs, lambda tests: control(ROOT, tests), sets))
    write("")
    return wrong | CAUGHT.show(
        side_by_side(asked.jobs, lambda fault: try_fault(ROOT, fault), chosen)
    )


def _chosen(asked: argparse.Namespace) -> Sequence[Fault]:
    """Return the faults that were asked for; raises UserError of an unknown room."""
    rooms = list(dict.fromkeys(fault.room for fault in FAULTS))
    if asked.room and asked.room not in rooms:
        raise UserError(f"--room: unknown room {asked.room!r}; {nearest(asked.room, rooms)}")
    if asked.room:
        return [fault for fault in FAULTS if fault.room == asked.room]
    if asked.quick:
        return [next(one for one in FAULTS if one.room == room) for room in QUICK_ROOMS]
    return FAULTS


if __name__ == "__main__":
    sys.exit(main())
