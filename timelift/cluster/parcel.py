"""A project's own Python files as one parcel, and its paths as they are on another machine."""

import contextlib
import hashlib
import io
import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from timelift.errors import UserError, path_is, writing

#: What stands in an order for the folder of the files that were sent, and for timelift's own.
SENT, BROUGHT = "/timelift-sent", "/timelift-brought"
MOST_BYTES = 20_000_000
#: Folders that are not sent: hidden ones, caches, and what environments have installed.
_LEFT_OUT = re.compile(r"\..*|__pycache__|node_modules|site-packages")


class Parcel(NamedTuple):
    """A zip of files; `places` has where each root is, from the folder that it is unpacked to."""

    digest: str
    data: bytes
    places: Mapping[str, str]


def pack(roots: Sequence[Path]) -> Parcel:
    """Pack the Python files below absolute folders; one inside of another is packed with it."""
    files: dict[str, Path] = {}
    places: dict[str, str] = {}
    for root in sorted(roots, key=lambda root: len(root.parts)):
        paths = _python_files(root, roots)
        if paths.isdisjoint(files.values()):
            top = root.parent if root.is_file() else root
            files |= {f"{len(places)}/{path.relative_to(top)}": path for path in paths}
            places[str(root)] = f"{len(places)}/{root.name if root.is_file() else ''}".rstrip("/")
    data = _zipped(files)
    return Parcel(hashlib.sha256(data).hexdigest()[:16], data, places)


def _zipped(files: Mapping[str, Path]) -> bytes:
    """Return a zip of files, by their names there; equal files make an equal one."""
    sizes, packed = Counter[Path](), io.BytesIO()
    try:
        with ZipFile(packed, "w") as archive:
            for name, path in sorted(files.items()):
                sizes[path.parent] += path.stat().st_size
                archive.writestr(ZipInfo(name), path.read_bytes(), ZIP_DEFLATED)  # without a time
    except (OSError, UnicodeError) as error:
        raise UserError(f"cannot send a Python file ({error}); make it readable") from None
    if sizes.total() > MOST_BYTES:
        raise UserError(
            f"expected at most {MOST_BYTES / 1e6:g} MB of Python files, received "
            f"{sizes.total() / 1e6:.1f} MB, the most in {str(sizes.most_common(1)[0][0])!r}; move "
            "them out of the project, or into a folder whose name begins with a dot"
        )
    return packed.getvalue()


def _python_files(root: Path, roots: Sequence[Path]) -> set[Path]:
    """Return a root that is a file, or the files below it, but for links out of all roots."""
    own = {root} if root.is_file() else set[Path]()
    for folder, inner, names in os.walk(root):
        inner[:] = [name for name in inner if not _LEFT_OUT.fullmatch(name)]
        own |= {Path(folder, name) for name in names if name.endswith(".py")}
    ends = {path: path.resolve() for path in own if path.is_file()}
    inside = [each.resolve() for each in roots]
    return {path for path, end in ends.items() if any(map(end.is_relative_to, inside))}


def unpack(data: bytes, folder: Path) -> None:
    """Make the folder of a parcel, if no other process has; raises UserError.

    No file leaves it: `ZipFile` writes neither above it nor through a link.
    """
    with writing(folder, "make room there, or start the node with another TMPDIR"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as fresh:
            ZipFile(io.BytesIO(data)).extractall(fresh)
            with contextlib.suppress(OSError):  # another process was faster
                Path(fresh).rename(folder)


def translated(value: Any, folders: Mapping[str, str]) -> Any:
    """Return a JSON-like value with each folder replaced that begins a path in a text."""
    if isinstance(value, dict):
        return {key: translated(each, folders) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(translated(each, folders) for each in value)
    if not (isinstance(value, str) and folders):
        return value
    longest_first = sorted(folders, key=len, reverse=True)  # a file may stay: its own translation
    begins = rf"(?<![\w./~+@%-])({'|'.join(map(re.escape, longest_first))})(?![\w~+@%-]|\.\w)"
    return re.sub(begins, lambda path: folders[path[0]], value)


def left_behind(value: Any, roots: Sequence[Path]) -> list[Path]:
    """Return the files that a value names by absolute paths and no parcel of the roots has."""
    parts = re.split('["#:]', json.dumps(value, ensure_ascii=False))
    files = {Path(part) for part in parts if part.startswith("/") and path_is(Path(part).is_file)}
    sent = {path for root in roots for path in _python_files(root, roots)}
    return sorted(files - sent - {path.resolve() for path in sent})
