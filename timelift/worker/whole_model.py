"""A user's whole model in a worker: as it is written and with lifts changed, as rivals.

It is fed with its own data or drawn ones, made ready to train, and called as `fit` and `predict`
call it.
"""

import math
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from timelift.case import Backend, Mode, Phase
from timelift.messages import TRACING, Busy, RivalSpec, Task, WorkerChannel
from timelift.worker import find_lifts, law
from timelift.worker.engines import Array, Engine, Feed
from timelift.worker.inputs import inputs_of
from timelift.worker.law import LawBrokenError
from timelift.worker.prepare import PreparedRival, count_weights, peak_facts
from timelift.worker.reference import CHECKING, parts_of, precision_of
from timelift.worker.user_code import find_model, find_named, load_module, restore_process_state

#: Drawn whole numbers are 0 or 1 where no Embedding allows more, since they may be flags.
FLAG_VALUES = 2
_BINARY = frozenset({"binary_crossentropy", "binary_focal_crossentropy"})


@dataclass(frozen=True)
class Data:
    """Inputs and labels of one call, in the model's structures; `drawn` if the user gave none.

    Labels that the user did not give are None until `make_ready` draws them.
    """

    inputs: Any
    labels: Any
    drawn: bool

    @property
    def batch(self) -> int:
        import keras  # noqa: PLC0415 - the backend is chosen by now

        return int(np.shape(keras.tree.flatten(self.inputs)[0])[0])


@dataclass
class ModelCall:
    """A step of `fit` or `predict` as a `Compiled`: Keras traces it in its first call."""

    call: Callable[[], Any]
    traces: int = 1
    operations: Counter[str] | None = None

    def trace(self, feed: Feed) -> None: ...

    def bind(self, feed: Feed) -> Callable[[], Any]:  # noqa: ARG002 - the call has its data
        return self.call


class ModelUnderTest:
    """The rivals of one phase: the user's model, once for each way of changing its lifts.

    All share the weights and the data of the model as written, and break the law if they compute
    something else, beyond rounding.
    """

    def __init__(self, engine: Engine, task: Task, channel: WorkerChannel) -> None:
        self.engine, self.task, self.emit = engine, task, channel.emit
        self.dice = random.Random(task.seed)
        self._as_written: _AsWritten | None = None

    def prepare(self, rival: RivalSpec) -> PreparedRival:
        """Build, change, call once and check one rival; raises whatever is wrong with it."""
        self.emit(Busy("building", rival.name))
        if self._as_written is None:  # not restored: what a module sets as it is imported stays
            self._as_written = _AsWritten(self.engine, self.task)
        with restore_process_state(self.engine):
            return self._prepare(rival, self._as_written)

    def _prepare(self, rival: RivalSpec, as_written: "_AsWritten") -> PreparedRival:
        setting, started = self.task.setting, time.perf_counter()
        self.engine.seed(self.task.seed)
        model = find_model(self.task.factory)
        noise = np.random.default_rng(self.task.seed)
        data = make_ready(model, as_written.data, setting.mode, noise)
        model.set_weights(as_written.weights)
        as_written.change(model, rival)
        facts: dict[str, Any] = {
            "build_seconds": time.perf_counter() - started,
            "weights": count_weights(model),
        }
        if rival.parameters and not self.task.reads_peak_memory:
            self.emit(Busy(CHECKING, rival.name))
            facts["law_error"] = as_written.check(model)
        call = call_of(model, data, setting.phase)
        self.emit(Busy(TRACING, rival.name))
        started = time.perf_counter()
        call()
        facts["first_call_seconds"] = time.perf_counter() - started
        facts |= peak_facts(self.engine, self.task, self.emit, rival.name, call)
        return PreparedRival(rival, ModelCall(call), Feed(None), facts)


