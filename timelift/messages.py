"""The messages between coordinator and worker: tasks and orders to it, events from it.

Each is a dataclass here and one JSON object on a line of a pipe that every worker of a launch
inherits. So each line carries the number of its task: {"task": number, and the fields of a `Task`}
starts a worker, an order is {"to": number, "order": name, ...} and an event {"of": number,
"event": name, ...}. A worker may die at any moment. An order for it is then read by the launch
process or by the next worker, which ignore it, and the coordinator ignores its late events and a
line that is incomplete because it died.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_args

from timelift.case import Backend, Case, Setting, Status
from timelift.escape import without_codes
from timelift.inner_layer import LayerInputs
from timelift.measurement import CaseInLaunch

#: The variable that names a folder of the run: what a worker compiles of its inner layer lies there
#: for the workers that come later. No rival's program does.
COMPILED_FOLDER = "TIMELIFT_COMPILED"
#: What a worker does while its rounds are played.
PLAYING = "playing rounds"
#: What has a limit of its own: a rival is traced and called once.
TRACING = "tracing"
#: What a worker does before an inner layer's first rival is built, at no rival's expense: the layer
#: is made, whatever the sizes of the setting, and then called at those sizes.
MAKING_LAYER, CALLING_LAYER = "making the inner layer", "calling the inner layer"
LAYER_STAGES = frozenset({MAKING_LAYER, CALLING_LAYER})
#: What a worker does once a rival differs from the folded layer. It has a limit of its own, and is
#: no stage of all rivals: those that are like the fold need nothing of it.
CALLING_EVERY_STEP = "calling the inner layer at every step"


@dataclass(frozen=True)
class RivalSpec:
    """A strategy to build, with its parameters."""

    name: str
    path: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    #: The share of calls that are made beyond those that are billed.
    slower: float = 0.0
    #: What makes its inner layer, where that differs from the task's.
    factory: str = ""
    #: The folders in which the modules that it imports are looked for first, like PYTHONPATH.
    home: str = ""
    #: Rivals of one pair are built and played next to each other.
    pair: str = ""
    #: Of a pair, one is built first, and pays what only the first of its kind pays in a process.
    built_first: bool = False
    #: It runs in the other interpreter, where two are compared.
    in_other_python: bool = False
    #: On other backends it is refused before its file is loaded.
    backends: tuple[str, ...] = tuple(Backend)

    @property
    def layer(self) -> tuple[str, str]:
        """What identifies the rival's layer in its task: its own factory and its folder."""
        return self.factory, self.home if self.factory else ""


@dataclass(frozen=True)
class Task:
    """One setting to measure in one launch."""

    setting: Setting
    rivals: tuple[RivalSpec, ...]
    #: What makes the inner layer, or is it: the text of a `Factory`.
    factory: str
    inputs: LayerInputs
    seed: int
    #: Each rival's share of the timing; 0 asks for one call and no timing.
    round_seconds: float
    #: The launch's number, from 1.
    launch: int = 1
    #: The factory makes a whole model, whose rivals are ways of changing its lifts ...
    is_model: bool = False
    #: ... fed with the (inputs, labels) that `module:function` returns, or with drawn ones.
    data: str = ""
    #: The worker plays one sample at each order, since another interpreter's play between.
    conducted: bool = False
    #: The device's name and the switches of its backend are reported.
    names_device: bool = False
    #: What a call of each rival needs of the host's memory is read. No law is checked: the launch
    #: does that.
    reads_peak_memory: bool = False
    #: How many operations of each kind a rival's graph has is reported.
    counts_operations: bool = False
    #: The tracer is warmed before the first rival.
    warms: bool = True
    #: Steps at which the law is checked at single steps; the test suite asks for every one.
    law_steps: int = 4
    #: How much memory the worker may use; 0 is no limit.
    memory_bytes: int = 0

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "Task":
        """Return the task of the fields of a JSON object."""
        setting = Case.from_fields({**fields["setting"], "strategy": "any"}).setting
        rivals = tuple(RivalSpec(**rival) for rival in fields["rivals"])
        inputs = LayerInputs.from_fields(fields["inputs"])
        return cls(**{**fields, "inputs": inputs, "setting": setting, "rivals": rivals})

    def lost(self, rival: str, status: Status, reason: str) -> CaseInLaunch:
        """Return how a rival ended, by its name, that was not measured."""
        case = Case(self.setting, rival)
        return CaseInLaunch(case, self.launch, status=status, reason=without_codes(reason))


