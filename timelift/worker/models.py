"""A user's whole model: fed with its own data or drawn ones, made ready to train, and called."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from timelift.case import Backend, Mode, Phase
from timelift.worker.engines import Array, Engine
from timelift.worker.find_layer import find_named, inputs_of, parts_of

#: Below this number lie drawn whole numbers where no Embedding says more: they may be flags.
FLAGS = 2
_BINARY = frozenset({"binary_crossentropy", "binary_focal_crossentropy"})


@dataclass(frozen=True)
class Data:
    """Inputs and labels of one call, in the model's structures; `drawn` where none were given.

    Labels are None where none were given, until `make_ready` draws some.
    """

    inputs: Any
    labels: Any
    drawn: bool

    @property
    def batch(self) -> int:
        import keras  # noqa: PLC0415 - the backend is chosen by now

        return int(np.shape(keras.tree.flatten(self.inputs)[0])[0])


def data_of(model: Any, source: str, batch: int, seq_len: int, noise: np.random.Generator) -> Data:
    """Return what `module:function` gives as (inputs, labels), or draw inputs.

    `seq_len` is the size of every axis that the model leaves open. Raises ValueError where the
    model does not tell its inputs.
    """
    if source:
        inputs, labels = find_named(source)()
        return Data(inputs, labels, drawn=False)
    import keras  # noqa: PLC0415 - the backend is chosen by now

    tables = [part for part in parts_of(model) if isinstance(part, keras.layers.Embedding)]
    high = min((table.input_dim for table in tables), default=FLAGS)
    pads = any(table.mask_zero for table in tables)

    def draw(tensor: Any) -> Array:
        shape = (batch, *(size or seq_len for size in tensor.shape[1:]))
        if "int" in tensor.dtype:
            return _numbers(shape, high, noise, pads=pads).astype(tensor.dtype)
        if "bool" in tensor.dtype:
            return noise.integers(FLAGS, size=shape).astype(bool)
        return noise.standard_normal(shape).astype(tensor.dtype)

    return Data(keras.tree.map_structure(draw, _inputs_of(model)), None, drawn=True)


def leaves_open(model: Any) -> bool:
    """True if the inputs of a model are known and have an open axis beside the batch."""
    return any(None in tensor.shape[1:] for tensor in inputs_of(model))


def _inputs_of(model: Any) -> Any:
    structure = getattr(model, "_inputs_struct", None)  # of a functional model, as it is called
    inputs = inputs_of(model)
    if structure is None and len(inputs) != 1:
        raise ValueError(
            f"{type(model).__name__} does not tell the shapes of its inputs; say --data "
            "module:function, which returns (inputs, labels) of one batch"
        )
    return inputs[0] if structure is None else structure


def _numbers(shape: tuple[int, ...], high: int, noise: np.random.Generator, *, pads: bool) -> Array:
    """Draw whole numbers below `high`; with padding, 0 behind the first few of each sequence."""
    if not pads or high <= FLAGS:
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
    """Let a model be trained, by a plain loss where it has none; return data with labels.

    On TensorFlow "auto" would compile by XLA wherever there is a GPU, be it used or not.
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
    kinds = _losses(model, outputs)
    drawn = [_labels(kind, shape, noise) for kind, shape in zip(kinds, shapes, strict=True)]
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
        several = [loss.get(name) for name in in_order]
    else:
        several = list(loss) if isinstance(loss, list | tuple) else [loss] * count
    functions = [keras.losses.get(kind) for kind in several]
    names = [getattr(getattr(loss, "fn", loss), "__name__", "") for loss in functions]
    return (names + [""] * count)[:count]


def _labels(loss: str, shape: Sequence[int], noise: np.random.Generator) -> Array:
    """Draw labels that fit a loss; numbers like the outputs for one that is not known."""
    if loss == "sparse_categorical_crossentropy":
        return noise.integers(shape[-1], size=tuple(shape[:-1]))
    if loss == "categorical_crossentropy":
        return np.eye(shape[-1], dtype="float32")[noise.integers(shape[-1], size=shape[:-1])]
    if loss in _BINARY:
        return noise.integers(FLAGS, size=tuple(shape)).astype("float32")
    return noise.standard_normal(tuple(shape)).astype("float32")


def call_of(model: Any, data: Data, phase: Phase) -> Callable[[], Any]:
    """Return one call as `fit` and `predict` make it: a train step of the model's own, or outputs.

    Both return once the result is there.
    """
    if phase is Phase.BACKWARD:
        return lambda: model.train_on_batch(data.inputs, data.labels)
    return lambda: model.predict_on_batch(data.inputs)


def warm_tracer(mode: Mode) -> None:
    """Train a tiny model for a step: the first of a process pays for what tracing does late."""
    import keras  # noqa: PLC0415 - the backend is chosen by now

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    data = Data(np.zeros((2, 2), "float32"), np.zeros((2, 1), "float32"), drawn=True)
    call_of(model, make_ready(model, data, mode, np.random.default_rng(0)), Phase.BACKWARD)()


# What a model computes ---------------------------------------------------------------------------


class Computed:
    """What a model computes of some data, in inference: its outputs, and gradients by its weights.

    Outputs are one float array, the gradients one for each trainable weight.
    """

    def __init__(self, engine: Engine, model: Any, data: Data) -> None:
        whole = _as_one_layer(model, data)
        nothing = engine.place(np.zeros(1, "float32"))
        self.outputs = engine.apply(whole, nothing, training=False)
        cotangent = np.cos(np.arange(self.outputs.size)).astype(self.outputs.dtype)
        _, self.gradients = engine.differentiate(
            whole, [nothing], [engine.place(cotangent)], training=False
        )


def _as_one_layer(model: Any, data: Data) -> Any:
    """Return a layer of a model on its data: its outputs in a row, whatever their structure."""
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
