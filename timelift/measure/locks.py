"""The locks: one run at a time measures on a machine, and one launch of it at a time plays.

A machine's lock is a file in the system's temporary folder, locked by the operating system for as
long as the process lives that holds it, so a run that was killed holds nothing. Its text names the
holder, and when it ends at the latest, if it knows. What is read there anybody may have written.
"""

import contextlib
import json
import math
import os
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import lock_descriptor

from timelift.errors import UserError
from timelift.escape import plain
from timelift.journal.lines import utc_now

#: The file of a machine's lock.
NAME = "timelift.lock"
#: The bytes of its text, the characters of a command in it, and the most minutes left to believe.
_BYTES, _LONGEST_COMMAND, _MOST_MINUTES = 1024, 100, 10_000
#: Seconds between two tries of a run that waits.
_PAUSE = 0.5
#: The locks that are held here, by thread and file.
_held = set[tuple[int, Path]]()
_told = set[Path]()  # those of which it was said that they cannot be locked
#: Tells runs that wait how many seconds the holder goes on at most; infinite tells nothing.
Note = Callable[[float], None]


@contextlib.contextmanager
def machine_lock(
    say: Callable[[str], None],
    command: str = "",
    *,
    patience: float = math.inf,
    stop: Callable[[], bool] = lambda: False,
    path: Path | None = None,
) -> Iterator[Note]:
    """Hold the machine's lock; if another run holds it, `say` which, and wait until it has ended.

    A thread that holds it already does not wait. Runs that wait are shown the `command`. If the
    file cannot be locked, one line tells so, and nothing is held. Raises UserError if waiting takes
    more than `patience` in seconds, and KeyboardInterrupt if `stop` becomes true meanwhile.
    """
    path = path or Path(tempfile.gettempdir()) / NAME
    key = threading.get_ident(), path
    descriptor = None if key in _held else _open(path)
    if descriptor is None:
        if key not in _held and path not in _told:
            _told.add(path)
            say(f"other runs may measure meanwhile: cannot lock {path}; remove it, or set TMPDIR")
        yield lambda _: None
        return
    holder = {"pid": os.getpid(), "command": plain(command, _LONGEST_COMMAND)}

    def note(seconds: float) -> None:
        if math.isfinite(seconds):
            holder["until"] = time.time() + seconds
        if key not in _held:  # the file is closed
            return
        with contextlib.suppress(OSError):
            text = json.dumps(holder, ensure_ascii=False).ljust(_BYTES)
            os.pwrite(descriptor, text.encode(), 0)

    try:
        _acquire(descriptor, say, patience, stop)
        _held.add(key)
        holder["since"] = utc_now()
        note(math.inf)
        yield note
    finally:
        _held.discard(key)
        os.close(descriptor)


def _open(path: Path) -> int | None:
    """Open the file, even of another user, following no link; None if that is not possible.

    `filelock.FileLock` refuses a file of another user in a folder like /tmp. To be locked a file
    need only be readable. A pipe, or a second name of another file, which `note` would overwrite,
    may be planted there, and is not opened.
    """
    safe = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    for access in (os.O_RDWR | os.O_CREAT, os.O_RDWR, os.O_RDONLY):
        with contextlib.suppress(OSError):
            descriptor = os.open(path, access | safe, 0o644)
            found = os.fstat(descriptor)
            if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
                return descriptor
            os.close(descriptor)
    return None


def _acquire(
    descriptor: int, say: Callable[[str], None], patience: float, stop: Callable[[], bool]
) -> None:
    started, told = time.monotonic(), set[tuple[str, bool]]()
    while not lock_descriptor(descriptor, blocking=False):
        holder, left = _holder(descriptor)
        if (holder, bool(left)) not in told:  # another one, or when it ends is known now
            told.add((holder, bool(left)))
            who = f"another run on this machine ({holder}{left})"
            say(f"waiting for {who}; set TMPDIR to run beside it")
        if stop():
            raise KeyboardInterrupt
        if time.monotonic() - started > patience:
            raise UserError(
                f"another run held this machine for {patience:.0f} s ({holder}); wait, end it, or "
                "set TMPDIR to run beside it"
            )
        time.sleep(_PAUSE)


def _holder(descriptor: int) -> tuple[str, str]:
    """Return which process holds a lock, since when and by which command, and what it has left."""
    try:
        holder = json.loads(os.pread(descriptor, _BYTES, 0))
        words = [f"process {int(holder['pid'])}", f"since {plain(holder['since'], 25)}"]
        if command := holder.get("command"):
            words.append(f"`{plain(command, _LONGEST_COMMAND)}`")
        minutes = math.ceil((float(holder.get("until", 0)) - time.time()) / 60)
    except (OSError, KeyError, TypeError, ValueError, OverflowError, RecursionError):
        return "of an unknown process", ""
    return ", ".join(words), f", up to {minutes} min left" if 0 < minutes < _MOST_MINUTES else ""


class BuildOrPlayLock:
    """A shared lock for building and an exclusive one for playing; players come first.

    While one launch plays, no other builds or plays. A launch that has built waits until the other
    launches and the readers of peak memory have built. Since players come first, launches of equal
    work stay in step.
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
