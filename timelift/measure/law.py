"""The law: `model(x)[:, t] == layer(x[:, t])` for every valid step, gradients included.

The reference is the inner layer called eagerly, one step at a time, by no strategy's code. To keep
the price bounded at many steps, some are drawn anew in every launch; in the backward phase the
cotangent is zero elsewhere, so the weights' gradients are the drawn steps' alone, and an input
gradient at any other step betrays a model that mixes time.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from timelift.case import Dtype
from timelift.engine import Array, Engine

#: Largest |a - b| / max |a| for outputs and for gradients, by dtype.
TOLERANCES = {
    Dtype.FLOAT64: (1e-12, 1e-11),
    Dtype.FLOAT32: (1e-5, 1e-4),
    Dtype.BFLOAT16: (2e-2, 5e-2),
}


def precision(dtype: Dtype) -> Dtype:
    """Give the dtype that Keras computes in where layers have `dtype`.

    On JAX and PyTorch it multiplies float64 in float32 (`keras.backend.result_type`).
    """
    import keras  # noqa: PLC0415 - the backend is chosen by now

    return Dtype(keras.backend.result_type(str(dtype), str(dtype)))


class LawBrokenError(Exception):
    """A sentence that says where a model and its inner layer disagree, and by how much."""


@dataclass(frozen=True)
class Reference:
    """What the inner layer itself gives at some steps.

    `outputs` is (batch, len(steps), *outputs); `cotangent` has that shape too and is zero at
    invalid steps; `by_step` is like the inputs at `steps`; `by_weight` follows the layer's weights.
    `valid` is (batch, time) of booleans.
    """

    steps: tuple[int, ...]
    valid: Array
    outputs: Array
    cotangent: Array
    by_step: Array
    by_weight: tuple[Array, ...]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape that a lift must return: (batch, time, *outputs)."""
        return (*self.valid.shape, *self.outputs.shape[2:])

    def sparse_cotangent(self) -> Array:
        """The cotangent of all steps: zero except at the reference's."""
        everywhere = np.zeros(self.output_shape, self.cotangent.dtype)
        everywhere[:, self.steps] = self.cotangent
        return everywhere


def draw_steps(seq_len: int, most: int, dice: random.Random) -> tuple[int, ...]:
    """Draw at most `most` steps, the first and the last among them."""
    if seq_len <= most:
        return tuple(range(seq_len))
    return (0, *sorted(dice.sample(range(1, seq_len - 1), most - 2)), seq_len - 1)


def reference(  # noqa: PLR0913, PLR0917 - the law needs all of these and nothing bundles them
    engine: Engine,
    layer: Any,
    inputs: Array,
    valid: Array,
    steps: Sequence[int],
    noise: np.random.Generator,
    *,
    gradients: bool,
) -> Reference:
    """Call the inner layer at each step; `inputs` is (batch, time, *features)."""
    placed = [engine.place(np.ascontiguousarray(inputs[:, step])) for step in steps]
    outputs = [engine.apply(layer, step, training=False) for step in placed]
    weighed = [
        noise.standard_normal(output.shape) * _over(valid[:, step], output)
        for step, output in zip(steps, outputs, strict=True)
    ]
    cotangents = [one.astype(output.dtype) for one, output in zip(weighed, outputs, strict=True)]
    by_step, by_weight = (
        engine.differentiate(
            layer, placed, [engine.place(one) for one in cotangents], training=False
        )
        if gradients
        else ([], [])
    )
    return Reference(
        steps=tuple(steps),
        valid=valid,
        outputs=np.stack(outputs, axis=1),
        cotangent=np.stack(cotangents, axis=1),
        by_step=np.stack(by_step, axis=1) if by_step else np.zeros(0),
        by_weight=tuple(by_weight),
    )


def _over(valid: Array, output: Array) -> Array:
    """Shape a (batch,) mask to multiply (batch, *outputs)."""
    return valid.reshape(-1, *[1] * (output.ndim - 1))


def check_output_shape(shape: tuple[int | None, ...], expected: Reference) -> None:
    """Hold a shape to (batch, time, *outputs); None is a size that is not known yet."""
    wanted = expected.output_shape
    pairs = zip(shape, wanted, strict=False)
    if len(shape) != len(wanted) or not all(size in {None, want} for size, want in pairs):
        raise LawBrokenError(f"returns shape {shape} where the law wants {expected.output_shape}")


