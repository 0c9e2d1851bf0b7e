"""The train step that `fit` runs: Keras's own, of a model whose loss is linear in its outputs.

The learning rate is a variable that is 0, so weights and gradients stay as they are from call to
call, and Adam's moments go to the gradients and to their squares. The cotangents by which outputs
are weighed keep gradients away from 0: where a gradient that was not zero becomes zero, moments
shrink to denormal numbers in some 800 calls, with which processors compute slowly.
"""

import math
import operator
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import keras
import numpy as np
from keras import ops

from timelift.worker.engines import Array, Feed, mask_arg

#: With so many steps to a growth of the loss scale, it never grows.
_NEVER = 2**31 - 1


class TrainStep(keras.Model):  # type: ignore[misc]
    """A model with Adam and a linear loss; `train_step` takes what `data_of` returns.

    In the policy `mixed_float16` Keras scales the loss, by 2¹⁵ at first, and skips a step with
    gradients that are not finite, after which the scale is half as large. Here it never grows.
    """

    def __init__(self, model: Any, *, training: bool) -> None:
        super().__init__()
        self.model, self._training, self.built = model, training, True
        self.compile(keras.optimizers.Adam(0.0), jit_compile=False)
        if self.scales_loss:
            self.optimizer.dynamic_growth_steps = _NEVER
        self.optimizer.build(self.trainable_variables)

    def call(self, both: Any, training: bool = True) -> Any:  # noqa: ARG002, FBT001, FBT002 - Keras's
        inputs, mask = both
        return self.model(inputs, training=self._training, **mask_arg(mask))

    __call__ = call  # a layer around the model would cost time of its own

    def compute_loss(self, _inputs: Any, cotangents: Any, outputs: Any, *_: Any) -> Any:
        """Return the sum of the float outputs times their cotangents, in Keras's floatx.

        Keras's own losses are computed in it too; a loss in float16 could not be scaled.
        """
        leaves = [getattr(leaf, "flat_values", leaf) for leaf in keras.tree.flatten(outputs)]
        floats = [leaf for leaf in leaves if keras.backend.is_float_dtype(leaf.dtype)]
        floatx = keras.config.floatx()
        wide = [ops.cast(each, floatx) for each in floats]
        return loss_of(wide, [ops.cast(each, floatx) for each in cotangents], ops.sum)

    @property
    def scales_loss(self) -> bool:
        return isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer)

    @property
    def _adam(self) -> Any:
        return getattr(self.optimizer, "inner_optimizer", self.optimizer)

    @property
    def skips(self) -> int:
        """How many steps were skipped, each of which halved the scale of the loss."""
        if not self.scales_loss:
            return 0
        scale = float(ops.convert_to_numpy(self.optimizer.dynamic_scale))
        return round(math.log2(self.optimizer.initial_scale / scale))

    @property
    def kept_bytes(self) -> int:
        """The memory of the optimiser's variables, and on PyTorch of the gradients."""
        kept = [*self.optimizer.variables]
        if keras.backend.backend() == "torch":
            kept += self.trainable_variables
        return sum(math.prod(each.shape) * np.dtype(each.dtype).itemsize for each in kept)

    def reset(self) -> None:
        """Set all but the scale of the loss to what it was before the first step."""
        for variable in [*self._adam.variables, *self.metrics_variables]:
            variable.assign(ops.zeros(variable.shape, variable.dtype))

    def gradients(self) -> list[Array]:
        """Return the gradients of the first step after `reset`, by the weights that train.

        The first moment is (1 - beta_1) times the gradient then.
        """
        moments = [ops.convert_to_numpy(moment) for moment in self._adam._momentums]  # noqa: SLF001
        share = 1 - self._adam.beta_1
        return [moment.astype(np.promote_types(moment.dtype, "f4")) / share for moment in moments]


def data_of(feed: Feed) -> tuple[Any, Sequence[Any]]:
    return (feed.inputs, feed.mask), [*(feed.cotangents or ())]


def loss_of(outputs: Sequence[Any], cotangents: Sequence[Any], total: Callable[[Any], Any]) -> Any:
    """Return the `total` of products, summed; raises ValueError for shapes that would broadcast."""
    for output, cotangent in zip(outputs, cotangents, strict=True):
        if output.shape == cotangent.shape:
            continue  # which is all that a timed call pays for
        if getattr(output.shape, "rank", 0) is None:
            continue  # unknown to TensorFlow while it traces
        shapes = tuple(output.shape), tuple(cotangent.shape)
        has_rank = len(shapes[0]) == len(shapes[1])
        sizes = zip(*shapes, strict=True) if has_rank else ()
        if not has_rank or any(None not in pair and pair[0] != pair[1] for pair in sizes):
            raise ValueError(f"outputs have shape {shapes[0]}, their cotangent {shapes[1]}")
    products = [total(each * by) for each, by in zip(outputs, cotangents, strict=True)]
    return reduce(operator.add, products)  # `sum` would add to 0, one operation more