class _AsWritten:
    """The model as written: its weights and data, the calls of its lifts, and its results.

    A task that reads memory checks no law and needs no results.
    """

    def __init__(self, engine: Engine, task: Task) -> None:
        setting, noise = task.setting, np.random.default_rng(task.seed)
        warm_tracer(setting.mode)
        engine.seed(task.seed)
        model = find_model(task.factory)
        self.data = data_of(model, task.data, setting.batch, setting.seq_len, noise)
        #: The inputs of each lift in a call, in the order of `find_lifts`.
        self.calls = [lift.calls for lift in find_lifts.watch_lifts(model, self.data.inputs)]
        self.weights = model.get_weights()
        self._engine = engine
        if not task.reads_peak_memory:
            self._tolerance = law.TOLERANCES[precision_of(model, engine, setting)]
            self._results = _Results(engine, model, self.data)

    def change(self, model: Any, rival: RivalSpec) -> None:
        """Change the lifts whose numbers are the rival's parameters, each by the strategy there.

        Numbers, not paths: Keras names unnamed layers anew in every model. In reverse, since a loop
        is found before the lift that it calls, and has to be changed after it.
        """
        lifts = find_lifts.find_lifts(model)
        for number in sorted(map(int, rival.parameters), reverse=True):
            strategy, parameters = rival.parameters[str(number)]
            lift = lifts[number - 1]
            lift.calls = self.calls[number - 1]
            lift.change(load_module(strategy), parameters)

    def check(self, model: Any) -> float:
        """Return the largest relative error of a model; raises LawBrokenError beyond rounding.

        Each gradient sums over all inputs of a lift, and each addition may round.
        """
        wanted, changed = self._results, _Results(self._engine, model, self.data)
        worst = law.relative_errors(
            changed.outputs, wanted.outputs, law.scale_of(wanted.outputs)
        ).max()
        if not worst <= self._tolerance.outputs:
            raise LawBrokenError(f"outputs differ by {worst:.1g} of the largest")
        additions = max(math.prod(shape) for calls in self.calls for shape, _ in calls)
        allowed = self._tolerance.gradients + law.rounding_of(additions, self._tolerance)
        # As for a sum over one row, each weight has one scale: its largest gradient.
        errors = law.weight_gradient_errors(changed.gradients, wanted.gradients, rows=1)
        for weight, (of_weight, _) in zip(model.trainable_weights, errors, strict=True):
            largest = of_weight.max(initial=0.0)
            if not largest <= allowed:
                raise LawBrokenError(f"the gradient of {weight.path} differs by {largest:.1g}")
            worst = max(worst, largest)
        return float(worst)


class _Results:
    """Outputs of a model in inference, as one float array, and a gradient by each weight."""

    def __init__(self, engine: Engine, model: Any, data: Data) -> None:
        whole = _as_one_layer(model, data)
        nothing = engine.place(np.zeros(1, "float32"))
        self.outputs = engine.apply(whole, nothing, training=False)
        cotangent = np.cos(np.arange(self.outputs.size)).astype(self.outputs.dtype)
        placed = engine.place(cotangent)
        _, self.gradients = engine.differentiate(whole, nothing, placed, training=False)


