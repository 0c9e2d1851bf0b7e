"""What goes between the coordinator and a node: a project's own files, its paths, and lines."""

import contextlib
import hashlib
import io
import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import msgspec
from msgspec import Struct

from timelift.errors import UserError, path_is, writing
from timelift.messages import json_object

#: What stands in an order for the folder of the files that were sent, and for timelift's own.
SENT, BROUGHT = "/timelift-sent", "/timelift-brought"
MOST_BYTES = 20_000_000
#: Names that are not sent: hidden ones, caches, and what environments have installed.
_LEFT_OUT = re.compile(r"\..*|__pycache__|node_modules|site-packages")


class Parcel(NamedTuple):
    """A zip of files; `places` has where each root is, from the folder that it is unpacked to."""

    digest: str
    data: bytes
    places: Mapping[str, str]


def pack(roots: Sequence[Path]) -> Parcel:
    """Pack the Python files below absolute folders, inner ones with outer; raises UserError."""
    files: dict[str, Path] = {}
    places: dict[str, str] = {}
    for root, paths in _python_files(roots).items():
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


def _python_files(roots: Sequence[Path]) -> dict[Path, set[Path]]:
    """Return what is sent of each root, outer ones first; a link goes only where its end does."""
    home = Path("/", os.path.expanduser("~")).resolve()  # noqa: PTH111 - raises nothing
    if beyond := [root for root in roots if home.is_relative_to(root.resolve())]:
        raise UserError(
            f"--cluster: expected a project, received {str(beyond[0])!r}, which has all of your "
            "home folder; move what you measure into a folder of its own, with a pytest.ini"
        )
    own = {root: {path for path in _walked(root) if path.is_file()} for root in sorted(roots)}
    ends = {path: path.resolve() for paths in own.values() for path in paths}
    real = {end for path, end in ends.items() if path in own or not path.is_symlink()}
    sent = {end for end in real if end.suffix == ".py"}
    return {root: {path for path in paths if ends[path] in sent} for root, paths in own.items()}


def _walked(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield root
    for folder, inner, names in os.walk(root):
        if Path(folder) != root and ("pyvenv.cfg" in names or "conda-meta" in inner):
            inner.clear()  # another environment
            continue
        inner[:] = [name for name in inner if not _LEFT_OUT.fullmatch(name)]
        own = (name for name in names if name.endswith(".py") and not _LEFT_OUT.fullmatch(name))
        yield from (Path(folder, name) for name in own)


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
    sent = {path for paths in _python_files(roots).values() for path in paths}
    return sorted(files - sent - {path.resolve() for path in sent})


# What the launch of a unit tells ------------------------------------------------------------------


class Said(Struct, tag=True, frozen=True):
    """A sentence for the terminal."""

    text: str


class Failed(Struct, tag=True, frozen=True):
    """Why the launch measured nothing more."""

    why: str


class Begun(Struct, tag=True, frozen=True):
    """The task, by its index in the unit, that is at work from now on: it is built, or plays."""

    index: int


class Ended(Struct, tag=True, frozen=True):
    """How the rivals of a task ended, by its index in the unit, after so many seconds."""

    index: int
    lines: list[dict[str, Any]]
    seconds: float


Told = Said | Failed | Begun | Ended


def read_told(line: str, folders: Mapping[str, str]) -> Told | None:
    """Read a line with its folders put in place; None where it is nothing that a launch tells."""
    try:
        told: Told = msgspec.convert(translated(json_object(line), folders), Told)
    except msgspec.ValidationError:
        return None
    return told
