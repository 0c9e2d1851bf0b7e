"""Find the commit that made a case slower: git bisect, with the paired gate as its judge.

Every commit in question is raced against the good one by `pytest bench/ --against-path`, in
throw-away work trees; the user's is not touched.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from timelift.case import OPTIONS, Case, Phase
from timelift.errors import UserError
from timelift.journal import AGAINST_FOLDER
from timelift.measure.sides_gate import UNCHANGED

#: pytest's exit code for an option that is wrong.
_PYTEST_USAGE = 4
#: What a project has of today's, while the rest is that of the commit in question.
_OURS = frozenset({"conftest.py", "pyproject.toml", "bench", "timelift", "results", "report.py"})
#: One case has no others to learn its noise from, so it is screened on more launches.
_LAUNCHES = "5"
_FIRST_BAD = re.compile(r"^([0-9a-f]{7,}) is the first .*commit", re.MULTILINE)


@dataclass(frozen=True)
class CommitVerdict:
    """What git bisect is told of a commit, `good`, `bad` or `skip`, and why."""

    word: str
    text: str


@dataclass(frozen=True)
class Bisection:
    """Two revisions, a case that may have become slower between them, and the gate in per cent.

    `read` judges the journal of a race against the good revision, and `say` shows a line.
    """

    root: Path
    good: str
    bad: str
    case: Case
    gate: str
    read: Callable[[Path], CommitVerdict]
    say: Callable[[str], None]

    def run(self) -> bool:
        """Try commits until the first slow one is named; False where there is none to name."""
        ends = [_commit(self.root, word) for word in (self.good, self.bad)]
        with _work_trees(self.root, *ends) as trees:
            judge = _Judge(trees, self.case, self.gate, self.read)
            worst = judge.verdict(first=True)
            self.say(f"{self.bad} against {self.good}: {worst.text}")
            if worst.word != "bad":
                self.say(f"{self.bad} is not shown to be slower, so there is nothing to find")
                return False
            return self._bisect(judge, *ends)

    def _bisect(self, judge: "_Judge", good: str, bad: str) -> bool:
        tree = judge.trees.asked
        try:
            said = _git(tree, "bisect", "start", bad, good)
        except subprocess.CalledProcessError as error:
            raise UserError(
                f"expected GOOD to come before BAD, but git says: {(error.stderr or '').strip()}"
            ) from None
        while not (found := _FIRST_BAD.search(said)):
            commit = _git(tree, "log", "-1", "--format=%h %s")
            verdict = judge.verdict()
            self.say(f"{verdict.word:4} {commit.strip()}: {verdict.text}")
            try:
                said = _git(tree, "bisect", verdict.word)
            except subprocess.CalledProcessError as error:
                self.say(f"no commit can be named: {(error.stdout or error.stderr).strip()}")
                return False
        first = _git(tree, "log", "-1", "--format=%H %an, %ad: %s", found[1])
        self.say(f"first slower commit: {first}")
        return True


def _commit(root: Path, word: str) -> str:
    try:
        return _git(root, "rev-parse", "--verify", "--quiet", f"{word}^{{commit}}").strip()
    except subprocess.CalledProcessError:
        raise UserError(
            f"expected a revision that git knows here, received {word!r}; fetch it or name another"
        ) from None
    except OSError as error:
        raise UserError(f"git cannot be run ({error.strerror}); install it") from None


def _git(root: Path, *words: str) -> str:
    return subprocess.run(
        ["git", "-C", root, *words], capture_output=True, text=True, check=True
    ).stdout


@dataclass(frozen=True)
class _Trees:
    """Folders of a bisection: GOOD's project, the tree in question, and what measures it.

    `inside` is where the project lies in a tree.
    """

    good: Path
    asked: Path
    project: Path
    inside: str


@contextmanager
def _work_trees(root: Path, good: str, bad: str) -> Iterator[_Trees]:
    """Make the folders, and leave neither a folder nor a work tree behind."""
    with tempfile.TemporaryDirectory(prefix="timelift-bisect-") as name:
        folder = Path(name)
        inside = _git(root, "rev-parse", "--show-prefix").strip()
        before, asked = folder / "good", folder / "asked"
        try:
            _git(root, "worktree", "add", "--detach", str(before), good)
            _git(root, "worktree", "add", "--detach", str(asked), bad)
            trees = _Trees(before / inside, asked, folder / "project", inside)
            _lay_out(root, trees.project)
            yield trees
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            _git(root, "worktree", "prune")


def _lay_out(root: Path, project: Path) -> None:
    """Make a project of today's conftest.py and bench/."""
    project.mkdir()
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(root / name, project)
    shutil.copytree(root / "bench", project / "bench")


def _link(trees: _Trees) -> None:
    """Link the other files of the commit in question beside them."""
    for path in trees.project.iterdir():
        if path.is_symlink():
            path.unlink()
    for path in (trees.asked / trees.inside).iterdir():
        if path.name not in _OURS and not path.name.startswith("."):
            (trees.project / path.name).symlink_to(path)


@dataclass(frozen=True)
class _Judge:
    trees: _Trees
    case: Case
    gate: str
    read: Callable[[Path], CommitVerdict]

    def verdict(self, *, first: bool = False) -> CommitVerdict:
        """Return good or bad, or skip where the case cannot be measured here or stays open.

        Raises UserError where the `first` one of all could not even be asked for.
        """
        _link(self.trees)
        results = Path(tempfile.mkdtemp(dir=self.trees.good.parent))
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *self._words(results)],
            cwd=self.trees.project,
            capture_output=True,
            text=True,
            check=False,
            env=_environment(),
        )
        journals = list(results.glob(f"*/{AGAINST_FOLDER}/*.jsonl"))
        if journals:
            return self.read(journals[0])
        told = _last_line(f"{done.stdout}\n{done.stderr}")
        if first and done.returncode == _PYTEST_USAGE:
            raise UserError(told.removeprefix("ERROR: "))
        return CommitVerdict("good" if UNCHANGED in told else "skip", told)

    def _words(self, results: Path) -> list[str]:
        fields = self.case.fields() | {"threads": self.case.setting.threads or "default"}
        forward = self.case.setting.phase is Phase.FORWARD
        options: dict[str, object] = {
            option: fields[axis]
            for axis, option in OPTIONS.items()
            if not (forward and axis == "gradients")
        }
        options |= {
            "--against-path": self.trees.good,
            "--gate": self.gate,
            "--undecided": "fail",
            "--launches": _LAUNCHES,
            "--results": results,
        }
        words = ["bench/test_forward.py", "-rs", "-p", "no:cacheprovider", "--wait"]
        return words + [str(word) for pair in options.items() for word in pair]


def _environment() -> dict[str, str]:
    home = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path}


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith(("SKIPPED", "ERROR", "FAILED"))]
    return (told or lines or ["nothing was said"])[-1]
