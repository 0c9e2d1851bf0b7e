"""The locks: one run at a time measures on a machine, and one launch of it at a time plays.

A machine's lock is a file in the system's temporary folder, locked by the operating system for as
long as the process lives that holds it, so a run that was killed holds nothing. Its text names the
holder.
"""

import contextlib
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import lock_descriptor

from timelift.errors import UserError
from timelift.journal.lines import utc_now

#: The file of a machine's lock.
NAME = "timelift.lock"
#: Seconds between two tries of a run that waits.
_PAUSE = 0.5


@contextlib.contextmanager
def machine_lock(
    say: Callable[[str], None],
    patience: float | None = None,
    *,
    stop: Callable[[], bool] = lambda: False,
    path: Path | None = None,
) -> Iterator[None]:
    """Hold the machine's lock; if another run holds it, `say` which, and wait until it has ended.

    Raises UserError if that takes more than `patience` in seconds, and KeyboardInterrupt if `stop`
    becomes true meanwhile.
    """
    path = path or Path(tempfile.gettempdir()) / NAME
    descriptor = _open(path)
    if descriptor is None:
        yield  # a machine whose temporary folder cannot be used locks no run out
        return
    try:
        _acquire(descriptor, path, say, patience, stop)
        with contextlib.suppress(OSError):
            holder = {"pid": os.getpid(), "since": utc_now()}
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(holder).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int | None:
    """Open the file of whichever user, following no link; None if that is not possible.

    `filelock.FileLock` refuses a file of another user in a folder like /tmp. To be locked a file
    need only be readable.
    """
    safe = os.O_NOFOLLOW | os.O_CLOEXEC
    for access in (os.O_RDWR | os.O_CREAT, os.O_RDWR, os.O_RDONLY):
        with contextlib.suppress(OSError):
            return os.open(path, access | safe, 0o644)
    return None


def _acquire(
    descriptor: int,
    path: Path,
    say: Callable[[str], None],
    patience: float | None,
    stop: Callable[[], bool],
) -> None:
    if lock_descriptor(descriptor, blocking=False):
        return
    holder, started = _holder(path), time.monotonic()
    say(f"waiting for another run on this machine ({holder})")
    while not lock_descriptor(descriptor, blocking=False):
        if stop():
            raise KeyboardInterrupt
        if patience is not None and time.monotonic() - started > patience:
            raise UserError(
                f"--budget: all of it went in waiting for another run on this machine ({holder}), "
                "and nothing was measured; try again when that has ended"
            )
        time.sleep(_PAUSE)


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return f"process {int(holder['pid'])}, since {str(holder['since'])[:25]!r}"
    except (OSError, KeyError, TypeError, ValueError, OverflowError, RecursionError):
        return "of an unknown process"


class BuildOrPlayLock:
    """A shared lock for building and an exclusive one for playing; players come first.

    While one launch plays no other builds or plays. A launch that has built waits until the others
    have too, and the readers of peak memory. Since players come first, launches of equal work stay
    in step.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._building, self._playing, self._waiting = 0, False, 0

    @contextlib.contextmanager
    def building(self) -> Iterator[None]:
        """Hold the lock while importing, building, tracing or warming up."""
        with self._changed:
            self._changed.wait_for(lambda: not (self._playing or self._waiting))
            self._building += 1
        try:
            yield
        finally:
            with self._changed:
                self._building -= 1
                self._changed.notify_all()

    @contextlib.contextmanager
    def playing(self) -> Iterator[None]:
        with self._changed:
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: not (self._building or self._playing))
                self._playing = True
            finally:
                self._waiting -= 1
        try:
            yield
        finally:
            with self._changed:
                self._playing = False
                self._changed.notify_all()
