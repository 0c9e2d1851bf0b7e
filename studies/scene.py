"""The scene of a kill: `pytest bench/` in a small project, and what it leaves on the disk."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from studies import remains
from studies.projects import HOME, lay_out
from studies.remains import MARK

#: The project: two quick strategies in four settings.
PARTS = (
    *("conftest.py", "pyproject.toml", "bench", "workloads"),
    *("strategies/native.py", "strategies/fold_time.py"),
)
#: Seconds after which a run that has not ended never will.
PATIENCE = 300.0


@dataclass(frozen=True)
class Grid:
    """What a run that is to be killed measures."""

    workloads: str
    batch_sizes: str
    launches: int

    @property
    def words(self) -> str:
        """The same as options."""
        return (
            f"--workloads {self.workloads} --seq-lens 3 --batch-sizes {self.batch_sizes} "
            f"--phases forward --modes graph --launches {self.launches} --round-seconds 0.02"
        )


USUAL, QUICK = Grid("sensor,tokens", "2,4", 3), Grid("sensor", "2", 2)


@dataclass(frozen=True)
class Scene:
    """A project, and the folder that one kill leaves its journal and its printed lines in."""

    project: Path
    results: Path
    grid: Grid = USUAL

    @classmethod
    def made(cls, folder: Path, results: Path, grid: Grid) -> Self:
        """Lay out the project in a folder."""
        lay_out(folder / "project", PARTS)
        return cls(folder / "project", results, grid)

    @property
    def mark(self) -> str:
        """What every process of these runs carries."""
        return f"{os.getpid()} {self.results}"

    def orphans(self) -> int:
        """Count the processes that their runs have left behind, and end them."""
        return remains.end_orphans(self.mark)

    @contextlib.contextmanager
    def start(self, name: str, words: str) -> Iterator[subprocess.Popen[bytes]]:
        """Start `pytest bench/`, to be ended by the caller; what it prints is kept under a name."""
        self.results.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "bench/"]
        own = {"PYTHONPATH": str(HOME), "TMPDIR": str(self.project.parent), MARK: self.mark}
        with self._file(name).open("wb") as said:
            run = subprocess.Popen(
                [*command, "--results", str(self.results), *words.split()],
                cwd=self.project,
                env={**os.environ, **own},
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        try:
            yield run
        finally:
            run.kill()
            run.wait()

    def run(self, name: str, words: str) -> int:
        """Do the same to the end and give the exit code."""
        with self.start(name, words) as run:
            return ended(run)

    def said(self, name: str) -> str:
        """Return what a run has printed, if there was one."""
        path = self._file(name)
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def _file(self, name: str) -> Path:
        return self.results / f"{name}.txt"

    def lines(self) -> list[bytes]:
        """Return the whole lines of the newest journal."""
        found = sorted(self.results.rglob("*.jsonl"), key=lambda path: path.name)
        return remains.whole_lines(found[-1].read_bytes()) if found else []


def ended(run: subprocess.Popen[bytes]) -> int:
    """Wait for the end of a run; one that never ends is killed, which its exit code says."""
    try:
        return run.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        run.kill()
        return run.wait()