@dataclass(frozen=True)
class Started:
    """The worker of a task has begun, as this process."""

    pid: int


@dataclass(frozen=True)
class Busy:
    """The worker begins a stage, for one rival or, where `rival` is empty, for all of them.

    `printed` is how many bytes the launch had printed before; None where that is of no interest.
    """

    doing: str
    rival: str = ""
    printed: int | None = None


@dataclass(frozen=True)
class Exhausted:
    """Memory ran out: this worker exits, and another builds the rivals that are left."""


@dataclass(frozen=True)
class Ready:
    """Every rival is built, and the worker waits for `Go`; of task 0, the backend is imported."""


@dataclass(frozen=True)
class Warm:
    """A conducted worker is warmed up, and plays a sample at each `Play`."""


@dataclass(frozen=True)
class Sampled:
    """A sample was played: the seconds of so many calls, and how often it was traced so far."""

    seconds: float
    calls: int
    traces: int


@dataclass(frozen=True)
class Exited:
    """The worker is gone; `playing_place` is the place of the rival that played, from 1, or 0."""

    code: int | None
    signal: int | None
    playing_place: int


#: A `CaseInLaunch` tells how a rival ended.
Event = Started | Busy | CaseInLaunch | Exhausted | Ready | Warm | Sampled | Exited


@dataclass(frozen=True)
class Go:
    """Play the rounds."""


@dataclass(frozen=True)
class Play:
    """Play one sample of this rival."""

    rival: str


@dataclass(frozen=True)
class Done:
    """No further sample is asked for."""


Order = Go | Play | Done
Emit = Callable[[Event], None]
_EVENTS: dict[str, Callable[..., Event]] = {
    **{kind.__name__: kind for kind in get_args(Event)},
    CaseInLaunch.__name__: lambda **fields: CaseInLaunch.from_fields(fields),
}
_ORDERS: dict[str, Callable[..., Order]] = {kind.__name__: kind for kind in get_args(Order)}


@dataclass(frozen=True)
class WorkerChannel:
    """How a worker reports, waits for its next order, and notes which rival plays.

    `stop_asked` is true once no further round is wanted; an order is None where none can come.
    """

    emit: Emit
    listen: Callable[[], Order | None] = lambda: None
    note_playing: Callable[[int], None] = lambda _: None
    stop_asked: Callable[[], bool] = lambda: False


def event_line(number: int, event: Event) -> str:
    fields = event.fields() if isinstance(event, CaseInLaunch) else vars(event)
    return json.dumps({"of": number, "event": type(event).__name__, **fields}) + "\n"


def order_line(number: int, order: Order) -> str:
    return json.dumps({"to": number, "order": type(order).__name__, **vars(order)}) + "\n"


def task_line(number: int, task: Task) -> str:
    return json.dumps({"task": number, **dataclasses.asdict(task)}) + "\n"


def read_event(line: bytes, number: int) -> Event | None:
    """Read the event on a line; None where it is another task's, or the line was torn."""
    return _read(line, "of", number, "event", _EVENTS)


def read_order(line: bytes, number: int) -> Order | None:
    """Read the order on a line; None where it is for another task's worker."""
    return _read(line, "to", number, "order", _ORDERS)


def read_task(line: bytes) -> tuple[int, Task] | None:
    """Read the number and task on a line; None for an order to a worker that is gone."""
    fields = _object(line)
    return (fields.pop("task"), Task.from_fields(fields)) if "task" in fields else None


_Kind = TypeVar("_Kind")


def _read(
    line: bytes, address: str, number: int, word: str, kinds: Mapping[str, Callable[..., _Kind]]
) -> _Kind | None:
    fields = _object(line)
    if fields.pop(address, None) != number:
        return None
    kind = kinds.get(str(fields.pop(word, None)))
    try:
        return kind(**fields) if kind else None
    except (AttributeError, LookupError, TypeError, ValueError):
        return None  # a strategy may write whatever it likes into the pipe


def _object(line: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}
