"""Journal files: found by what the user types, read in order to be resumed, and written."""

import contextlib
import errno
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from types import TracebackType
from typing import Any, Self

from timelift.case import Setting
from timelift.errors import UserError, nearest, path_is, writing
from timelift.journal.lines import SCHEMA, End, Header, Line, RunEnd, parse_time, utc_now
from timelift.journal.reading import (
    DAMAGED,
    contents,
    header_of_any_schema,
    opened,
    read_line,
    read_lines,
)
from timelift.measurement import CaseInLaunch

#: Beside the runs of a machine, the folders of its self-tests and of its runs against another side:
#: their rivals are copies, not strategies.
SELFTEST_FOLDER, AGAINST_FOLDER = "selftest", "against"
COPIES_FOLDERS = frozenset({SELFTEST_FOLDER, AGAINST_FOLDER})
#: Git's own shortest abbreviation of a commit.
_SHORTEST_COMMIT = 4
#: The name of a run's file: when the run began, and its commit.
_OWN_NAME = re.compile(r"\d{8}T\d{6}Z_[0-9a-z]+")
#: What the line of a case that was measured has.
_MEASURED = re.compile(rb'"status":\s*"measured"')
#: A header is one line; a longer first line is not one.
_LONGEST_HEADER = 1 << 26


def runs_under(folder: Path) -> list[Path]:
    """Return the readable journals under a folder, but for its `COPIES_FOLDERS`, copies last."""
    paths: list[Path] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in COPIES_FOLDERS]
        paths += [Path(parent, name) for name in names if name.endswith(".jsonl")]
    files = [path for path in paths if path.is_file()]
    return sorted(files, key=lambda path: (_is_copy(path), path))


def _is_copy(path: Path) -> bool:
    """True if a file seems to be a copy, which may have been made before the run was over."""
    return not _OWN_NAME.fullmatch(path.stem)


def _latest_run(paths: Iterable[Path], *, resumable: bool = False) -> Path:
    """Return the run that was started last, which may not be the file written last.

    Unless it is to be `resumable`, it is the last that measured something, if any did.
    """

    def place(path: Path) -> tuple[datetime, bool, str]:
        return _start_time(path), not _is_copy(path), path.name

    newest, *others = sorted(paths, key=place, reverse=True)
    return newest if resumable else next(filter(_measured, (newest, *others)), newest)


def _measured(path: Path) -> bool:
    with contextlib.suppress(OSError), opened(path) as lines:
        return any(map(_MEASURED.search, lines))
    return False


def _start_time(path: Path) -> datetime:
    """Return when a run began, by its header; the earliest time where that cannot be.

    A file may claim any time, but clocks of machines are not a day apart.
    """
    with contextlib.suppress(ValueError):
        started = parse_time(header_or_empty(path).started or "")
        if started < datetime.now(UTC) + timedelta(days=1):
            return started
    return datetime.min.replace(tzinfo=UTC)


def find_run(root: Path, word: str = "latest", *, resumable: bool = False) -> Path:
    """Return the file of the run that a word names, the newest if it names several.

    `latest` is no run that measured nothing, unless one that is `resumable` is looked for, and no
    run of `timelift advise` if there is another.

    Raises UserError with the nearest names where a word is neither `latest`, a file, a folder that
    holds a run, a machine's name, a run's name nor the beginning of a run's commit.
    """
    if not word:
        raise UserError(
            "expected a run, received an empty name; name one, or leave it out for the latest"
        )
    if path_is(Path(word).is_file):
        return Path(word)
    if word == "latest":
        folder, found = root, runs_under(root)
        others = (path for path in found if not header_or_empty(path).advises)
        found = [*others] or found
    else:
        folder, found = Path(word), _runs_called(word, root)
    if not found:
        raise UserError(
            f"expected a run under {str(folder)!r}, found none; measure one with: timelift bench"
        )
    return _latest_run(found, resumable=resumable and word == "latest")


def _runs_called(word: str, root: Path) -> list[Path]:
    """Return the runs that a word may mean; raises UserError where it is no folder either."""
    is_folder = path_is(Path(word).is_dir)
    if is_folder and (inside := runs_under(Path(word))):
        return inside
    runs = runs_under(root)
    if named := [path for path in runs if _is_named(path, word)]:
        return named
    is_name = word == Path(word).name and word != ".."
    if is_name and path_is((root / word).is_dir) and (inside := runs_under(root / word)):
        return inside  # of the machine of that name
    if is_folder:
        return []
    names = [path.stem for path in runs]
    hint = nearest(word, [*names, "latest"]) if names else f"{str(root)!r} holds no run"
    raise UserError(f"expected a run, a path, a folder or a commit, received {word!r}; {hint}")


def _is_named(path: Path, word: str) -> bool:
    """True if `word` names the run: its file, or the beginning of its commit."""
    if word in (path.name, path.stem):
        return True
    commit = header_or_empty(path).commit.id or ""
    long_enough = len(word) >= _SHORTEST_COMMIT <= len(commit)
    return long_enough and (commit.startswith(word) or word.startswith(commit))


def is_latest(path: Path, root: Path) -> bool:
    with contextlib.suppress(UserError, OSError):
        return find_run(root).samefile(path)
    return False


