"""The lock: two runs at once on one machine would falsify each other.

It is a file in the system's temporary folder, locked by the operating system for as long as the
process lives that holds it, so a run that was killed holds nothing. Its text says who holds it.
"""

import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from timelift.errors import UserError
from timelift.journal import utc_now

NAME = "timelift.lock"
#: Seconds between two tries of who waits.
_PATIENCE = 0.5


@contextlib.contextmanager
def held(
    say: Callable[[str], None],
    *,
    wait: bool,
    stop: Callable[[], bool] = lambda: False,
    path: Path | None = None,
) -> Iterator[None]:
    """Hold the machine; where another run does, wait for it or raise UserError naming it.

    Who waits looks whether to `stop`, which raises KeyboardInterrupt.
    """
    path = path or Path(tempfile.gettempdir()) / NAME
    descriptor = _open(path)
    if descriptor is None:
        yield  # a machine whose temporary folder cannot be used locks nobody out
        return
    try:
        _wait(descriptor, path, say, stop, wait=wait)
        with contextlib.suppress(OSError):
            told = {"pid": os.getpid(), "since": utc_now(), "folder": str(Path.cwd())}
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(told).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _wait(
    descriptor: int,
    path: Path,
    say: Callable[[str], None],
    stop: Callable[[], bool],
    *,
    wait: bool,
) -> None:
    if _take(descriptor):
        return
    holder = _holder(path)
    if not wait:
        raise UserError(
            f"another run measures on this machine ({holder}), and the two would falsify each "
            "other; wait for it with --wait"
        )
    say(f"waiting for another run ({holder})")
    while not _take(descriptor):
        if stop():
            raise KeyboardInterrupt
        time.sleep(_PATIENCE)


def _open(path: Path) -> int | None:
    """Open the file, whoever made it, following no link; None where that cannot be done.

    Locking needs no more than reading, and a folder may forbid to write a file of somebody else.
    """
    safe = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    for how in (os.O_RDWR | os.O_CREAT, os.O_RDWR, os.O_RDONLY):
        with contextlib.suppress(OSError):
            return os.open(path, how | safe, 0o644)
    return None


def _take(descriptor: int) -> bool:
    """Lock the file without waiting; say whether it could be had."""
    if sys.platform == "win32":
        return True
    import fcntl  # noqa: PLC0415 - there is none on Windows

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _holder(path: Path) -> str:
    """Who holds the lock, as far as its text tells."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return f"process {int(told['pid'])}, since {str(told['since'])[:25]!r}"
    except (OSError, ValueError, KeyError, TypeError):
        return "of an unknown process"
