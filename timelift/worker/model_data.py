"""What a user's whole model is called with: its own data or drawn ones, and the calls of `fit`.

A model that its user did not compile is made ready to train by the mean of its outputs.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from timelift.axis_values import Backend, Mode, Phase
from timelift.case import Setting
from timelift.errors import UserError, one_line
from timelift.worker.engines import Array
from timelift.worker.inputs import marked, marks_reaching, pad
from timelift.worker.making import inputs_of, told_shapes
from timelift.worker.user_code import find_named

#: Drawn whole numbers are 0 or 1 where no Embedding allows more, since they may be flags.
FLAG_VALUES, _BYTE_VALUES = 2, 256
_BINARY = frozenset({"binary_crossentropy", "binary_focal_crossentropy"})


@dataclass(frozen=True)
class Data:
    """Inputs and labels of one call, in the model's structures.

    Labels that the user did not give are None until `make_ready` draws them.
    """

    inputs: Any
    labels: Any


def data_of(model: Any, source: str, batch: int, seq_len: int, noise: np.random.Generator) -> Data:
    """Call `source`, a `module:function` that returns (inputs, labels); draw inputs if it is ''.

    Of what `source` returns, as long as its first input, the first rows are taken, again and again,
    until there is a `batch` of them, and all if that is 0. `seq_len` is the size of every axis left
    open. Raises ValueError for text or unknown shapes.
    """
    if source:
        try:
            given = find_named(source)()
        except Exception as error:
            raise ValueError(f"--data {source}: {one_line(error)}") from error
        match given:
            case inputs, labels:
                if not (count := rows_of(inputs)):
                    raise ValueError(f"{source} must return inputs with rows, got none")
                rows = partial(_rows, count=count, batch=batch)
                return Data(*(keras.tree.map_structure(rows, part) for part in (inputs, labels)))
            case other:
                raise ValueError(f"{source} must return (inputs, labels), got {type(other)}")
    inputs = marked(_inputs_of(model), batch, seq_len)
    sources = marks_reaching(model, inputs)
    drawn = keras.tree.map_structure(lambda array: _draw(array, sources, noise), inputs)
    return Data(drawn, None)


def rows_of(inputs: Any) -> int:
    """Return how many rows the first of these inputs has that has any."""
    return next((len(leaf) for leaf in keras.tree.flatten(inputs) if np.ndim(leaf)), 0)


def _rows(array: Any, count: int, batch: int) -> Any:
    """Return the first rows of an array of `count` rows, again and again, until it has a batch."""
    if batch in {0, count} or not np.ndim(array) or len(array) != count:
        return array
    return np.take(ops.convert_to_numpy(array), np.arange(batch) % count, axis=0)


def _draw(marked: Array, sources: Mapping[Any, set[float]], noise: np.random.Generator) -> Array:
    """Draw an input as the layers right behind it expect it, padded where they make a mask.

    Behind floats may be a Masking of unknown source, behind whole numbers an Embedding.
    """
    shape, is_float = marked.shape, marked.dtype.kind not in "biu"
    most = _BYTE_VALUES if marked.dtype == "uint8" else FLAG_VALUES
    drawn = noise.standard_normal(shape) if is_float else noise.integers(most, size=shape)
    behind = [layer for layer, marks in sources.items() if marked.flat[0] in marks]
    if is_float or not behind:
        kind = keras.layers.Masking if is_float else keras.layers.Embedding
        others = [layer for layer, marks in sources.items() if not marks]
        behind += [layer for layer in others if isinstance(layer, kind)]
    behind.sort(key=lambda layer: getattr(layer, "input_dim", 0), reverse=True)
    for layer in behind:
        with suppress(ValueError):  # scales along an axis that the input has elsewhere
            drawn = _expected(layer, drawn, noise)
    pad(drawn, behind, noise)
    return drawn.astype(marked.dtype)


def _expected(layer: Any, drawn: Array, noise: np.random.Generator) -> Array:
    """Draw anew what a layer looks up, or scales to normal numbers or to 1 at most."""
    if isinstance(layer, keras.layers.Embedding):
        first = 1 if layer.mask_zero and layer.input_dim > 1 else 0
        return noise.integers(first, layer.input_dim, drawn.shape)
    if isinstance(layer, keras.layers.Normalization) and not layer.invert:
        mean, variance = map(ops.convert_to_numpy, (layer.mean, layer.variance))
        return noise.normal(mean, np.sqrt(variance), drawn.shape)
    if isinstance(layer, keras.layers.Rescaling):
        offset = np.asarray(layer.offset)
        ends = [(end - offset) / layer.scale for end in (np.clip(offset, -1, 0), 1)]
        low, high = np.sort(ends, axis=0)
        return noise.uniform(low, high, drawn.shape)
    return drawn


def is_constant(model: Any, inputs: Any) -> bool:
    """True if rows of the inputs differ, and those of the outputs by no more than rounding."""
    outputs, rows = (
        [part for part in map(ops.convert_to_numpy, keras.tree.flatten(parts)) if part.ndim]
        for parts in (model(inputs, training=False), inputs)
    )
    wide = [output.astype("float64") for output in outputs]
    same = [np.allclose(output, output[:1], 1e-6, 0.0, equal_nan=True) for output in wide]
    return bool(same) and all(same) and any((part != part[:1]).any() for part in rows)


def _inputs_of(model: Any) -> Any:
    structure = getattr(model, "_inputs_struct", None)  # a functional model's, as it is called
    inputs = inputs_of(model)
    with suppress(UserError):  # of inputs that no option can write
        if not inputs and (told := told_shapes(model)):
            names, shapes = told
            inputs = [keras.KerasTensor(shape, keras.config.floatx()) for shape in shapes]
            structure = dict(zip(names, inputs, strict=True)) if names else inputs
            structure = structure if len(inputs) > 1 or names else inputs[0]
    text = [tensor.name for tensor in inputs if tensor.dtype == "string"]
    if text or (structure is None and len(inputs) != 1):
        what = f"takes text as {text[0]!r}" if text else "does not tell the shapes of its inputs"
        raise ValueError(
            f"{type(model).__name__} {what}; say --data module:function, which returns "
            "(inputs, labels) of one batch"
        )
    return inputs[0] if structure is None else structure


def mode_of(model: Any) -> Mode:
    """Return the mode in which a model's own train step runs, or would by default."""
    backend = Backend(keras.backend.backend())
    if not model.compiled:
        return Setting("", 1, 1, Phase.TRAIN, backend=backend).mode_of_fit
    if model.run_eagerly:
        return Mode.EAGER
    if backend is Backend.TENSORFLOW:
        return Mode.XLA if model.jit_compile else Mode.GRAPH
    return Mode.GRAPH if model.jit_compile else Mode.EAGER


