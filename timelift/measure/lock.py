"""The lock: two runs at once on one machine would falsify each other.

It is a file in the system's temporary folder, locked by the operating system for as long as the
process lives that holds it, so a run that was killed holds nothing. Its text names the holder.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from timelift.errors import UserError
from timelift.journal import utc_now

NAME = "timelift.lock"
#: Seconds between two tries of a run that waits.
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

    A run that waits asks whether to `stop`, which raises KeyboardInterrupt.
    """
    path = path or Path(tempfile.gettempdir()) / NAME
    # every user of the machine may lock the file, and it stays where it is: others wait for it
    lock = FileLock(path, mode=0o666, preserve_lock_file=True, on_acquired=_sign)
    try:
        _acquire(lock, path, say, stop, wait=wait)
    except OSError:
        yield  # a machine whose temporary folder cannot be used locks no run out
        return
    try:
        yield
    finally:
        lock.release()


def _acquire(
    lock: FileLock,
    path: Path,
    say: Callable[[str], None],
    stop: Callable[[], bool],
    *,
    wait: bool,
) -> None:
    with contextlib.suppress(Timeout):
        lock.acquire(blocking=False)
        return
    holder = _holder(path)
    if not wait:
        raise UserError(
            f"another run measures on this machine ({holder}), and the two would falsify each "
            "other; wait for it with --wait"
        )
    say(f"waiting for another run ({holder})")
    try:
        lock.acquire(poll_interval=_PATIENCE, cancel_check=stop)
    except Timeout:
        raise KeyboardInterrupt from None


def _sign(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        told = {"pid": os.getpid(), "since": utc_now(), "folder": str(Path.cwd())}
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(told).encode(), 0)


def _holder(path: Path) -> str:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return f"process {int(told['pid'])}, since {str(told['since'])[:25]!r}"
    except (OSError, ValueError, KeyError, TypeError):
        return "of an unknown process"
