"""An attempt: what is known of one worker while it works, and how its rivals ended."""

import contextlib
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from timelift.case import Status
from timelift.measure.wire import Rival, Task


@dataclass(frozen=True)
class Outcome:
    """How one rival ended in one launch; `samples` only when it was measured."""

    rival: Rival
    status: Status
    reason: str = ""
    samples: Mapping[str, Any] | None = None


Watch = Callable[[str], None]


class Attempt:
    """What is known of one worker while it works: its process, its stage and who has ended."""

    ready = gone = told = exhausted = False
    died: Outcome | None = None

    @property
    def waiting(self) -> bool:
        """Whether the worker is built and not gone."""
        return self.ready and not self.gone

    @property
    def unfinished(self) -> bool:
        """Whether the worker ended before its task: somebody took it along, or took the memory."""
        return self.died is not None or self.exhausted

    def everyone(self) -> list[Outcome]:
        """Give who ended, and who took the worker along, if anyone did."""
        return [*self.outcomes, *([self.died] if self.died else [])]

    def __init__(self, rivals: Mapping[str, Rival], watch: Watch) -> None:
        self.rivals, self._watch = rivals, watch
        self.suspect = next(iter(rivals.values()))
        self.doing = "starting"
        self.pid = 0
        self.outcomes: list[Outcome] = []

    def blame(self, event: Mapping[str, Any] | None) -> None:
        """Suspect who played when the worker ended, if anyone did."""
        place = event.get("playing", 0) if event else 0
        if 0 < place <= len(self.rivals):
            self.suspect = list(self.rivals.values())[place - 1]

    def take(self, event: Mapping[str, Any]) -> None:
        """Follow one event."""
        if event["event"] == "started":
            self.pid = event["pid"]
        elif event["event"] == "busy":
            self.doing = event["doing"]
            self.suspect = self.rivals.get(event["strategy"] or "", self.suspect)
            self._watch(f"{self.doing} {event['strategy'] or ''}".strip())
        elif event["event"] == "exhausted":
            self.exhausted = True
        elif event["event"] == "ended":
            self.outcomes.append(_outcome(self.rivals[event["strategy"]], event))


def _outcome(rival: Rival, event: Mapping[str, Any]) -> Outcome:
    status = Status(event["status"])
    if status is not Status.MEASURED:
        return Outcome(rival, status, event["reason"])
    samples = {name: event[name] for name in ("seconds_per_call", "calls_per_sample", "facts")}
    return Outcome(rival, status, "", samples)


def again_without_the_dead(
    task: Task, attempt: Callable[[Task], tuple[list[Outcome], bool]]
) -> list[Outcome]:
    """Attempt a setting until a worker finishes it, each time without those who ended."""
    ended: list[Outcome] = []
    rivals = task.rivals
    while rivals:
        outcomes, unfinished = attempt(replace(task, rivals=rivals))
        ended += outcomes
        if not unfinished:
            break
        gone = {outcome.rival.name for outcome in outcomes}
        rivals = tuple(one for one in rivals if one.name not in gone)
    return ended


def kill_group(attempt: Attempt) -> None:
    """End a worker and whatever its strategies started, if it has begun and is not gone."""
    if attempt.pid:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(attempt.pid, signal.SIGKILL)