def _as_one_layer(model: Any, data: Data) -> Any:
    """Return a layer that calls a model on `data` and flattens all outputs into one axis."""
    import keras  # noqa: PLC0415 - the backend is chosen by now

    class Whole(keras.layers.Layer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def call(self, nothing: Any, training: Any = None) -> Any:
            outputs = keras.tree.flatten(self.model(data.inputs, training=training))
            dtypes = {keras.backend.standardize_dtype(output.dtype) for output in outputs}
            wide = "float64" if "float64" in dtypes else "float32"
            flat = [keras.ops.reshape(keras.ops.cast(output, wide), (-1,)) for output in outputs]
            return keras.ops.concatenate(flat) + 0.0 * keras.ops.cast(nothing[0], wide)

    return Whole()


# Data, labels and calls ---------------------------------------------------------------------------


def data_of(model: Any, source: str, batch: int, seq_len: int, noise: np.random.Generator) -> Data:
    """Call `source`, a `module:function` that returns (inputs, labels); draw inputs if it is ''.

    `seq_len` is the size of every axis that the model leaves open. Raises ValueError if the shapes
    of the model's inputs are unknown.
    """
    if source:
        inputs, labels = find_named(source)()
        return Data(inputs, labels, drawn=False)
    import keras  # noqa: PLC0415 - the backend is chosen by now

    tables = [part for part in parts_of(model) if isinstance(part, keras.layers.Embedding)]
    high = min((table.input_dim for table in tables), default=FLAG_VALUES)
    pads = any(table.mask_zero for table in tables)

    def draw(tensor: Any) -> Array:
        shape = (batch, *(size or seq_len for size in tensor.shape[1:]))
        if "int" in tensor.dtype:
            return _numbers(shape, high, noise, pads=pads).astype(tensor.dtype)
        if "bool" in tensor.dtype:
            return noise.integers(FLAG_VALUES, size=shape).astype(bool)
        return noise.standard_normal(shape).astype(tensor.dtype)

    return Data(keras.tree.map_structure(draw, _inputs_of(model)), None, drawn=True)


def leaves_open(model: Any) -> bool:
    """True if an input of a model has another axis of unknown size than the batch."""
    return any(None in tensor.shape[1:] for tensor in inputs_of(model))


def _inputs_of(model: Any) -> Any:
    structure = getattr(model, "_inputs_struct", None)  # a functional model's, as it is called
    inputs = inputs_of(model)
    if structure is None and len(inputs) != 1:
        raise ValueError(
            f"{type(model).__name__} does not tell the shapes of its inputs; say --data "
            "module:function, which returns (inputs, labels) of one batch"
        )
    return inputs[0] if structure is None else structure


def _numbers(shape: tuple[int, ...], high: int, noise: np.random.Generator, *, pads: bool) -> Array:
    """Draw whole numbers below `high`; with padding, zeros after a length drawn for each row."""
    if not pads or high <= FLAG_VALUES:
        return noise.integers(high, size=shape)
    drawn = noise.integers(1, high, size=shape)
    valid = noise.integers(1, shape[-1] + 1, size=shape[:-1])
    valid.flat[0] = shape[-1]
    drawn[np.arange(shape[-1]) >= valid[..., None]] = 0
    return drawn


def mode_of(model: Any) -> Mode:
    """Return the mode in which a model's own train step runs, or would by default."""
    import keras  # noqa: PLC0415 - the backend is chosen by now

    backend = Backend(keras.backend.backend())
    if not model.compiled:
        return Mode.EAGER if backend is Backend.TORCH else Mode.GRAPH
    if model.run_eagerly:
        return Mode.EAGER
    if backend is Backend.TENSORFLOW:
        return Mode.XLA if model.jit_compile else Mode.GRAPH
    return Mode.GRAPH if model.jit_compile else Mode.EAGER


def make_ready(model: Any, data: Data, mode: Mode, noise: np.random.Generator) -> Data:
    """Compile a model if its user did not, with the mean as loss; return data with labels.

    On TensorFlow `jit_compile="auto"` would use XLA on every machine with a GPU, even on its CPU.
    """
    import keras  # noqa: PLC0415 - the backend is chosen by now

    outputs = model(data.inputs, training=False)
    if not model.compiled:
        losses = keras.tree.map_structure(lambda _: _mean, outputs)
        model.compile(keras.optimizers.SGD(0.0), losses)
    if keras.backend.backend() == Backend.TENSORFLOW:
        model.jit_compile = mode is Mode.XLA
    if data.labels is not None:
        return data
    shapes = [tuple(output.shape) for output in keras.tree.flatten(outputs)]
    pairs = zip(_losses(model, outputs), shapes, strict=True)
    drawn = [_labels(loss, shape, noise) for loss, shape in pairs]
    return Data(data.inputs, keras.tree.pack_sequence_as(outputs, drawn), data.drawn)


def _mean(_: Any, outputs: Any) -> Any:
    import keras  # noqa: PLC0415 - the backend is chosen by now

    return keras.ops.mean(outputs, axis=tuple(range(1, len(outputs.shape))))


def _losses(model: Any, outputs: Any) -> list[str]:
    """Return the name of the loss of each output, in the order in which Keras flattens them."""
    import keras  # noqa: PLC0415 - the backend is chosen by now

    count, loss = len(keras.tree.flatten(outputs)), model.loss
    if isinstance(loss, Mapping):
        by_name = getattr(model, "output_names", list(loss))
        in_order = sorted(outputs) if isinstance(outputs, Mapping) else by_name
        by_output = [loss.get(name) for name in in_order]
    else:
        by_output = list(loss) if isinstance(loss, list | tuple) else [loss] * count
    functions = map(keras.losses.get, by_output)
    names = [getattr(getattr(loss, "fn", loss), "__name__", "") for loss in functions]
    return (names + [""] * count)[:count]


def _labels(loss: str, shape: Sequence[int], noise: np.random.Generator) -> Array:
    """Draw labels that fit a loss; for an unknown loss, numbers in the shape of the outputs."""
    if loss == "sparse_categorical_crossentropy":
        return noise.integers(shape[-1], size=tuple(shape[:-1]))
    if loss == "categorical_crossentropy":
        return np.eye(shape[-1], dtype="float32")[noise.integers(shape[-1], size=shape[:-1])]
    if loss in _BINARY:
        return noise.integers(FLAG_VALUES, size=tuple(shape)).astype("float32")
    return noise.standard_normal(tuple(shape)).astype("float32")


def call_of(model: Any, data: Data, phase: Phase) -> Callable[[], Any]:
    """Return a train step as `fit` makes it, or a call as `predict` does; both wait for results."""
    if phase is Phase.BACKWARD:
        return lambda: model.train_on_batch(data.inputs, data.labels)
    return lambda: model.predict_on_batch(data.inputs)


def warm_tracer(mode: Mode) -> None:
    """Train a tiny model for a step, since the first one pays for imports and caches of Keras."""
    import keras  # noqa: PLC0415 - the backend is chosen by now

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    data = Data(np.zeros((2, 2), "float32"), np.zeros((2, 1), "float32"), drawn=True)
    call_of(model, make_ready(model, data, mode, np.random.default_rng(0)), Phase.BACKWARD)()
