"""What the rivals of a setting are fed, and what the layer takes that they lift."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from timelift.case import Lengths, Setting
from timelift.errors import UserError
from timelift.inner_layer import LayerInputs, StepTensor
from timelift.messages import Task
from timelift.worker.engines import Array, Engine, Feed

#: Quantiles 0, 5, … 100 % of the words in a sentence, cut at the 99th percentile: of the 1,223
#: sentences of the Python language reference (`pydoc_data.topics` of Python 3.11).
_SENTENCE_WORDS = (2, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20, 22, 23, 25, 28, 31, 37, 49)


def draw_inputs(task: Task, noise: np.random.Generator) -> Array:
    """Draw (batch, time, *features): standard normal, or whole numbers below `high`."""
    tensor = task.inputs.tensors[0]
    shape = (task.setting.batch, task.setting.seq_len, *tensor.shape)
    if tensor.dtype:
        return noise.integers(tensor.high, size=shape).astype(tensor.dtype)
    return noise.standard_normal(shape).astype(task.setting.dtype)  # every backend adds bfloat16


def draw_valid(setting: Setting, noise: np.random.Generator) -> Array:
    """Draw which steps are valid, (batch, time) of booleans: a prefix of each sequence.

    `uniform` lengths lie anywhere from 1 to `seq_len`; `skewed` ones are spread like the sentences
    of a text whose longest have `seq_len` words. The first sequence is always full, as the longest
    of a padded batch is.
    """
    share = noise.uniform(size=setting.batch)
    if setting.lengths is Lengths.FULL:
        share = np.ones(setting.batch)
    elif setting.lengths is Lengths.SKEWED:
        quantiles = np.linspace(0, 1, len(_SENTENCE_WORDS))
        share = np.interp(share, quantiles, _SENTENCE_WORDS) / _SENTENCE_WORDS[-1]
    share[0] = 1.0
    lengths = np.maximum(1, np.ceil(share * setting.seq_len))
    return np.arange(setting.seq_len) < lengths[:, None]


@dataclass(frozen=True)
class SharedInputs:
    """What all rivals of a setting are fed, and the steps at which the law is checked.

    `inputs` is (batch, time, *features), `valid` (batch, time) of booleans.
    """

    inputs: Array
    valid: Array
    steps: Sequence[int]


@dataclass(frozen=True)
class Feeds:
    """Convert between padded arrays and the tensors of one rival, which are padded or `ragged`.

    A ragged tensor has the valid steps alone; with a padded one goes a mask where lengths vary.
    """

    engine: Engine
    setting: Setting
    inputs: Array
    valid: Array
    ragged: bool

    def feed(self, cotangent: Array | None = None) -> Feed:
        """Place the inputs, the mask and, in the backward phase, a cotangent (batch, time, …)."""
        place = self.engine.place
        varying = self.setting.lengths is not Lengths.FULL
        inputs = (
            self.engine.place_ragged(self.inputs, self.valid) if self.ragged else place(self.inputs)
        )
        mask = place(self.valid) if varying and not self.ragged else None
        if cotangent is None:
            return Feed(inputs, mask)
        return Feed(inputs, mask, [place(cotangent[self.valid] if self.ragged else cotangent)])

    def fetch(self, value: Any) -> Array:
        """Fetch (batch, time, …); a ragged value is padded with zeros."""
        if not self.ragged:
            return self.engine.to_numpy(value)
        steps = self.engine.to_numpy(getattr(value, "flat_values", value))
        padded = np.zeros((*self.valid.shape, *steps.shape[1:]), steps.dtype)
        padded[self.valid] = steps
        return padded


# What a layer takes -------------------------------------------------------------------------------


def check_one_tensor(layer: Any, factory: str) -> None:
    import keras  # noqa: PLC0415

    if not isinstance(layer, keras.Layer):
        raise UserError(f"{factory} must return a layer of Keras 3, got {type(layer)}")
    for side in ("input", "output"):
        try:
            structure = getattr(layer, side)
        except (AttributeError, ValueError):
            continue
        if isinstance(structure, dict) or (isinstance(structure, list) and len(structure) > 1):
            raise UserError(
                f"{factory} returns a layer with {len(structure)} {side}s; only layers with one "
                "can be lifted; wrap it in a layer that takes and returns one tensor"
            )


def input_shape(layer: Any) -> tuple[int | None, ...] | None:
    """Return the shape of the layer's input, batch first; None where it is unknown.

    It is known of a functional model, and of another layer once it is built.
    """
    inputs = inputs_of(layer)
    if inputs:
        return tuple(inputs[0].shape) if len(inputs) == 1 else None
    built = (layer.get_build_config() or {}) if layer.built else {}
    shape = built.get("input_shape")
    plain = isinstance(shape, list | tuple) and all(
        size is None or isinstance(size, int) for size in shape
    )
    return tuple(shape) if plain and shape else None


def inputs_of(layer: Any) -> list[Any]:
    """Return the symbolic inputs of a functional model or a built Sequential; else []."""
    try:
        return list(layer.inputs or ())
    except (AttributeError, ValueError):  # ValueError: an unbuilt Sequential before Keras 3.6
        return []


def check_inputs(layer: Any, inputs: LayerInputs) -> None:
    """Raise UserError if a layer takes other inputs than these."""
    tensor = inputs.tensors[0]
    shape, given = input_shape(layer), tensor.shape
    own = shape[1:] if shape else given
    fits = len(own) == len(given) and all(
        size in {None, asked} for size, asked in zip(own, given, strict=True)
    )
    if not fits:
        raise UserError(
            f"the layer is built for steps of {_written(own)}, and --inputs or FEATURES says "
            f"{_written(given)}; leave --inputs out, or mend the workload's file"
        )
    whole, high = whole_numbers(layer)
    if whole and not tensor.dtype:
        like = StepTensor(given, whole, high or 1000)
        raise UserError(
            f"the layer takes whole numbers; write so, like --inputs '{like}', or with INPUT_DTYPE "
            "and INPUT_HIGH in a workload's file"
        )


def _written(shape: Sequence[int | None]) -> str:
    return ",".join("any" if size is None else str(size) for size in shape) or "no axis"


def whole_numbers(layer: Any) -> tuple[str, int]:
    """Return the dtype of whole-number inputs and their upper bound; ("", 0) for floats.

    The bound is 0 if it is unknown, which it is unless the first layer is an Embedding.
    """
    import keras  # noqa: PLC0415

    first = _first_layer(layer)
    high = int(first.input_dim) if isinstance(first, keras.layers.Embedding) else 0
    inputs = inputs_of(layer)
    dtype = str(inputs[0].dtype) if inputs else ""
    whole = dtype if "int" in dtype else "int32" if high else ""
    return whole, high


def _first_layer(layer: Any) -> Any:
    """Return the layer that a model calls first; any other layer is its own.

    A subclassed model is such a layer: its layers are in the order of its attributes.
    """
    import keras  # noqa: PLC0415

    in_order = isinstance(layer, keras.Sequential) or (
        isinstance(layer, keras.Model) and inputs_of(layer)
    )
    parts = layer.layers if in_order else []
    called = (part for part in parts if not isinstance(part, keras.layers.InputLayer))
    first = next(called, None)
    return layer if first is None else _first_layer(first)
