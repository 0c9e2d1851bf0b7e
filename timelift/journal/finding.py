"""Which run the user means: `latest`, a file, a folder, a machine, a name or a commit."""

import os
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from timelift.errors import UserError, nearest
from timelift.journal.lines import Machine, moment
from timelift.journal.machines import identity_of
from timelift.journal.reading import header_of

#: Beside the runs of a machine, the folders of its self-tests and of its runs against another side:
#: their rivals are twins, not strategies.
SELFTEST_FOLDER, AGAINST_FOLDER = "selftest", "against"
TWINS_FOLDERS = frozenset({SELFTEST_FOLDER, AGAINST_FOLDER})
#: Beside the folders of machines, runs that are kept in git; each machine has a folder in it.
BASELINE_FOLDER = "baselines"
#: Folders whose runs are found only where the folder itself is asked for.
APART = TWINS_FOLDERS | {BASELINE_FOLDER}
#: Git's own shortest abbreviation of a commit.
_SHORTEST_COMMIT = 4


def runs_under(folder: Path) -> list[Path]:
    """Return the journals under a folder; those of twins and baselines only where it is theirs.

    A folder that cannot be read, or goes away meanwhile, holds none.
    """
    found: list[Path] = []
    for place, inside, names in os.walk(folder):
        inside[:] = [name for name in inside if name not in APART]
        found += [Path(place, name) for name in names if name.endswith(".jsonl")]
    return sorted(path for path in found if path.is_file())


def runs_and_baselines(root: Path) -> list[Path]:
    """Return the journals under the folder of all results, those of its baselines last."""
    return [*runs_under(root), *runs_under(root / BASELINE_FOLDER)]


def latest(paths: Iterable[Path]) -> Path:
    """Return the run that was started last, which may not be the file written last."""
    return max(paths, key=lambda path: (started(path), path.name))


def started(path: Path) -> datetime:
    """Return when a run began, by its header; the earliest time where that cannot be read."""
    try:
        return moment(str(header_of(path).started))
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


def find(root: Path, words: Sequence[str] = ()) -> list[Path]:
    """Return one file for each word, or the newest run under the folder `root` if there is none."""
    return [find_run(root, word) for word in words or ("latest",)]


def find_run(root: Path, word: str) -> Path:
    """Return the file of the run that a word names, the newest where it names several.

    Raises UserError with the nearest names where a word is neither `latest`, a file, a folder that
    holds a run, a machine's name, a run's or a baseline's name nor the beginning of a run's commit.
    """
    if _is(Path(word).is_file):
        return Path(word)
    if word == "latest" or _is(Path(word).is_dir):
        return _newest_under(root if word == "latest" else Path(word))
    kept = root / BASELINE_FOLDER
    known, baselines = runs_under(root), runs_under(kept)
    found = [path for path in known if _names(path, word)]
    found = found or [path for path in baselines if _names(path, word)]
    found = found or _in_folder_of(root, word) or _in_folder_of(kept, word)
    if not found:
        raise UserError(_unknown(root, word, [*known, *baselines]))
    return latest(found)


def of_same_machine(root: Path, machine: Machine, except_for: Iterable[Path] = ()) -> list[Path]:
    """Return the runs and baselines of a machine in the order of their times, each time once."""
    if machine.name is None:
        return []
    seen = {started(path) for path in except_for}
    named = [
        path for one in (root, root / BASELINE_FOLDER) for path in _in_folder_of(one, machine.name)
    ]
    runs = [path for path in named if identity_of(header_of(path).machine) == identity_of(machine)]
    by_time = {started(path): path for path in reversed(runs)}
    return [by_time[time] for time in sorted(by_time) if time not in seen]


def _in_folder_of(folder: Path, word: str) -> list[Path]:
    """Return the runs in the folder of the machine of that name."""
    one = folder / word
    inside = word == Path(word).name and word != ".."
    return runs_under(one) if inside and _is(one.is_dir) else []


def _is(asked: Callable[[], bool]) -> bool:
    """Test a path, whose name may be longer than any file's."""
    try:
        return asked()
    except OSError:
        return False


def _newest_under(folder: Path) -> Path:
    runs = runs_under(folder)
    if not runs:
        raise UserError(
            f"expected a run under {str(folder)!r}, found none; measure one with: pytest bench/"
        )
    return latest(runs)


def _names(path: Path, word: str) -> bool:
    """True if `word` names the run: its file, or the beginning of its commit."""
    if word in (path.name, path.stem):
        return True
    commit = header_of(path).commit.id or path.stem.rpartition("_")[2]
    long_enough = len(word) >= _SHORTEST_COMMIT <= len(commit)
    return long_enough and (commit.startswith(word) or word.startswith(commit))


def _unknown(root: Path, word: str, known: Iterable[Path]) -> str:
    names = [path.stem for path in known]
    hint = f"the nearest are {nearest(word, names)}" if names else f"{str(root)!r} holds no run"
    return f"expected a run, a path, a folder or a commit, received {word!r}; {hint}"
