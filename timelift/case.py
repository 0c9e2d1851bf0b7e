"""The vocabulary: axes, settings, cases and statuses, in the standard library alone.

Every room imports this module, so a word means the same thing where it is measured and where it
is read. Two measurements are comparable exactly when their `Setting`s are equal.
"""

import dataclasses
import random
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, get_type_hints

from timelift.axis_values import Backend, Dtype, Gradients, Lengths, Mode, Phase, Runtime, TimeAxis

#: Stands between a strategy's name and what a copy of it is; no file of a strategy may have it.
COPY_SEPARATOR = "@"


#: The kinds of devices; `gpu:1` is the second of its kind.
CPU, GPU = "cpu", "gpu"

#: Where lengths vary, a call's figure is the mean of so many, as a training run makes.
CALLS_OF_A_RUN = 10_000
#: `threads=0` leaves the number of threads to the backend.
BACKEND_THREADS = 0


@dataclass(frozen=True, slots=True, order=True)
class Setting:
    """Everything that two comparable measurements share: all axes except the strategy."""

    workload: str
    seq_len: int
    batch: int
    phase: Phase
    mode: Mode = Mode.GRAPH
    lengths: Lengths = Lengths.FULL
    gradients: Gradients = Gradients.WEIGHTS
    time_axis: TimeAxis = TimeAxis.STATIC
    dtype: Dtype = Dtype.FLOAT32
    device: str = CPU
    threads: int = BACKEND_THREADS
    backend: Backend = Backend.TENSORFLOW
    runtime: Runtime = Runtime.KERAS
    #: The kind of machine, where a run has several.
    machine: str = ""

    def __post_init__(self) -> None:
        """Set what a phase or a runtime has one value of: equal settings compare equal."""
        if self.phase is not Phase.BACKWARD:
            object.__setattr__(self, "gradients", Gradients.NONE)
        if self.phase is not Phase.SERVE:
            object.__setattr__(self, "runtime", Runtime.KERAS)
        if self.is_exported:
            object.__setattr__(self, "mode", Mode.GRAPH)

    @property
    def label(self) -> str:
        """Return a short label: phase, mode and sizes always, other axes where unusual."""
        return "-".join([self.workload, *self.words])

    @property
    def words(self) -> tuple[str, ...]:
        """Return the words of the label after the workload."""
        sizes = f"T{self.seq_len}", f"B{self.batch}"
        unusual = [
            AXES[axis].in_label.format(value)
            for axis, value in self.unusual.items()
            if axis != "mode"
        ]
        return (*sizes, str(self.phase), str(self.mode), *unusual)

    @property
    def unusual(self) -> dict[str, Any]:
        """Return the values other than the usual ones, by axis; sizes and phases are all usual."""
        usual = Setting(self.workload, self.seq_len, self.batch, self.phase)
        values = ((axis, getattr(self, axis)) for axis in AXES)
        return {axis: value for axis, value in values if value != getattr(usual, axis)}

    @property
    def differentiates(self) -> bool:
        return self.phase in {Phase.BACKWARD, Phase.TRAIN}

    @property
    def is_exported(self) -> bool:
        return self.runtime is not Runtime.KERAS

    @property
    def device_kind(self) -> str:
        return self.device.partition(":")[0]

    @property
    def device_number(self) -> int:
        """Return the number of the device among those of its kind, from 0."""
        return int(self.device.partition(":")[2] or 0)

    @property
    def on_cpu(self) -> bool:
        return self.device_kind == CPU

    def at_length(self, length: int) -> "Setting":
        """Return the setting of the model that is fed sequences of a length."""
        padded = min(1 << (length - 1).bit_length(), self.seq_len)
        known = {TimeAxis.PER_LENGTH: length, TimeAxis.BUCKETS: padded}
        steps = known.get(self.time_axis, self.seq_len)
        axis = TimeAxis.STATIC if self.time_axis.is_known else TimeAxis.DYNAMIC
        return dataclasses.replace(self, seq_len=steps, time_axis=axis)

    @property
    def call_lengths(self) -> tuple[int, ...]:
        """The steps of each timed call where lengths vary: equal for every run and way."""
        return self.lengths_of(100)

    def lengths_of(self, calls: int) -> tuple[int, ...]:
        """Return the steps of so many calls, drawn evenly up to the longest."""
        dice = random.Random(self.seq_len)  # the numbers of its `random` never change
        return tuple(1 + int(self.seq_len * dice.random()) for _ in range(calls))

    @property
    def mode_of_fit(self) -> Mode:
        """The mode in which `fit` runs a train step here, which is `jit_compile="auto"`.

        Source: `Trainer._resolve_auto_jit_compile` of Keras 3.15, which asks TensorFlow for any GPU
        of the machine; here the device that is measured counts. It also asks every layer: a model
        with an LSTM or a GRU runs as a graph there, which no setting knows (docs/backends.md).
        """
        if self.backend is Backend.TORCH:
            return Mode.EAGER
        is_xla = self.backend is Backend.TENSORFLOW and not self.on_cpu
        return Mode.XLA if is_xla else Mode.GRAPH


