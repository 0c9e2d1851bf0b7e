"""Which run the user means: `latest`, a file, a folder, a machine, a name or a commit."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from timelift.errors import UserError, nearest
from timelift.journal import BASELINE_FOLDER, TWINS_FOLDERS

#: A header is one line; a longer first line is not one.
_LONGEST_HEADER = 1 << 20
#: Git's own shortest abbreviation of a commit.
_SHORTEST_COMMIT = 4
#: Folders whose runs are found only by who asks for them.
_APART = TWINS_FOLDERS | {BASELINE_FOLDER}


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
    known, baselines = _runs(root), _runs(kept)
    found = [path for path in known if _names(path, word)]
    found = found or [path for path in baselines if _names(path, word)]
    found = found or _of_machine(root, word) or _of_machine(kept, word)
    if not found:
        raise UserError(_unknown(root, word, [*known, *baselines]))
    return _newest(found)


def _of_machine(folder: Path, word: str) -> list[Path]:
    """Give the runs in the folder of that name, which is a name and never a path."""
    one = folder / word
    inside = word == Path(word).name and word != ".."
    return _runs(one) if inside and _is(one.is_dir) else []


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
    seen = {_started(path) for path in except_for}
    by_time: dict[datetime, Path] = {}
    for path in (*_of_machine(root, name), *_of_machine(root / BASELINE_FOLDER, name)):
        by_time.setdefault(_started(path), path)
    return [by_time[time] for time in sorted(by_time) if time not in seen]


def _newest_under(folder: Path) -> Path:
    runs = _runs(folder)
    if not runs:
        raise UserError(
            f"expected a run under {str(folder)!r}, found none; measure one with: pytest bench/"
        )
    return _newest(runs)


def _runs(folder: Path) -> list[Path]:
    """Give the runs under a folder; those of twins and baselines only where it is theirs."""
    paths = folder.rglob("*.jsonl")
    return sorted(
        path
        for path in paths
        if path.is_file() and not _APART.intersection(path.relative_to(folder).parts)
    )


def _newest(paths: Iterable[Path]) -> Path:
    return max(paths, key=lambda path: (_started(path), path.name))


def _started(path: Path) -> datetime:
    """When the run began, by its header; the beginning of time where that cannot be read."""
    try:
        started = datetime.fromisoformat(str(_header(path).get("started")))
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return started.astimezone(UTC) if started.tzinfo else started.replace(tzinfo=UTC)


def _header(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            header = json.loads(file.readline(_LONGEST_HEADER))
    except (OSError, ValueError, RecursionError):
        return {}
    return header if isinstance(header, dict) else {}


def _names(path: Path, word: str) -> bool:
    """Whether `word` names the run: its file, or the beginning of its commit."""
    commit = _commit(path)
    long_enough = len(word) >= _SHORTEST_COMMIT <= len(commit)
    return word in (path.name, path.stem) or (
        long_enough and (commit.startswith(word) or word.startswith(commit))
    )


def _commit(path: Path) -> str:
    commit = _header(path).get("commit")
    revision = commit.get("id") if isinstance(commit, dict) else None
    return revision if isinstance(revision, str) else path.stem.rpartition("_")[2]


def _unknown(root: Path, word: str, known: Iterable[Path]) -> str:
    names = [path.stem for path in known]
    hint = f"the nearest are {nearest(word, names)}" if names else f"{str(root)!r} holds no run"
    return f"expected a run, a path, a folder or a commit, received {word!r}; {hint}"
