"""Which run the user means: `latest`, a file, a folder, a machine, a name or a commit."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from timelift.errors import UserError, nearest
from timelift.journal import BASELINE_FOLDER, header_of, latest, runs_under, started

#: Git's own shortest abbreviation of a commit.
_SHORTEST_COMMIT = 4


def find(root: Path, words: Sequence[str] = ()) -> list[Path]:
    """Give one file for each word, or the newest run under the folder `root` if there is none.

    Raises UserError with the nearest names where a word is neither `latest`, a file, a folder that
    holds a run, a machine's name, a run's or a baseline's name nor the beginning of a run's commit.
    """
    return [_find(root, word) for word in words or ("latest",)]


def _find(root: Path, word: str) -> Path:
    if _is(Path(word).is_file):
        return Path(word)
    if word == "latest" or _is(Path(word).is_dir):
        return _newest_under(root if word == "latest" else Path(word))
    kept = root / BASELINE_FOLDER
    known, baselines = runs_under(root), runs_under(kept)
    found = [path for path in known if _names(path, word)]
    found = found or [path for path in baselines if _names(path, word)]
    found = found or _of_machine(root, word) or _of_machine(kept, word)
    if not found:
        raise UserError(_unknown(root, word, [*known, *baselines]))
    return latest(found)


def _of_machine(folder: Path, word: str) -> list[Path]:
    """Give the runs in the folder of that name, which is a name and never a path."""
    one = folder / word
    inside = word == Path(word).name and word != ".."
    return runs_under(one) if inside and _is(one.is_dir) else []


def _is(asked: Callable[[], bool]) -> bool:
    """Ask something of a path, whose name may be longer than any file's."""
    try:
        return asked()
    except OSError:
        return False


def of_same_machine(root: Path, machine: object, except_for: Iterable[Path] = ()) -> list[Path]:
    """Give the runs and baselines of a machine in the order of their times, each time once."""
    name = machine.get("name") if isinstance(machine, dict) else None
    if not isinstance(name, str):
        return []
    seen = {started(path) for path in except_for}
    runs = [*_of_machine(root, name), *_of_machine(root / BASELINE_FOLDER, name)]
    by_time = {started(path): path for path in reversed(runs)}
    return [by_time[time] for time in sorted(by_time) if time not in seen]


def _newest_under(folder: Path) -> Path:
    runs = runs_under(folder)
    if not runs:
        raise UserError(
            f"expected a run under {str(folder)!r}, found none; measure one with: pytest bench/"
        )
    return latest(runs)


def _names(path: Path, word: str) -> bool:
    """Whether `word` names the run: its file, or the beginning of its commit."""
    commit = _commit(path)
    long_enough = len(word) >= _SHORTEST_COMMIT <= len(commit)
    return word in (path.name, path.stem) or (
        long_enough and (commit.startswith(word) or word.startswith(commit))
    )


def _commit(path: Path) -> str:
    commit = header_of(path).get("commit")
    revision = commit.get("id") if isinstance(commit, dict) else None
    return revision if isinstance(revision, str) else path.stem.rpartition("_")[2]


def _unknown(root: Path, word: str, known: Iterable[Path]) -> str:
    names = [path.stem for path in known]
    hint = f"the nearest are {nearest(word, names)}" if names else f"{str(root)!r} holds no run"
    return f"expected a run, a path, a folder or a commit, received {word!r}; {hint}"