@dataclass(frozen=True)
class Axis:
    """An axis of `Setting`: all that its name stands for elsewhere.

    `flag` is the option of `timelift bench` that lists its values (that of machines is of `timelift
    choose` alone), `help` says which there are if no enumeration does, and `default` is the
    option's if not the usual value. Columns have its `title`. `words` make a value clear without a
    title, and `proper` replaces them; a `condition` holds where values are these, with `calls` of
    phases. A label has an unusual value as `in_label`. Numbers are `least` or more.

    With `is_execution`, another value is another way to compute the same, compared with the usual
    one launch by launch.
    """

    name: str
    flag: str
    help: str = ""
    title: str = ""
    default: str | None = None
    words: str = "{}"
    proper: Mapping[Any, str] = field(default_factory=dict)
    condition: str = "with {}"
    calls: Mapping[Any, str] = field(default_factory=dict)
    in_label: str = "{}"
    least: int = 1
    is_size: bool = False
    is_execution: bool = False

    @property
    def kind(self) -> type:
        """The type of its values."""
        kind: type = _KINDS[self.name]
        return kind

    @property
    def values(self) -> str:
        """Its values, as help tells them."""
        return self.help or (", ".join(self.kind) if issubclass(self.kind, StrEnum) else "")

    @property
    def usual(self) -> Any:
        """Its usual value, or None where every setting says which."""
        default = Setting.__dataclass_fields__[self.name].default
        return None if default is dataclasses.MISSING else default


_KINDS = get_type_hints(Setting)
_BACKENDS = {Backend.TENSORFLOW: "TensorFlow", Backend.JAX: "JAX", Backend.TORCH: "PyTorch"}
_RUNTIMES = {
    Runtime.KERAS: "Keras",
    Runtime.SAVED_MODEL: "SavedModel",
    Runtime.ONNXRUNTIME: "ONNX Runtime",
    Runtime.OPENVINO: "OpenVINO",
    Runtime.LITERT: "LiteRT",
}
#: The axes of a setting, in the order of its fields; a new one is a field and a row.
_AXES = (
    Axis("workload", "--workloads", "names of files in workloads/, or all", condition="for {}"),
    Axis(
        "seq_len",
        "--seq-lens",
        "numbers of steps",
        title="length",
        words="{} steps",
        proper={1: "1 step"},
        condition="at {}",
        is_size=True,
    ),
    Axis(
        "batch",
        "--batch-sizes",
        "sequences a call",
        words="batch {}",
        condition="at {}",
        is_size=True,
    ),
    Axis(
        "phase",
        "--phases",
        proper={Phase.TRAIN: "train step", Phase.SERVE: "served call"},
        condition="in {}",
        calls={phase: f"{phase} calls" for phase in Phase}
        | {Phase.TRAIN: "train steps", Phase.SERVE: "served calls"},
    ),
    Axis(
        "mode",
        "--modes",
        default="",
        proper={Mode.XLA: "XLA"},
        condition="in {} mode",
        is_execution=True,
    ),
    Axis("lengths", "--lengths", title="valid lengths", words="{} lengths"),
    Axis(
        "gradients",
        "--gradients",
        f"of a backward call: {', '.join(Gradients)}",
        words="gradients of {}",
        proper={Gradients.NONE: "no gradients"},
    ),
    Axis(
        "time_axis",
        "--time-axes",
        title="time axis",
        words="{} time axis",
        proper={
            TimeAxis.PER_LENGTH: "a trace for each length",
            TimeAxis.ANY_LENGTH: "one trace for any length",
            TimeAxis.BUCKETS: "padding to buckets",
        },
    ),
    Axis("dtype", "--dtypes", condition="in {}"),
    Axis(
        "device",
        "--devices",
        "cpu, gpu, gpu:1, or all",
        default="",
        condition="on {}",
        is_execution=True,
    ),
    Axis(
        "threads",
        "--threads",
        "numbers of threads, or default",
        default="default",
        words="{} threads",
        proper={1: "1 thread", BACKEND_THREADS: "default threads"},
        in_label="threads{}",
        least=BACKEND_THREADS,
        is_execution=True,
    ),
    Axis(
        "backend",
        "--backends",
        default="",
        proper=_BACKENDS,
        condition="on {}",
        is_execution=True,
    ),
    Axis(
        "runtime",
        "--runtimes",
        proper=_RUNTIMES,
        condition="in {}",
        is_execution=True,
    ),
    Axis("machine", "--machines", condition="on {}", in_label="on_{}", is_execution=True),
)
AXES: dict[str, Axis] = {axis.name: axis for axis in _AXES}
#: The axes of which every setting says the value.
REQUIRED = tuple(name for name, axis in AXES.items() if axis.usual is None)
#: The axes that are sizes of the inputs.
SIZES = tuple(name for name, axis in AXES.items() if axis.is_size)
#: The largest size: sizes are 32-bit in every backend.
LARGEST_SIZE = 2**31 - 1