def check_outputs(outputs: Array, expected: Reference, dtype: Dtype) -> float:
    """Compare a model's outputs with the reference; return the relative difference."""
    check_output_shape(outputs.shape, expected)
    valid = expected.valid[:, expected.steps]
    found = outputs[:, expected.steps]
    return _compare_steps(found, expected.outputs, valid, expected.steps, "outputs", dtype)


def check_input_gradient(gradient: Array, expected: Reference, dtype: Dtype) -> float:
    """Compare the gradient by the inputs, which must be zero at every step without cotangent."""
    others = np.delete(gradient, expected.steps, axis=1)
    if others.size and np.abs(others).max() > 0:
        raise LawBrokenError(
            "mixes time: a step's outputs have a gradient by another step's inputs, up to "
            f"{np.abs(others).max():.2g}"
        )
    valid = expected.valid[:, expected.steps]
    found = gradient[:, expected.steps]
    name = "input gradient"
    return _compare_steps(found, expected.by_step, valid, expected.steps, name, dtype)


def check_weight_gradients(
    gradients: Sequence[Array | None], expected: Reference, dtype: Dtype
) -> float:
    """Compare the gradients by the weights, in the layer's order.

    A difference is relative to the weight's own largest gradient, but to no less than a
    hundredth of the largest of all: some are zero by symmetry, as that of attention's key bias.
    """
    worst = 0.0
    floor = 1e-2 * max((float(np.abs(one).max()) for one in expected.by_weight), default=0.0)
    for index, (found, wanted) in enumerate(zip(gradients, expected.by_weight, strict=True)):
        name = f"gradient of weight {index}"
        if found is None:
            raise LawBrokenError(f"has no {name}: it would never be trained")
        shaped = found.reshape(wanted.shape)
        scale = max(floor, float(np.abs(wanted).max()))
        error = _relative(shaped, wanted, name, dtype, gradient=True, scale=scale)
        worst = max(worst, error)
    return worst


def match_weights(model: Any, layer: Any) -> list[int]:
    """For each weight of the layer, its index among the model's; wrong weights break the law."""
    ours, theirs = list(model.trainable_weights), list(layer.trainable_weights)
    sizes = [[int(np.prod(weight.shape)) for weight in side] for side in (ours, theirs)]
    if sorted(sizes[0]) != sorted(sizes[1]):
        raise LawBrokenError(
            f"has {len(ours)} trainable weights of {sum(sizes[0])} values where the inner layer "
            f"has {len(theirs)} of {sum(sizes[1])}; it would not train the layer"
        )
    places = {id(weight): index for index, weight in enumerate(ours)}
    if all(id(weight) in places for weight in theirs):
        return [places[id(weight)] for weight in theirs]
    return list(range(len(theirs)))


def _compare_steps(  # noqa: PLR0913, PLR0917 - one comparison, spoken of by name
    found: Array, wanted: Array, valid: Array, steps: Sequence[int], name: str, dtype: Dtype
) -> float:
    worst = 0.0
    scale = float(np.abs(wanted[valid]).max(initial=0.0))
    for index, step in enumerate(steps):
        rows = valid[:, index]
        what = f"{name} at step {step}"
        pair = found[rows, index], wanted[rows, index]
        gradient = name != "outputs"
        worst = max(worst, _relative(*pair, what, dtype, gradient=gradient, scale=scale))
    return worst


def _relative(  # noqa: PLR0913
    found: Array,
    wanted: Array,
    name: str,
    dtype: Dtype,
    *,
    gradient: bool,
    scale: float | None = None,
) -> float:
    if found.shape != wanted.shape:
        raise LawBrokenError(f"{name} has shape {found.shape}, the law wants {wanted.shape}")
    if found.size == 0:
        return 0.0
    size = float(np.abs(wanted).max()) if scale is None else scale
    difference = np.abs(found.astype(np.float64) - wanted.astype(np.float64)).max()
    relative = float(difference) / max(size, np.finfo(np.float64).tiny)
    tolerance = TOLERANCES[dtype][gradient]
    if not relative <= tolerance and difference != 0:
        raise LawBrokenError(
            f"{name} differs from the inner layer's by {relative:.2g} of its largest value "
            f"(allowed: {tolerance:.0g})"
        )
    return relative if difference else 0.0
