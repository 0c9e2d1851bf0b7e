"""A lock for launches that build side by side, and play rounds alone on the machine."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class BuildOrPlayLock:
    """A shared lock for building and an exclusive one for playing; players come first.

    While one launch plays no other builds or plays, and a launch that has finished building waits
    until the others have too. Since players come first, launches of equal work stay in step.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._building, self._playing, self._waiting = 0, False, 0

    @contextmanager
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

    @contextmanager
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
