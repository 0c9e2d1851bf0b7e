"""What the rivals of a setting are fed, and what the layer takes that they lift.

Inputs are drawn as the layers behind them expect them, padded where these make a mask. Where an
input goes shows in a call with numbers that mark each input.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from timelift.axis_values import Lengths, Phase
from timelift.case import Setting
from timelift.errors import UserError
from timelift.inner_layer import LayerInputs, StepTensor
from timelift.messages import Task
from timelift.worker import law
from timelift.worker.engines import Array, Engine, Feed
from timelift.worker.find_lifts import intercepted
from timelift.worker.making import parts_of, symbolic
from timelift.worker.user_code import restored

#: An index into (batch, time) of all of it.
_ALL = (slice(None), slice(None))
#: Layers that make a mask of what they are called with, and layers that scale it.
_MASKING = (keras.layers.Embedding, keras.layers.Masking)
_EXPECTING = (*_MASKING, keras.layers.Normalization, keras.layers.Rescaling)
#: Quantiles 0, 5, … 100 % of the words in a sentence, cut at the 99th percentile: of the 1,223
#: sentences of the Python language reference (`pydoc_data.topics` of Python 3.11).
_SENTENCE_WORDS = (2, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20, 22, 23, 25, 28, 31, 37, 49)


def first_steps(array: Array, length: int, padded_to: int) -> Array:
    """Return the first `length` steps of (batch, time, …), and zeros after them."""
    padded = np.zeros((len(array), padded_to, *array.shape[2:]), array.dtype)
    padded[:, :length] = array[:, :length]
    return padded


@dataclass(frozen=True)
class SharedInputs:
    """What all rivals of a setting are fed, and the steps at which the law is checked.

    `tensors` are (batch, time, *features); of booleans, `masks` are (batch, time, first axis of the
    features) or None, and `valid` is (batch, time).
    """

    structure: LayerInputs
    tensors: Sequence[Array]
    masks: Sequence[Array | None]
    valid: Array
    steps: Sequence[int]

    @property
    def float_names(self) -> list[str]:
        names = law.leaf_names(self.structure.pack(self.tensors), law.INPUTS, "input")
        pairs = zip(names, self.tensors, strict=True)
        return [name for name, tensor in pairs if law.is_float(tensor)]

    def first(self, length: int, padded_to: int) -> "SharedInputs":
        """Return the first steps of all sequences, and padding, which is zero and not valid."""
        padded = partial(first_steps, length=length, padded_to=padded_to)
        steps = [step for step in self.steps if step < length]
        return replace(self._with(padded), valid=padded(self.valid), steps=steps)

    def all_like_the_first(self) -> "SharedInputs":
        """Return sequences of which every step is their first one."""
        return self._with(lambda array: np.repeat(array[:, :1], array.shape[1], axis=1))

    def _with(self, change: Callable[[Array], Array]) -> "SharedInputs":
        masks = [mask if mask is None else change(mask) for mask in self.masks]
        return replace(self, tensors=[*map(change, self.tensors)], masks=masks)

    def placed(self, place: Callable[[Array], Any], index: Any = _ALL) -> tuple[Any, Any]:
        """Place inputs, and masks of their own or None, at an index into (batch, time)."""

        def chosen(array: Array | None) -> Any:
            return None if array is None else place(np.ascontiguousarray(array[index]))

        inputs, masks = ([*map(chosen, arrays)] for arrays in (self.tensors, self.masks))
        has_masks = any(mask is not None for mask in masks)
        return self.structure.pack(inputs), self.structure.pack(masks) if has_masks else None


@dataclass(frozen=True)
class Feeds:
    """Convert between padded arrays and the tensors of one rival, padded or `ragged`.

    Ragged ones have the valid steps alone; with padded ones goes a mask where lengths vary. Served
    calls are fed with the arrays themselves.
    """

    engine: Engine
    setting: Setting
    shared: SharedInputs
    ragged: bool

    def feed(self, cotangents: Sequence[Array] | None = None) -> Feed:
        """Place inputs, masks and, in the backward phase, cotangents (batch, time, …)."""
        shared, valid = self.shared, self.shared.valid
        place: Callable[[Array], Any] = self.engine.place
        if self.setting.phase is Phase.SERVE:
            place = np.asarray
        if self.ragged:
            inputs = shared.structure.pack(
                self.engine.place_ragged(tensor, valid) for tensor in shared.tensors
            )
            weights = [place(cotangent[valid]) for cotangent in cotangents or ()]
            return Feed(inputs, None, None if cotangents is None else weights)
        outer = None if self.setting.lengths is Lengths.FULL else valid
        masks = [outer if own is None else own for own in shared.masks]
        placed = replace(shared, masks=masks).placed(place)
        return Feed(*placed, None if cotangents is None else [*map(place, cotangents)])

    def fetch(self, value: Any) -> Array:
        """Fetch (batch, time, …); a ragged value is padded with zeros."""
        if isinstance(value, np.ndarray):  # served
            return value
        if not self.ragged:
            return self.engine.to_numpy(value)
        steps = self.engine.to_numpy(getattr(value, "flat_values", value))
        valid = self.shared.valid
        padded = np.zeros((*valid.shape, *steps.shape[1:]), steps.dtype)
        padded[valid] = steps
        return padded


# Drawn ------------------------------------------------------------------------------------------


def draw_shared(
    task: Task, behind: Sequence[Sequence[Any]], steps: Sequence[int], noise: np.random.Generator
) -> SharedInputs:
    """Draw the inputs of all rivals, as the layers `behind` each expect it."""
    valid = draw_valid(task.setting, noise)
    tensors = [
        _draw_tensor(tensor, task.setting, layers, noise)
        for tensor, layers in zip(task.inputs.tensors, behind, strict=True)
    ]
    masks = [
        _draw_mask(tensor.shape[0], valid, noise) if tensor.masked else None
        for tensor in task.inputs.tensors
    ]
    return SharedInputs(task.inputs, tensors, masks, valid, steps)


def _draw_tensor(
    tensor: StepTensor, setting: Setting, behind: Sequence[Any], noise: np.random.Generator
) -> Array:
    """Draw (batch, time, *features): standard normal, or whole numbers below `high`.

    What a layer behind takes for padding is at the end of a step alone.
    """
    shape = (setting.batch, setting.seq_len, *tensor.shape)
    if tensor.dtype:
        is_padded = tensor.shape and any(getattr(layer, "mask_zero", False) for layer in behind)
        least = 1 if is_padded and tensor.high > 1 else 0
        drawn = noise.integers(least, tensor.high, size=shape).astype(tensor.dtype)
    else:  # every backend adds bfloat16
        drawn = noise.standard_normal(shape).astype(setting.dtype.floats)
    pad(drawn.reshape(-1, *tensor.shape), behind, noise)
    return drawn


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


def _draw_mask(places: int, valid: Array, noise: np.random.Generator) -> Array:
    """Draw (batch, time, places): a prefix of a valid step, all of the first one."""
    lengths = noise.integers(1, places + 1, size=valid.shape)
    lengths[0, 0] = places
    mask: Array = (np.arange(places) < lengths[..., None]) & valid[..., None]
    return mask


# Where inputs go ----------------------------------------------------------------------------------


def layers_behind(layer: Any, inputs: LayerInputs) -> list[list[Any]]:
    """Return the layers that take each input as it is; raises UserError if one has too few rows."""
    nest = marked(symbolic(inputs), 1, 1)
    reaching = marks_reaching(layer, nest, _MASKING)
    behind = [
        [part for part, marks in reaching.items() if array.flat[0] in marks]
        for array in keras.tree.flatten(nest)
    ]
    fitting = list[StepTensor]()
    for tensor, parts in zip(inputs.tensors, behind, strict=True):
        rows = [part.input_dim for part in parts if isinstance(part, keras.layers.Embedding)]
        fitting.append(replace(tensor, high=min([tensor.high, *rows])))
    like = replace(inputs, tensors=tuple(fitting))
    if like != inputs:
        raise UserError(
            f"expected numbers that the layer's Embedding has rows for, like --inputs '{like}', "
            f"received {str(inputs)!r}; write the smaller number, or make the Embedding larger"
        )
    return behind


def marked(specs: Any, batch: int, open_size: int) -> Any:
    """Return an array for each symbolic tensor, of a number of its own, to see where it goes."""
    numbers = itertools.count(29, 3)

    def mark(tensor: Any) -> Array:
        shape = (batch, *(size or open_size for size in tensor.shape[1:]))
        return np.full(shape, next(numbers)).astype(tensor.dtype)

    return keras.tree.map_structure(mark, specs)


def marks_reaching(
    model: Any, inputs: Any, kinds: tuple[type, ...] = _EXPECTING
) -> dict[Any, set[float]]:
    """Return which marks reach each layer of these kinds as they are, in a call of a model."""
    marks = {array.flat[0] for array in keras.tree.flatten(inputs)}
    reached = {part: set[float]() for part in parts_of(model) if isinstance(part, kinds)}

    def call(layer: Any, original: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        array = ops.convert_to_numpy(inputs)
        reached[layer] |= {mark for mark in marks if np.allclose(array, mark, rtol=1e-3)}
        is_table = isinstance(layer, keras.layers.Embedding)
        return original(inputs % layer.input_dim if is_table else inputs, *args, **kwargs)

    if reached:
        # what fails here says so when lifts are watched
        state = restored(model.non_trainable_variables)
        with suppress(Exception), state, intercepted(reached, call):
            model(inputs, training=False)
    return reached


def pad(drawn: Array, behind: Iterable[Any], noise: np.random.Generator) -> None:
    """Set the ends of rows to what the layers behind take for padding, if they make a mask.

    That is after a length drawn for each row; the first row is full.
    """
    for layer in behind:
        is_masking = isinstance(layer, keras.layers.Masking)
        axis, value = (-2, layer.mask_value) if is_masking else (-1, 0.0)
        if drawn.ndim + axis <= 0 or not (is_masking or getattr(layer, "mask_zero", False)):
            continue
        steps = drawn.shape[axis]
        lengths = noise.integers(1, max(steps, 2), drawn.shape[:axis])
        lengths.flat[0] = steps if lengths.size > 1 else lengths.flat[0]
        drawn[np.arange(steps) >= lengths[..., None]] = value
