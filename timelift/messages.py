"""What the pytest process and a launch say to each other: tasks one way, events the other.

Both are JSON objects, one a line, on pipes that every worker of a launch inherits. So each carries
the number of its task: {"task": number, and the fields of a `Task`} starts a worker, what that
worker is told is {"to": number, ...}, and its events are {"of": number, ...}. A worker may die at
any moment. What was meant for it is then read by the launch process or by the next worker, which
pass it over, and its late events are passed over by the pytest process. So is what a death tore in
the middle of a line. Events of a worker:

    {"event": "started", "pid": int}
    {"event": "busy", "strategy": name | null, "doing": "tracing" | ...}
     and, where a rival begins, "printed": bytes that the launch had printed before it
    {"event": "ended", "strategy": name, "status": ..., "reason": ..., and, when measured,
     "seconds_per_call": [...], "calls_per_sample": int, "facts": {...}}
    {"event": "exhausted"} after somebody ran out of memory: this worker ends, and another one goes
     on with those who have not ended, on a device that holds nothing
    {"event": "ready"} once every rival is built; the worker then waits for {"go": true} to play;
     of task 0 it is the launch itself, which has imported its backend
    {"event": "warm"} by a conducted worker, which then plays a sample for each {"play": name} until
     {"done": true}, and answers
    {"event": "sample", "seconds": billed, "calls": int, "traces": int, "held_down": int}
    {"event": "exit", "code": int | null, "signal": int | null, "playing": place of the rival that
     played, from 1, or 0}, by the launch once it is gone
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from timelift.case import Backend, Case, Setting, Status
from timelift.escape import without_codes

Emit = Callable[[Mapping[str, Any]], None]

#: What a worker does while its rounds are played.
PLAYING = "playing rounds"
#: What it does before the first rival of an inner layer is built, at no rival's expense: the layer
#: is made, whatever the sizes of the setting, and then called at those sizes.
MAKING_LAYER, CALLING_LAYER = "making the inner layer", "calling the inner layer"
OF_LAYER = frozenset({MAKING_LAYER, CALLING_LAYER})


@dataclass(frozen=True)
class Rival:
    """A strategy to build: its name, its file and its parameters.

    What a self-test has `planted` in it is read by `worker.twins` alone. Another revision's rival
    may lift a layer of its own, from `factory`, and finds the modules that it imports in the folder
    `home` first. Rivals of one `pair` are built and played next to each other, and of two one is
    `built_first`, which costs it what only the first of its kind pays in a process. A rival that is
    `there` runs in the other interpreter, where two are compared. It is refused on other `backends`
    than its own before its file is loaded.
    """

    name: str
    path: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    planted: Mapping[str, float] = field(default_factory=dict)
    factory: str = ""
    home: str = ""
    pair: str = ""
    built_first: bool = False
    there: bool = False
    backends: tuple[str, ...] = tuple(Backend)

    @property
    def layer(self) -> tuple[str, str]:
        """What tells the rival's layer from others of its task: its own factory and its folder."""
        return self.factory, self.home if self.factory else ""


@dataclass(frozen=True)
class Task:
    """One setting to measure in one launch.

    `factory` makes the inner layer: `path.py:function` or `module:function`. `round_seconds` is
    each rival's share of the timing; 0 asks for one call and no timing. A worker that is
    `conducted` plays one sample whenever it is told to, since another interpreter's play between.
    One that `counts_work` tells what the inner layer asks of the device, and one that
    `gauges_device` what that does at best. One that `gauges_memory` reads what a call of each rival
    needs of the host's memory, and checks no law, which all have kept by then. Where
    it `warms`, the tracer is warmed before the first rival. It may use `memory_bytes`, 0 being no
    limit.
    """

    setting: Setting
    rivals: tuple[Rival, ...]
    factory: str
    features: tuple[int, ...]
    seed: int
    round_seconds: float
    input_dtype: str = ""
    input_high: int = 0
    conducted: bool = False
    counts_work: bool = False
    gauges_device: bool = False
    gauges_memory: bool = False
    warms: bool = True
    memory_bytes: int = 0

    def to_json(self) -> dict[str, Any]:
        """The task as JSON-ready fields."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Task":
        """Rebuild a task from `to_json`'s fields."""
        setting = Case.from_fields({**fields["setting"], "strategy": "any"}).setting
        rivals = tuple(Rival(**rival) for rival in fields["rivals"])
        features = tuple(fields["features"])
        return cls(**{**fields, "setting": setting, "rivals": rivals, "features": features})


@dataclass(frozen=True)
class Wires:
    """How a worker reports, hears what it is told next, and marks the place of who plays.

    `hurried` says whether it was told to play no further round.
    """

    emit: Emit
    listen: Callable[[], Mapping[str, Any]] = dict
    mark: Callable[[int], None] = lambda _: None
    hurried: Callable[[], bool] = lambda: False


def read_line(line: bytes) -> dict[str, Any]:
    """The message on a line; empty where the line is none, as what a death tore is."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def busy(rival: Rival, doing: str) -> dict[str, Any]:
    """The event of a rival that a stage begins for."""
    return {"event": "busy", "strategy": rival.name, "doing": doing}


def ended(rival: Rival, status: Status, reason: str) -> dict[str, Any]:
    """The event of a rival that has ended; colour codes in its reason are left out."""
    why = without_codes(reason)
    return {"event": "ended", "strategy": rival.name, "status": status, "reason": why}