def several_valued(settings: Iterable[Setting]) -> tuple[str, ...]:
    """Return the axes of which these settings have several values.

    `Gradients.NONE` does not count: only backward settings have others.
    """
    listed = list(settings)
    values = {axis: {getattr(setting, axis) for setting in listed} for axis in AXES}
    return tuple(axis for axis in AXES if len(values[axis] - {Gradients.NONE}) > 1)


def workload_name(text: str) -> str:
    """Return a text with a dot for each character that the name of a workload may not have."""
    letters = (letter if letter.isalnum() or letter in "_.-" else "." for letter in text)
    return "".join(letters) or "model"


@dataclass(frozen=True, slots=True, order=True)
class Case:
    """One strategy in one setting."""

    setting: Setting
    strategy: str

    @property
    def label(self) -> str:
        """Return the case as pytest shows it, the strategy last."""
        return f"{self.setting.label}-{self.strategy}"

    def fields(self) -> dict[str, Any]:
        """Return the case as flat, JSON-ready fields; `from_fields` is the inverse."""
        return {"strategy": self.strategy, **dataclasses.asdict(self.setting)}

    def short_fields(self) -> dict[str, Any]:
        """Return `fields` without the usual values, which `from_fields` takes where none stand."""
        asked = {axis: getattr(self.setting, axis) for axis in REQUIRED}
        return {"strategy": self.strategy, **asked, **self.setting.unusual}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "Case":
        """Rebuild a case from `fields`; raises ValueError naming the field that is wrong."""
        axes = {name: _axis_value(name, fields) for name in AXES if name in fields}
        strategy, workload = fields.get("strategy"), axes.get("workload")
        if not isinstance(strategy, str) or not strategy:
            raise ValueError(f"strategy: expected a name, received {strategy!r}")
        if workload == "":
            raise ValueError("workload: expected a name, received ''")
        try:
            return cls(Setting(**axes), strategy)
        except TypeError as error:
            raise ValueError(f"case: {error}") from error


def _axis_value(name: str, fields: Mapping[str, Any]) -> Any:
    axis, value = AXES[name], fields[name]
    kind = axis.kind
    if kind is not int and not isinstance(value, str):
        raise ValueError(f"{name}: expected a word, received {value!r}")
    if kind is int and (isinstance(value, bool) or not isinstance(value, int)):
        raise ValueError(f"{name}: expected a whole number, received {value!r}")
    if kind is int and not axis.least <= value <= LARGEST_SIZE:
        raise ValueError(
            f"{name}: expected a whole number from {axis.least}, received {reprlib.repr(value)}"
        )
    return kind(value)
