"""What the rivals of a setting are fed, and what the layer takes that they lift."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from timelift.case import Lengths, Setting
from timelift.inner_layer import LayerInputs
from timelift.worker import law
from timelift.worker.engines import Array, Engine, Feed

#: An index into (batch, time) of all of it.
_ALL = (slice(None), slice(None))


def first_steps(array: Array, length: int, padded_to: int) -> Array:
    """Return the first `length` steps of (batch, time, …), and zeros after them."""
    padded = np.zeros((len(array), padded_to, *array.shape[2:]), array.dtype)
    padded[:, :length] = array[:, :length]
    return padded


@dataclass(frozen=True)
class SharedInputs:
    """What all rivals of a setting are fed, and the steps at which the law is checked.

    Each of the `tensors` is (batch, time, *features), and its mask, if it has one of its own, is
    (batch, time, first axis of the features); `valid` is (batch, time). Both are booleans.
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
        masks = [mask if mask is None else padded(mask) for mask in self.masks]
        steps = [step for step in self.steps if step < length]
        tensors, valid = [*map(padded, self.tensors)], padded(self.valid)
        return SharedInputs(self.structure, tensors, masks, valid, steps)

    def all_like_the_first(self) -> "SharedInputs":
        """Return sequences of which every step is their first one."""

        def repeated(array: Array) -> Array:
            return np.repeat(array[:, :1], array.shape[1], axis=1)

        masks = [mask if mask is None else repeated(mask) for mask in self.masks]
        return replace(self, tensors=[*map(repeated, self.tensors)], masks=masks)

    def placed(self, place: Callable[[Array], Any], index: Any = _ALL) -> tuple[Any, Any]:
        """Return inputs and masks of their own, or None, on the device, as the layer takes them.

        `index` chooses of (batch, time).
        """

        def chosen(array: Array | None) -> Any:
            return None if array is None else place(np.ascontiguousarray(array[index]))

        inputs, masks = ([*map(chosen, arrays)] for arrays in (self.tensors, self.masks))
        has_masks = any(mask is not None for mask in masks)
        return self.structure.pack(inputs), self.structure.pack(masks) if has_masks else None


@dataclass(frozen=True)
class Feeds:
    """Convert between padded arrays and the tensors of one rival, which are padded or `ragged`.

    A ragged tensor has the valid steps alone; with a padded one goes a mask where lengths vary, or
    its own.
    """

    engine: Engine
    setting: Setting
    shared: SharedInputs
    ragged: bool

    def feed(self, cotangents: Sequence[Array] | None = None) -> Feed:
        """Place inputs, masks and, in the backward phase, cotangents (batch, time, …)."""
        place, shared, valid = self.engine.place, self.shared, self.shared.valid
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
        if not self.ragged:
            return self.engine.to_numpy(value)
        steps = self.engine.to_numpy(getattr(value, "flat_values", value))
        valid = self.shared.valid
        padded = np.zeros((*valid.shape, *steps.shape[1:]), steps.dtype)
        padded[valid] = steps
        return padded