def read_header(path: Path) -> Header:
    """Read the header of a file; raises OSError or ValueError where it has none."""
    with opened(path) as file:
        header = read_line(file.readline(_LONGEST_HEADER))
    if not isinstance(header, Header):
        raise ValueError(  # noqa: TRY004 - as whatever is wrong with a file
            f"expected a header of journal schema {SCHEMA}, received another line"
        )
    return header


def header_or_empty(path: Path) -> Header:
    """Read the header of a file, of whatever schema; an empty one where it has none.

    So a run of a later schema can be the latest; it is refused when its lines are read.
    """
    with contextlib.suppress(OSError, *DAMAGED), opened(path) as file:
        return header_of_any_schema(file.readline(_LONGEST_HEADER))
    return Header()


#: Files of runs, each with the word that names it.
NamedRuns = Sequence[tuple[str, Path]]
#: The lines of what was played, by launch number and setting.
PlayedSettings = Mapping[tuple[int, Setting], Sequence[CaseInLaunch]]


@dataclass(frozen=True)
class ResumedRun:
    """A run to resume: its header, what was played, and how many bytes of its file to keep."""

    path: Path
    header: Header
    kept_bytes: int = 0
    played: PlayedSettings = field(default_factory=dict)

    @cached_property
    def cases(self) -> frozenset[str]:
        """The labels of the cases that it was going to measure."""
        planned = self.header.planned_cases()
        return frozenset(one if isinstance(one, str) else one.label for one in planned)


def read_resumed_run(path: Path) -> ResumedRun | None:
    """Read what a run has played; None where the file has no header of this schema.

    Not kept are a torn last line, and the lines of a setting in a launch that lacks some of its
    rivals: they were played together, and mean something only together.

    Raises OSError if the file cannot be read, ValueError if a line in it is damaged.
    """
    read = read_lines(contents(path))
    first = next(read, None)
    if first is None or not isinstance(first.line, Header) or first.torn:
        return None
    kept_bytes = first.end_bytes
    played: dict[tuple[int, Setting], list[CaseInLaunch]] = {}
    group: list[CaseInLaunch] = []
    for numbered in read:
        if numbered.torn:
            break
        if numbered.error:
            raise numbered.error
        if isinstance(numbered.line, CaseInLaunch):
            group.append(numbered.line)
        if not group or len(group) >= (group[-1].rivals or 1):
            for line in group:
                played.setdefault((line.number, line.case.setting), []).append(line)
            group, kept_bytes = [], numbered.end_bytes
    return ResumedRun(path, first.line, kept_bytes, played)


class Journal:
    """An append-only file of JSON lines, each on disk before the next begins.

    To resume a run, its file is cut after `kept_bytes`, and its header stays. The closing mark
    holds the `exit_word` if nothing is raised; `end` is this mark as it was written, empty while
    the run goes on.
    """

    def __init__(self, path: Path, header: Header, kept_bytes: int = 0) -> None:
        self.path, self.exit_word, self.end = path, RunEnd.COMPLETE, End(exit="")
        with writing(path, "make the folder writable or name another with --results"):
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_NOFOLLOW | (0 if kept_bytes else os.O_CREAT | os.O_EXCL)
            self._file = os.fdopen(os.open(path, flags, 0o666), "r+", encoding="utf-8")
            self._file.seek(kept_bytes)
            self._file.truncate()
            if not kept_bytes:
                self.append(header)

    def append(self, *lines: Line) -> None:
        """Write lines together and wait until the disk has them; raises UserError if not."""
        with writing(self.path, "make room, or name another folder with --results"):
            self._file.write("".join(json_line(line.fields()) for line in lines))
            self._file.flush()
            os.fsync(self._file.fileno())
            if not os.fstat(self._file.fileno()).st_nlink:
                raise FileNotFoundError(errno.ENOENT, "it was removed")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        exit_word = self.exit_word if kind is None else RunEnd.INTERRUPTED
        end = End(exit=exit_word, ended=utc_now())
        with contextlib.suppress(UserError):
            self.append(end)
            self.end = end
        with contextlib.suppress(OSError):
            self._file.close()


def json_line(fields: Mapping[str, Any]) -> str:
    """Return a line as it is in the file; raises ValueError for what no JSON can hold.

    Half a surrogate of a file's name becomes a question mark, since the file is UTF-8.
    """
    text = json.dumps(fields, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="replace").decode() + "\n"


def ignored_by_git(folder: Path) -> Path:
    """The folder; if it is not there, it is made, and git told to leave it out of commits."""
    if not folder.exists():
        folder.mkdir(parents=True)
        (folder / ".gitignore").write_text("# made by timelift\n*\n")
    return folder


def refuse_link_out(folder: Path, top: Path) -> Path:
    """The folder; raises OSError if a link on the way to it leads out of `top`."""
    if not Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(top)):
        raise OSError(errno.EXDEV, f"a link below {str(top)!r} leads out of it")
    return folder


def own_results(root: Path) -> Path:
    """The results folder of a project; raises UserError where a link there leads out of it."""
    with writing(root / "results", "name another folder with --results or --output"):
        return refuse_link_out(root / "results", root)


def replace_file(path: Path, content: str | bytes, top: Path) -> None:
    """Write a file whole or not at all; a link in its place is replaced.

    Raises OSError, also where a link to its folder leads out of `top`.
    """
    draft = refuse_link_out(path.parent, top) / f".{token_hex(8)}.new"  # so that no one planted it
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with draft.open("xb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
