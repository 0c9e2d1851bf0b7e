"""Writing a journal: appended and flushed while a run goes on."""

import contextlib
import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from timelift.errors import UserError, writing
from timelift.journal.lines import End, Header, Line, RunEnd, utc_now


class Journal:
    """An append-only file of JSON lines, each on disk before the next begins.

    With `kept_bytes` a run is resumed: its file, which has a header, is cut there.

    `exit_word` is what the closing mark holds where nothing is raised.
    """

    def __init__(self, path: Path, header: Header, kept_bytes: int = 0) -> None:
        self.path, self.exit_word = path, RunEnd.COMPLETE
        with writing(path, "make the folder writable or name another with --results"):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("r+" if kept_bytes else "x", encoding="utf-8")
            self._file.seek(kept_bytes)
            self._file.truncate()
            if not kept_bytes:
                self.append(header)

    def append(self, *lines: Line) -> None:
        """Write lines together and wait until the disk has them; raises UserError if not."""
        with writing(self.path, "make room, or name another folder with --results"):
            self._file.write("".join(map(line_text, lines)))
            self._file.flush()
            os.fsync(self._file.fileno())
            if not os.fstat(self._file.fileno()).st_nlink:
                raise FileNotFoundError(errno.ENOENT, "it was removed")

    def close(self, exit_word: str) -> None:
        with contextlib.suppress(UserError):
            self.append(End(exit=exit_word, ended=utc_now()))
        with contextlib.suppress(OSError):
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close(self.exit_word if kind is None else RunEnd.INTERRUPTED)


def line_text(line: Line) -> str:
    """Return a line as it is in the file; raises ValueError for what no JSON can hold."""
    return json_line(line.fields())


def json_line(fields: Mapping[str, Any]) -> str:
    """Return JSON in UTF-8; half a surrogate of a file's name becomes a question mark."""
    text = json.dumps(fields, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="replace").decode() + "\n"


def replace_text(path: Path, text: str) -> None:
    """Write a file whole or not at all; raises OSError where the folder does not allow it."""
    draft = path.with_name(f".{path.name}.new")  # a name that no file of a user's has
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
