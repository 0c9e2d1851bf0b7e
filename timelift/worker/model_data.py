"""What a user's whole model is called with: its own data or drawn ones, and the calls of `fit`.

A model that its user did not compile is made ready to train by the mean of its outputs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from timelift.case import Backend, Mode, Phase
from timelift.worker.engines import Array
from timelift.worker.inputs import inputs_of
from timelift.worker.reference import parts_of
from timelift.worker.user_code import find_named

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
