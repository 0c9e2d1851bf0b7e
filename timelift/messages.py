"""The messages between coordinator and worker: tasks and orders to it, events from it.

Each is a dataclass here and one JSON object on a line of a pipe to the launch process, which passes
orders on, or of one that all its workers inherit. So each line has the number of its task: {"task":
number, and the fields of a `Task`} starts a worker, and an order or event is {"of": number,
"message": name, ...}. A worker may die at any moment. The launch process ignores orders for it, and
the coordinator its late events and a line that is incomplete because it died.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, get_args

from timelift.axis_values import Backend, Status
from timelift.case import Case, Setting
from timelift.escape import without_codes
from timelift.inner_layer import LayerInputs
from timelift.measurement import CaseInLaunch

#: The environment variable with a folder of the process that starts workers, in which later ones
#: find what earlier ones compiled of an inner layer, or op by op of a model as written. No rival's
#: program is there.
COMPILED_FOLDER = "TIMELIFT_COMPILED"
#: The environment variable with the process of which all processes of a run descend.
RUN_PROCESS = "TIMELIFT_RUN_PROCESS"
#: The stage of a worker in which rounds are played.
PLAYING = "playing rounds"
#: The stage in which a rival is traced and called once, which has a limit of its own.
TRACING = "tracing"
#: The stages of what a runtime executes: it is exported, which has the limit of tracing, loaded,
#: run once and described; and how a rival ends that fails in one, even by a crash.
EXPORTING, LOADING, RUNNING = "exporting", "loading what was exported", "running what was exported"
DESCRIBING = "describing what was exported"
STATUS_OF_STAGE = {
    EXPORTING: Status.NOT_CONVERTED,
    LOADING: Status.NOT_LOADED,
    RUNNING: Status.NOT_RUN,
}
#: The stages before the first rival of an inner layer is built, which count for no rival: the layer
#: is made, which does not depend on the sizes of the setting, and then called at those sizes.
MAKING_LAYER, CALLING_LAYER = "making the inner layer", "calling the inner layer"
LAYER_STAGES = frozenset({MAKING_LAYER, CALLING_LAYER})
#: The stage after a rival was found to differ from the folded layer, which has a limit of its own.
#: Rivals that agree with the fold do not depend on it.
CALLING_EVERY_STEP = "calling the inner layer at every step"


@dataclass(frozen=True)
class LiftChange:
    """A lift of a whole model, by its number from 1, and the strategy to write instead."""

    lift: int
    path: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class SourceEdits:
    """Edited source of a whole model: the text of files by path, each byte as a character.

    FoldTime stands in the place of the `lifts`, by their numbers from 1.
    """

    lifts: tuple[int, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)

    @property
    def bytes_by_path(self) -> dict[str, bytes]:
        return {path: text.encode("latin-1") for path, text in self.texts.items()}


@dataclass(frozen=True)
class RivalSpec:
    """A strategy to build, with its parameters."""

    name: str
    path: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    #: Extra calls of each sample, as a share of those that its time is divided by.
    slower: float = 0.0
    #: What makes its inner layer, if it is not the task's.
    factory: str = ""
    #: The folders in which its imports are looked for first, written like PYTHONPATH.
    home: str = ""
    #: Rivals of one pair are built and played next to each other.
    pair: str = ""
    #: One of a pair is built first, and its facts have the costs of the first build in a process.
    built_first: bool = False
    #: Its own stages may take so many times as long as a limit allows.
    patience: int = 1
    #: It runs in the other interpreter, if two are compared.
    in_other_python: bool = False
    #: On any other backend it is refused before its file is loaded.
    backends: tuple[str, ...] = tuple(Backend)
    #: What is changed in a whole model.
    changes: tuple[LiftChange, ...] = ()
    edits: SourceEdits = field(default_factory=SourceEdits)

    @property
    def layer(self) -> tuple[str, str]:
        """The key of the rival's layer: its own factory and home, or ('', '') for the task's."""
        return self.factory, self.home if self.factory else ""


class PeakReading(StrEnum):
    """When a reader reads the peak memory: not at all, beside the launch as it builds, or after."""

    NEVER, BESIDE, AFTER = "", "beside", "after"


@dataclass(frozen=True)
class Task:
    """One setting to measure in one launch."""

    setting: Setting
    rivals: tuple[RivalSpec, ...]
    #: The text of the `Factory` of the inner layer.
    factory: str
    inputs: LayerInputs
    seed: int
    #: Each rival's share of the timing; 0 asks for one call and no timing.
    round_seconds: float
    #: The launch's number, from 1.
    launch: int = 1
    #: The factory makes a whole model; its rivals change its lifts in different ways.
    is_model: bool = False
    #: The `module:function` that returns (inputs, labels) for a whole model; '' draws them.
    data: str = ""
    #: The worker plays one sample at each order, since samples of another interpreter are between.
    conducted: bool = False
    #: The name of the device and the switches of its backend are reported.
    names_device: bool = False
    #: The peak of the host's memory in a call of each rival is read. The law is not checked, since
    #: launches do that.
    reads_peak_memory: bool = False
    #: Whether and when a reader is asked for those peaks.
    peaks: PeakReading = PeakReading.NEVER
    #: The number of operations of each kind in a rival's graph is reported.
    counts_operations: bool = False
    #: The tracer is warmed up before the first rival is built.
    warms: bool = True
    #: Steps at which the law is checked at single steps; the test suite asks for every one.
    law_steps: int = 4
    #: How much memory the worker may use; 0 is no limit.
    memory_bytes: int = 0
    #: Seconds that a rival's calls of varying lengths may take, and the building of their models.
    varying_limit: float = 60.0

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "Task":
        setting = Case.from_fields({**fields["setting"], "strategy": "any"}).setting
        rivals = tuple(
            RivalSpec(
                **{
                    **rival,
                    "changes": tuple(LiftChange(**own) for own in rival["changes"]),
                    "edits": SourceEdits(**rival["edits"]),
                }
            )
            for rival in fields["rivals"]
        )
        inputs = LayerInputs.from_fields(fields["inputs"])
        read = {"inputs": inputs, "setting": setting, "rivals": rivals}
        return cls(**{**fields, **read, "peaks": PeakReading(fields["peaks"])})

    def unmeasured(self, rival: str, status: Status, reason: str) -> CaseInLaunch:
        """Return the record of a rival, by its name, that was not measured."""
        case = Case(self.setting, rival)
        return CaseInLaunch(case, self.launch, status=status, reason=without_codes(reason))


@dataclass(frozen=True)
class Look:
    """A layer or model to describe, as it is called, in so much memory; 0 is no limit."""

    factory: str
    called_with: str
    memory_bytes: int


@dataclass(frozen=True)
class Described:
    """What was found of it, or the `error`."""

    found: dict[str, Any]


@dataclass(frozen=True)
class Started:
    """The worker of a task has begun; `pid` is its process."""

    pid: int


@dataclass(frozen=True)
class Busy:
    """The worker begins a stage: for one rival, or for all if `rival` is ''.

    `printed` is the number of bytes of output so far, where a crash's last lines begin after them.
    """

    doing: str
    rival: str = ""
    printed: int | None = None


@dataclass(frozen=True)
class Exhausted:
    """Memory ran out: this worker exits, and another builds the rivals that are left."""


@dataclass(frozen=True)
class Ready:
    """The worker sleeps until `Go`: every rival is built, or it played a burst but not the last.

    For task 0, the backend is imported. A conducted worker is ready once more when it is warmed up,
    and waits for `Play`.
    """


@dataclass(frozen=True)
class Sampled:
    """A sample was played: the seconds of its calls, and the traces of its rival so far."""

    seconds: float
    calls: int
    traces: int


@dataclass(frozen=True)
class Exited:
    """The worker ended, by signal `-code` if that is negative.

    `playing_place` is the number of the rival that played, from 1, or 0.
    """

    code: int
    playing_place: int


@dataclass(frozen=True)
class Go:
    """Play a burst of rounds."""


@dataclass(frozen=True)
class Play:
    """Play one sample of this rival."""

    rival: str


@dataclass(frozen=True)
class Done:
    """Play no more, and report what was played."""


_Order = Go | Play | Done
#: From the coordinator or to it; a `CaseInLaunch` is the end of a rival.
Message = Started | Busy | CaseInLaunch | Exhausted | Ready | Sampled | Described | Exited | _Order
Emit = Callable[[Message], None]
_KINDS: Mapping[str, Callable[..., Message]] = {
    **{kind.__name__: kind for kind in get_args(Message)},
    CaseInLaunch.__name__: lambda **fields: CaseInLaunch.from_fields(fields),
}


@dataclass(frozen=True)
class WorkerChannel:
    """How a worker emits events, waits for its next order, and notes which rival plays.

    `listen` returns None if no order can come. `stop_asked` is True once rounds should end.
    """

    emit: Emit
    listen: Callable[[], Message | None] = Go
    note_playing: Callable[[int], None] = lambda _: None
    stop_asked: Callable[[], bool] = lambda: False


def message_line(number: int, message: Message) -> str:
    fields = message.fields() if isinstance(message, CaseInLaunch) else vars(message)
    return json.dumps({"of": number, "message": type(message).__name__, **fields}) + "\n"


def task_line(number: int, task: Task | Look) -> str:
    return json.dumps({"task": number, **dataclasses.asdict(task)}) + "\n"


def read_message(line: bytes) -> tuple[int, Message] | None:
    """Read the task's number and the message on a line; None if it is torn, or no message."""
    fields = json_object(line)
    number, kind = fields.pop("of", None), _KINDS.get(str(fields.pop("message", None)))
    if not (isinstance(number, int) and kind):
        return None
    try:
        return number, kind(**fields)
    except (AttributeError, LookupError, TypeError, ValueError):
        return None  # a strategy may write whatever it likes into the pipe


def read_task(line: bytes) -> tuple[int, Task | Look | None]:
    """Read the number and task on a line; None for an order to the worker of that number."""
    fields = json_object(line)
    if "task" not in fields:
        return fields.get("of", 0), None
    number = fields.pop("task")
    return number, Look(**fields) if "called_with" in fields else Task.from_fields(fields)


def json_object(line: bytes | str) -> dict[str, Any]:
    """Read a JSON object; another text has no entries."""
    try:
        fields = json.loads(line)
    except (ValueError, TypeError):
        return {}
    return fields if isinstance(fields, dict) else {}
