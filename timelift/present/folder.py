"""The folder of a report: its files are written, and what an earlier report left there goes.

`.timelift.json` in the folder holds one JSON object: by command, the files that it wrote there,
each path (relative, `/` between its parts) with the SHA-256 of its bytes. A file goes only if it is
still as it was written, so what a user put there or changed stays. Everything read is input: a list
that is not like this, or leads out of the folder, is as good as absent.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from timelift.errors import writing
from timelift.journal import BAD_RECORD

FILE = ".timelift.json"
#: What to do where the folder does not allow it.
ADVICE = "name another folder with --output"


def write(path: Path, text: str) -> Path:
    """Write a file of the report; raises UserError where the folder does not allow it."""
    with writing(path, ADVICE):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    return path


def clear(folder: Path, command: str, written: Iterable[Path]) -> None:
    """Remove what `command` wrote into a folder before and not now, and note what it wrote now.

    Raises UserError where the folder does not allow it.
    """
    with writing(folder, ADVICE):
        kept = {_name(folder, path): _digest(path) for path in written}
    known = _read(folder / FILE)
    for name, digest in known.get(command, {}).items():
        if name not in kept:
            _remove(folder, name, digest)
    write(folder / FILE, json.dumps({**known, command: kept}, indent=1) + "\n")


def _name(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read(path: Path) -> dict[str, Mapping[str, str]]:
    """Read what was noted by command; nothing where the list is damaged."""
    try:
        fields = json.loads(path.read_bytes())
    except (*BAD_RECORD, OSError):
        return {}
    commands = fields.items() if isinstance(fields, dict) else ()
    return {str(name): _files(noted) for name, noted in commands if isinstance(noted, dict)}


def _files(noted: Mapping[str, Any]) -> dict[str, str]:
    return {name: digest for name, digest in noted.items() if isinstance(digest, str)}


def _remove(folder: Path, name: str, digest: str) -> None:
    """Remove a file that is as it was written, and its folder where nothing else is in it."""
    place = PurePosixPath(name)
    if place.is_absolute() or ".." in place.parts or not place.parts:
        return
    path = folder / place
    # ValueError: a name that no file can have
    with contextlib.suppress(OSError, ValueError):
        if path.is_file() and not path.is_symlink() and _digest(path) == digest:
            path.unlink()
            if path.parent != folder:
                path.parent.rmdir()
