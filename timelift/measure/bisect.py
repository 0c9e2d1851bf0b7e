"""Find the commit that made a case slower: git bisect, with the paired gate as its judge.

Every commit in question is taken out of git into a folder of its own, and raced against the good
one there by today's `timelift bench --against-path`. A throw-away work tree without files holds the
state of the bisection; the user's is not touched.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from timelift.case import AXIS_FLAGS, Case, Phase
from timelift.errors import UserError
from timelift.journal import AGAINST_FOLDER
from timelift.measure.git import GitError, git, resolve_commit
from timelift.measure.launch import environment
from timelift.measure.other_side import take_out
from timelift.measure.sides_gate import UNCHANGED
from timelift.project import Project

#: pytest's exit code for an option that is wrong.
_PYTEST_USAGE = 4
_QUESTION = "bench/test_forward.py"
#: What a checkout of timelift has today is raced by; the rest is that of the commit in question.
_OURS = ("conftest.py", "pyproject.toml", "bench")
#: What is removed from the commit's, so that `import timelift` finds today's.
_LEFT_OUT = ("timelift", "results")
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

    project: Project
    good: str
    bad: str
    case: Case
    gate: str
    read: Callable[[Path], CommitVerdict]
    say: Callable[[str], None]

    def run(self) -> bool:
        """Try commits until the first slow one is named; False where there is none to name."""
        good, bad = (resolve_commit(self.project.root, word) for word in (self.good, self.bad))
        with _work_tree(self.project.root, bad) as tree:
            take_out(self.project.root, good, tree.parent / "good")
            worst = self._verdict(tree.parent, bad, first=True)
            self.say(f"{self.bad} against {self.good}: {worst.text}")
            if worst.word != "bad":
                self.say(f"{self.bad} is not shown to be slower, so there is nothing to find")
                return False
            return self._bisect(tree, good, bad)

    def _bisect(self, tree: Path, good: str, bad: str) -> bool:
        try:
            output = git(tree, "bisect", "start", "--no-checkout", bad, good)
        except GitError as error:
            raise UserError(
                f"expected GOOD to come before BAD, but git printed: {error.stderr}"
            ) from None
        while not (found := _FIRST_BAD.search(output)):
            head = git(tree, "log", "-1", "--format=%H\n%h %s", "BISECT_HEAD")
            commit, name = head.split("\n", 1)
            verdict = self._verdict(tree.parent, commit)
            self.say(f"{verdict.word:4} {name}: {verdict.text}")
            try:
                output = git(tree, "bisect", verdict.word)
            except GitError as error:
                self.say(f"no commit can be named: {error.stdout or error.stderr}")
                return False
        first = git(tree, "log", "-1", "--format=%H %an, %ad: %s", found[1])
        self.say(f"first slower commit: {first}")
        return True

    def _verdict(self, folder: Path, commit: str, *, first: bool = False) -> CommitVerdict:
        """Race a commit; skip where the case cannot be measured in it, or stays open.

        Raises UserError where the `first` one of all could not even be asked for.
        """
        project = Path(tempfile.mkdtemp(dir=folder))
        take_out(self.project.root, commit, project)
        _lay_over(self.project.root, project)
        if self.project.is_timelift:  # so is a commit of it: it has no strategies but its own
            (project / "timelift").symlink_to(Path(__file__).resolve().parents[1])
        done = subprocess.run(
            [sys.executable, "-m", "timelift", *self._words(folder / "good", project / "results")],
            cwd=project,
            capture_output=True,
            text=True,
            check=False,
            env=environment(),
        )
        if journals := list(project.glob(f"results/*/{AGAINST_FOLDER}/*.jsonl")):
            return self.read(journals[0])
        last = _last_line(f"{done.stdout}\n{done.stderr}")
        if first and done.returncode == _PYTEST_USAGE:
            raise UserError(last.removeprefix("ERROR: "))
        return CommitVerdict("good" if UNCHANGED in last else "skip", last)

    def _words(self, good: Path, results: Path) -> list[str]:
        fields = self.case.fields() | {"threads": self.case.setting.threads or "default"}
        forward = self.case.setting.phase is Phase.FORWARD
        options: dict[str, object] = {
            option: fields[axis]
            for axis, option in AXIS_FLAGS.items()
            if not (forward and axis == "gradients")
        }
        options |= {
            "--against-path": good,
            "--gate": self.gate,
            "--undecided": "fail",
            "--launches": _LAUNCHES,
            "--results": results,
        }
        question = _QUESTION  # which today's is laid over
        if not (self.project.root / _QUESTION).exists():
            question = str(self.project.packaged("bench") / Path(_QUESTION).name)
        words = ["bench", question, "-rs", "-p", "no:cacheprovider"]
        return words + [str(word) for pair in options.items() for word in pair]


@contextmanager
def _work_tree(root: Path, commit: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="timelift-bisect-") as name:
        tree = Path(name) / "tree"
        try:
            git(root, "worktree", "add", "--detach", "--no-checkout", str(tree), commit)
            yield tree
        finally:
            shutil.rmtree(tree, ignore_errors=True)
            with suppress(UserError):
                git(root, "worktree", "prune")


def _lay_over(root: Path, project: Path) -> None:
    """Remove `_LEFT_OUT` of a commit; of a checkout of timelift, put today's `_OURS` in."""
    is_checkout = (root / _QUESTION).exists()
    ours = [name for name in _OURS if is_checkout and (root / name).exists()]
    for name in (*ours, *_LEFT_OUT):
        path = project / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for name in ours:
        copy = shutil.copytree if (root / name).is_dir() else shutil.copy
        copy(root / name, project / name)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    reasons = [line for line in lines if line.startswith(("SKIPPED", "ERROR", "FAILED"))]
    return (reasons or lines or ["it printed nothing"])[-1]
