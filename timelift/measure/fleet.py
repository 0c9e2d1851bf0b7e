"""The launches of a campaign as processes: the first few import together, all end with it."""

import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from timelift.measure.duet import Duet
from timelift.measure.launch import Launch
from timelift.measure.plan import Plan
from timelift.measure.turns import Turns

#: So many launches import the backend together at the start, which costs less than one by one.
_TOGETHER = 3


#: One interpreter's launch, or two interpreters' that play together.
AnyLaunch = Launch | Duet


@dataclass(frozen=True)
class Part:
    """One launch of a group that runs side by side."""

    number: int
    numbers: tuple[int, ...]
    turns: Turns

    @property
    def alone(self) -> bool:
        """Whether it has the machine to itself."""
        return len(self.numbers) == 1


class Fleet:
    """Use it as a context manager: at its end no process is left."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._lock = plan, threading.Lock()
        self._live: list[AnyLaunch] = []
        self._ahead: dict[int, AnyLaunch] = {}
        self.import_seconds = 0.0

    def __enter__(self) -> Self:
        started = time.monotonic()
        first = range(1, 1 + min(_TOGETHER, self._plan.fewest))
        self._ahead = {number: self._started() for number in first}
        try:
            for launch in self._ahead.values():
                launch.wait_until_ready()
        except BaseException:
            self._stop_all()
            raise
        self.import_seconds = time.monotonic() - started
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._stop_all()

    def _stop_all(self) -> None:
        for launch in self._live:
            launch.stop()

    def open(self, part: Part) -> AnyLaunch:
        """Give the launch of this number, ready for tasks; it may have been started before."""
        launch = self._ahead.pop(part.number, None) or self._started()
        launch.share(part.turns, self._plan.limits.times(len(part.numbers)))
        launch.wait_until_ready()
        return launch

    def close(self, launch: AnyLaunch) -> None:
        """End a launch."""
        with self._lock:
            self._live.remove(launch)
        launch.stop()

    def hurry(self) -> None:
        """Let every launch finish the round that it plays."""
        for launch in tuple(self._live):  # without the lock: a signal's handler may call this
            launch.hurry()

    def kill(self) -> None:
        """End every process at once; whoever waits for one is told that it died."""
        with self._lock:
            for launch in self._live:
                launch.kill()

    def _new(self) -> AnyLaunch:
        plan = self._plan
        if plan.other_python:
            return Duet("tensorflow", plan.limits, plan.cores, plan.other_python)
        return Launch("tensorflow", plan.limits, plan.cores)

    def _started(self) -> AnyLaunch:
        launch = self._new()
        with self._lock:
            self._live.append(launch)
        return launch