def make_ready(model: Any, data: Data, mode: Mode, noise: np.random.Generator) -> Data:
    """Compile a model if its user did not, with the mean as loss; return data with labels."""
    outputs = model(data.inputs, training=False)
    if not model.compiled:
        losses = keras.tree.map_structure(lambda _: _mean, outputs)
        model.compile(keras.optimizers.SGD(0.0), losses)
    if keras.backend.backend() == Backend.TENSORFLOW:  # "auto" is XLA on all machines with a GPU
        model.jit_compile = mode is Mode.XLA
    if data.labels is not None:
        return data
    pairs = zip(_losses(model, outputs), keras.tree.flatten(outputs), strict=True)
    drawn = [_labels(loss, tuple(output.shape), noise) for loss, output in pairs]
    return Data(data.inputs, keras.tree.pack_sequence_as(outputs, drawn))


def _mean(_: Any, outputs: Any) -> Any:
    last = tuple(range(1, len(outputs.shape)))[-1:]  # other axes may have a mask
    return ops.mean(outputs, axis=last)


def _losses(model: Any, outputs: Any) -> list[str]:
    """Return the name of the loss of each output, in the order in which Keras flattens them."""
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


def _labels(loss: str, shape: tuple[int, ...], noise: np.random.Generator) -> Array:
    """Draw labels that fit a loss; for an unknown loss, numbers in the shape of the outputs."""
    if loss == "sparse_categorical_crossentropy":
        return noise.integers(shape[-1], size=shape[:-1])
    if loss == "categorical_crossentropy":
        return np.eye(shape[-1], dtype="float32")[noise.integers(shape[-1], size=shape[:-1])]
    if loss in _BINARY:
        return noise.integers(FLAG_VALUES, size=shape).astype("float32")
    return noise.standard_normal(shape).astype("float32")


def call_of(model: Any, data: Data, phase: Phase) -> Callable[[], Any]:
    """Return a train step as `fit` makes it, or a call as `predict` does; both wait for results."""
    if phase is Phase.TRAIN:
        return lambda: model.train_on_batch(data.inputs, data.labels)
    return lambda: model.predict_on_batch(data.inputs)


def as_request(data: Data) -> Any:
    """Return the inputs as a server gets them: arrays, with floats of Keras's own size."""

    def array(each: Any) -> Array:
        own: Array = ops.convert_to_numpy(each)
        return own.astype(keras.config.floatx()) if own.dtype == np.float64 else own

    return keras.tree.map_structure(array, data.inputs)


def warm_tracer(mode: Mode) -> None:
    """Train a tiny model for a step, since the first one pays for imports and caches of Keras."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    data = Data(np.zeros((2, 2), "float32"), np.zeros((2, 1), "float32"))
    call_of(model, make_ready(model, data, mode, np.random.default_rng(0)), Phase.TRAIN)()
