"""Find the commit that made a case slower: git bisect, with the paired gate as its judge.

Every commit in question is raced against GOOD, in throw-away work trees; yours is not touched.
Exit code 0: the commit was found. 2: BAD is not shown to be slower than GOOD, or the commits that
remain cannot be measured. 1: something has to be done first.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from timelift.case import OPTIONS, Case, Phase
from timelift.commands import share
from timelift.errors import UserError

#: Exit codes; pytest's own for an option that is wrong.
FOUND, NOT_FOUND, USAGE_EXIT = 0, 2, 1
_PYTEST_USAGE = 4
#: What a project has of today's, while the rest is that of the commit in question.
_OURS = frozenset({"conftest.py", "pyproject.toml", "bench", "timelift", "results", "report.py"})
#: One case has no others to learn its noise from, so it is screened on more launches.
_LAUNCHES = "5"
_FIRST_BAD = re.compile(r"^([0-9a-f]{7,}) is the first .*commit", re.MULTILINE)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the two ends, the case and the gate."""
    parser.add_argument("good", metavar="GOOD", help="a revision that was fast enough")
    parser.add_argument("bad", metavar="BAD", help="a later one that is not, like HEAD")
    parser.add_argument(
        "--case",
        required=True,
        metavar="LABEL",
        help="the case as pytest shows it, like tokens-T16-B8-forward-graph-native",
    )
    parser.add_argument(
        "--gate",
        type=share,
        default="3%",
        metavar="SHARE",
        help="how much slower is too slow, such as 3%% or 0.03 (default: 3%%)",
    )


def run(arguments: argparse.Namespace, root: Path) -> int:
    """Bisect; print a line for every commit that is tried, and the one that was found."""
    case = _case(arguments.case)
    ends = [_commit(root, word) for word in (arguments.good, arguments.bad)]
    with _work_trees(root, *ends) as trees:
        judge = Judge(trees, case, f"{100 * arguments.gate:.6g}%")
        worst = judge.verdict(first=True)
        _say(f"{arguments.bad} against {arguments.good}: {worst.text}")
        if worst.word != "bad":
            _say(f"{arguments.bad} is not shown to be slower, so there is nothing to find")
            return NOT_FOUND
        return _bisect(judge, *ends)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _case(label: str) -> Case:
    try:
        return Case.from_label(label)
    except ValueError as error:
        raise UserError(f"--case: {error}") from None


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
class Trees:
    """Folders of a bisection: GOOD's project, the tree in question, and what measures it.

    `inside` is where the project lies in a tree.
    """

    good: Path
    asked: Path
    project: Path
    inside: str


@contextmanager
def _work_trees(root: Path, good: str, bad: str) -> Iterator[Trees]:
    """Make the folders, and leave neither a folder nor a work tree behind."""
    with tempfile.TemporaryDirectory(prefix="timelift-bisect-") as name:
        folder = Path(name)
        inside = _git(root, "rev-parse", "--show-prefix").strip()
        before, asked = folder / "good", folder / "asked"
        try:
            _git(root, "worktree", "add", "--detach", str(before), good)
            _git(root, "worktree", "add", "--detach", str(asked), bad)
            trees = Trees(before / inside, asked, folder / "project", inside)
            _lay_out(root, trees.project)
            yield trees
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            _git(root, "worktree", "prune")


def _lay_out(root: Path, project: Path) -> None:
    """Make a project of today's doors and questions."""
    project.mkdir()
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(root / name, project)
    shutil.copytree(root / "bench", project / "bench")


def _link(trees: Trees) -> None:
    """Put whatever else the commit in question has beside them."""
    for path in trees.project.iterdir():
        if path.is_symlink():
            path.unlink()
    for path in (trees.asked / trees.inside).iterdir():
        if path.name not in _OURS and not path.name.startswith("."):
            (trees.project / path.name).symlink_to(path)


@dataclass(frozen=True)
class Verdict:
    """What git bisect is told of a commit, and why."""

    word: str
    text: str


@dataclass(frozen=True)
class Judge:
    """Race the tree in question against GOOD."""

    trees: Trees
    case: Case
    gate: str

    def verdict(self, *, first: bool = False) -> Verdict:
        """Say good, bad, or skip where the case cannot be measured, or stays open, in this commit.

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
        journals = list(results.glob("*/against/*.jsonl"))
        if journals:
            return _read(journals[0])
        told = _last_line(f"{done.stdout}\n{done.stderr}")
        if first and done.returncode == _PYTEST_USAGE:
            raise UserError(told.removeprefix("ERROR: "))
        return Verdict("good" if "unchanged since" in told else "skip", told)

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


def _read(journal: Path) -> Verdict:
    from timelift.analyse.runs import results  # noqa: PLC0415
    from timelift.analyse.runs.against import of_run  # noqa: PLC0415
    from timelift.analyse.stats import verdicts  # noqa: PLC0415
    from timelift.analyse.stats.outcomes import outcomes  # noqa: PLC0415
    from timelift.present import gate  # noqa: PLC0415

    run = results.load(journal)
    against = of_run(run)
    judged = outcomes(run, against) if against else []
    if against is None or not judged:
        reasons = [f"{one.status}: {one.reason}" for one in run.measurements if one.reason]
        return Verdict("skip", "; ".join(reasons) or "not measured")
    found = judged[0]
    if found.fails("pass"):
        return Verdict("bad", gate.failure(found, against))
    doubtful = found.time.verdict is verdicts.Verdict.UNDECIDED
    said = gate.undecided(found.time, against) if doubtful else str(found.time.verdict)
    return Verdict("skip" if doubtful else "good", said)


def _last_line(text: str) -> str:
    """The reason of the only item, or whatever was said last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith(("SKIPPED", "ERROR", "FAILED"))]
    return (told or lines or ["nothing was said"])[-1]


def _bisect(judge: Judge, good: str, bad: str) -> int:
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
        _say(f"{verdict.word:4} {commit.strip()}: {verdict.text}")
        try:
            said = _git(tree, "bisect", verdict.word)
        except subprocess.CalledProcessError as error:
            _say(f"no commit can be named: {(error.stdout or error.stderr).strip()}")
            return NOT_FOUND
    _say(f"first slower commit: {_git(tree, 'log', '-1', '--format=%H %an, %ad: %s', found[1])}")
    return FOUND
