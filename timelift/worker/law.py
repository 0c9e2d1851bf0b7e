"""The law: `model(x)[:, t] == layer(x[:, t])` for every valid step, gradients included.

Here results of a model are compared with those of the inner layer (`timelift.worker.reference`).
Every launch draws some steps anew, so that the price is bounded at many steps. In the backward
phase the cotangent is zero at all others, so the gradients by the weights are those of the drawn
steps, and a gradient by the inputs of any other step shows a model that mixes time. A right model
differs from the inner layer by rounding alone.
"""

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from timelift.case import CPU
from timelift.worker.engines import Array


class LawBrokenError(Exception):
    """Where a model and its inner layer disagree, and by how much, in a sentence."""


class DtypePrecision(StrEnum):
    """A precision of arithmetic; in TF32 a GPU may multiply float32."""

    FLOAT64 = "float64"
    FLOAT32 = "float32"
    TF32 = "tf32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


@dataclass(frozen=True)
class Tolerance:
    """The largest error of a right model, relative to the largest value of the same feature.

    `leak` bounds the gradient by the inputs of a step without cotangent, relative to the largest
    one: FFT and Winograd convolutions accumulate in float32, or in TF32, whatever the dtype.
    `roundoff` is the relative error of one addition, which a sum over many steps repeats.
    """

    outputs: float
    gradients: float
    leak: float
    roundoff: float


OUTPUTS, INPUT_GRADIENT = "outputs", "input gradient"
TOLERANCES = {
    DtypePrecision.FLOAT64: Tolerance(1e-12, 1e-11, 1e-13, 2.0**-53),
    DtypePrecision.FLOAT32: Tolerance(1e-5, 1e-4, 1e-6, 2.0**-24),
    DtypePrecision.TF32: Tolerance(2e-3, 5e-3, 5e-4, 2.0**-24),
    DtypePrecision.FLOAT16: Tolerance(5e-3, 1.25e-2, 1e-6, 2.0**-11),
    DtypePrecision.BFLOAT16: Tolerance(2e-2, 5e-2, 1e-6, 2.0**-9),
}
#: The most that the rounding of additions may make of a gradient's error, however many there are,
#: and that rounding of any kind may make of the size of a whole gradient by a weight.
_MOST_ROUNDING = 0.25
#: A feature with fewer values has no scale of its own: all may be near zero by chance, and their
#: rounding is that of the larger terms that cancelled.
_FEW_VALUES = 32
#: The least scale of a feature, as a share of the largest value of all: where all terms cancel, as
#: in the gradient of attention's key bias, only their rounding is left.
_LEAST_SHARE = 0.1
#: The least scale of a weight's gradient, as a share of the largest gradient of all weights.
_LEAST_SHARE_OF_WEIGHTS = 0.01
#: Values of `jax_default_matmul_precision` for which a GPU does not multiply float32 in TF32.
_JAX_FULL = frozenset({"float32", "highest", "F32_F32_F32"})


@dataclass(frozen=True)
class Reference:
    """The results of the inner layer itself at some steps.

    `outputs` and `cotangent` are (batch, len(steps), *outputs), `input_gradient` is (batch,
    len(steps), *features), and `weight_gradients` follows the layer's weights. `valid` is (batch,
    time) of booleans; at invalid steps the cotangent is zero.

    Rounding alone moves gradients by the relative errors `input_rounding`, (batch, len(steps)), and
    `weight_rounding`, which follows the weights, if these were measured; a model's may be twice as
    large.
    """

    steps: tuple[int, ...]
    valid: Array
    outputs: Array
    cotangent: Array
    input_gradient: Array
    weight_gradients: tuple[Array, ...]
    input_rounding: Array | float = 0.0
    weight_rounding: Array | float = 0.0

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape that a lift must return: (batch, time, *outputs)."""
        return (*self.valid.shape, *self.outputs.shape[2:])

    def sparse_cotangent(self) -> Array:
        """The cotangent of all steps: (batch, time, *outputs), zero except at `steps`."""
        sparse = np.zeros(self.output_shape, self.cotangent.dtype)
        sparse[:, self.steps] = self.cotangent
        return sparse


def draw_steps(seq_len: int, most: int, dice: random.Random) -> tuple[int, ...]:
    """Draw at most `most` steps, the first and the last among them."""
    if seq_len <= most:
        return tuple(range(seq_len))
    return (0, *sorted(dice.sample(range(1, seq_len - 1), most - 2)), seq_len - 1)


def over_steps(valid: Array, outputs: Array) -> Array:
    """Shape a (batch, steps) mask to multiply (batch, steps, *outputs)."""
    return valid.reshape(*valid.shape, *[1] * (outputs.ndim - 2))


def check_output_shape(shape: tuple[int | None, ...], expected: Reference) -> None:
    """Compare a shape with (batch, time, *outputs); a size that is None is unknown and fits."""
    wanted = expected.output_shape
    pairs = zip(shape, wanted, strict=False)
    if len(shape) != len(wanted) or not all(size in {None, want} for size, want in pairs):
        raise LawBrokenError(f"returns shape {shape} where the law wants {wanted}")


def check_outputs(outputs: Array, expected: Reference, precision: DtypePrecision) -> float:
    """Compare a model's outputs with the reference; return the largest error of a feature."""
    check_output_shape(outputs.shape, expected)
    allowed = TOLERANCES[precision].outputs
    return _check_steps(outputs, expected.outputs, expected, OUTPUTS, allowed)


def check_input_gradient(gradient: Array, expected: Reference, precision: DtypePrecision) -> float:
    """Compare the gradient by the inputs, which is zero at every step without cotangent.

    Convolutions by FFT or Winograd leave rounding errors there, from neighbouring steps.
    """
    is_outside = np.ones_like(expected.valid)
    is_outside[:, expected.steps] = ~expected.valid[:, expected.steps]
    largest = float(np.abs(widened(expected.input_gradient)).max(initial=0.0))
    leaks = np.abs(widened(gradient)) * over_steps(is_outside, gradient)
    if leaks.max(initial=0.0) > TOLERANCES[precision].leak * largest:
        step = int(largest_by_cell(leaks).max(axis=0).argmax())
        raise LawBrokenError(
            "mixes time: a step's outputs have a gradient by another step's inputs, up to "
            f"{leaks.max():.2g} at step {step} beside {largest:.2g} by their own"
        )
    return check_input_gradient_at_steps(gradient, expected, precision)


def check_input_gradient_at_steps(
    gradient: Array, expected: Reference, precision: DtypePrecision
) -> float:
    check_finite(gradient, INPUT_GRADIENT)
    allowed = TOLERANCES[precision].gradients
    wanted = expected.input_gradient
    return _check_steps(gradient, wanted, expected, INPUT_GRADIENT, allowed)


def check_finite(values: Array, name: str) -> None:
    """Reject NaN and infinity at any step of (batch, time, …), the padded ones included."""
    bad = largest_by_cell(~np.isfinite(widened(values))).any(axis=0)
    if bad.any():
        raise _not_finite(name, f"at step {bad.argmax()}")


def check_finite_weight_gradients(gradients: Sequence[Array | None]) -> None:
    for index, gradient in enumerate(gradients):
        if gradient is not None and not np.isfinite(widened(gradient)).all():
            raise _not_finite("gradient", f"of weight {index}")


def _not_finite(name: str, where: str) -> LawBrokenError:
    return LawBrokenError(f"{name} {where} {'are' if name == OUTPUTS else 'is'} NaN or infinite")


def check_weight_gradients(
    gradients: Sequence[Array | None],
    expected: Reference,
    precision: DtypePrecision,
) -> float:
    """Compare the gradients by the weights, in the layer's order.

    Each sums over rows, and in a row over the values of a feature, such as pixels.
    """
    wanted, tolerance = expected.weight_gradients, TOLERANCES[precision]
    rows = int(expected.valid[:, expected.steps].sum())
    additions = rows * math.prod(expected.outputs.shape[2:-1])
    least = np.full(len(wanted), tolerance.gradients + rounding_of(additions, tolerance))
    allowed = np.maximum(2 * expected.weight_rounding, least)
    present = list[Array]()
    for index, gradient in enumerate(gradients):
        if gradient is None and wanted[index].any():
            raise LawBrokenError(f"has no gradient of weight {index}: it would never be trained")
        present.append(np.zeros_like(wanted[index]) if gradient is None else gradient)
    worst = 0.0
    for index, (errors, scale) in enumerate(weight_gradient_errors(present, wanted, rows)):
        where = f"of weight {index}"
        worst = max(worst, check_errors(errors, scale, "gradient", where, allowed[index]))
        share = _excess(present[index], wanted[index], scale)
        if abs(share) > _MOST_ROUNDING:
            raise LawBrokenError(
                f"gradient {where} is {1 + share:.2g} times as large as the inner layer's"
            )
    return worst


def _excess(gradient: Array, wanted: Array, scale: Array) -> float:
    """Return how much larger a gradient by a weight is than the wanted one, as a share of that.

    It is the error along the wanted gradient, over which what rounding does to single values
    averages out. Of a gradient that is far below its scale, zero by symmetry, it is near 0.
    """
    relative = widened(wanted) / scale
    error = widened(gradient).reshape(wanted.shape) / scale - relative
    return float((error * relative).sum() / max(1.0, float(np.square(relative).sum())))


def weight_gradient_errors(
    gradients: Sequence[Array], wanted: Sequence[Array], rows: int
) -> list[tuple[Array, Array]]:
    """Return (errors in units of the scale, scale) of each gradient by a weight.

    The scale is the largest gradient of each column (last axis), but no less than a tenth of the
    weight's own largest and a hundredth of the largest of all weights: some gradients are zero by
    symmetry, as that of attention's key bias.
    """
    largest = max((float(np.abs(widened(want)).max(initial=0.0)) for want in wanted), default=0.0)
    compared = list[tuple[Array, Array]]()
    for gradient, want in zip(gradients, wanted, strict=True):
        values = want if rows >= _FEW_VALUES else want.reshape(-1)
        scale = scale_of(values, least=_LEAST_SHARE_OF_WEIGHTS * largest)
        compared.append((relative_errors(gradient.reshape(want.shape), want, scale), scale))
    return compared


def check_loss(loss: float, expected: Reference, scale: Array, precision: DtypePrecision) -> None:
    """Compare a loss with the sum of the reference's outputs * cotangent.

    The size of the sum is the norm of its terms, as expected for a random cotangent. The allowed
    error has three parts: outputs that all err by half their tolerance, in random directions;
    additions, in float32 or a more precise dtype; and the rounding of the sum itself.
    """
    tolerance, weights = TOLERANCES[precision], widened(expected.cotangent)
    terms = widened(expected.outputs) * weights
    wanted = float(terms.sum(dtype=np.float64))
    of_outputs = tolerance.outputs / 2 * _norm(weights * scale.astype(weights.dtype))
    size = max(_norm(terms), of_outputs, float(np.finfo(np.float32).tiny))
    roundoff = min(tolerance.roundoff, TOLERANCES[DtypePrecision.FLOAT32].roundoff)
    rounding = 2 * (roundoff * math.sqrt(terms.size) * size + tolerance.roundoff * abs(wanted))
    allowed = (of_outputs + rounding) / size
    if not abs(loss - wanted) / size <= allowed:
        raise LawBrokenError(
            "outputs differ from the inner layer's: weighed at random, their sum is "
            f"{abs(loss - wanted) / size:.2g} of its size away (allowed: {allowed:.2g})"
        )


def _norm(values: Array) -> float:
    """Return the root of the sum of squares, without BLAS, whose threads would go on spinning."""
    return math.sqrt(float(np.square(values).sum(dtype=np.float64)))


def match_weights(model: Any, layer: Any) -> list[int]:
    """Return the index of each of the layer's weights in the model; raises LawBrokenError."""
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


def largest_by_cell(values: Array) -> Array:
    """Return the largest value of each sequence and step of (batch, steps, …); NaN if any is."""
    largest: Array = values.max(axis=tuple(range(2, values.ndim)), initial=0.0)
    return largest


def _check_steps(
    values: Array, wanted: Array, expected: Reference, name: str, allowed: float
) -> float:
    """Compare (batch, time, …) with (batch, len(steps), …) of the reference, at its valid steps."""
    steps = list(expected.steps)
    valid = expected.valid[:, steps]
    scale = scale_of(wanted[valid])
    errors = relative_errors(values[:, steps], wanted, scale)
    errors[~valid] = 0
    if name == INPUT_GRADIENT:
        errors[largest_by_cell(errors) <= 2 * expected.input_rounding] = 0
    by_step = largest_by_cell(errors).max(axis=0)
    wrong = int((~(by_step <= allowed)).argmax())
    check_errors(errors[:, wrong], scale, name, f"at step {steps[wrong]}", allowed)
    return float(by_step.max())


def check_errors(errors: Array, scale: Array, name: str, where: str, allowed: float) -> float:
    """Return the largest of errors in units of the scale; raises LawBrokenError if not allowed."""
    worst = float(errors.max(initial=0.0))
    if worst <= allowed:
        return worst
    if not math.isfinite(worst):
        raise _not_finite(name, where)
    differ = "differ" if name == OUTPUTS else "differs"
    place = np.unravel_index(int(errors.argmax()), errors.shape)
    share, feature = 1.0, ""
    if scale.ndim:
        share, feature = float(scale[place[-1]] / scale.max()), f", in feature {place[-1]}"
    raise LawBrokenError(
        f"{name} {where} {differ} from the inner layer's by {worst * share:.2g} of the "
        f"largest value{feature} (allowed: {allowed * share:.1g})"
    )


def coarsest(dtypes: Iterable[str], device: str, identity: Mapping[str, str]) -> DtypePrecision:
    """Return the precision of a result computed in all these dtypes, which is the coarsest."""
    precisions = (precision(dtype, device, identity) for dtype in dtypes)
    return max(precisions, key=lambda computed: TOLERANCES[computed].outputs)


def precision(dtype: str, device: str, identity: Mapping[str, str]) -> DtypePrecision:
    """Return the precision of layers of `dtype` on a device with this `Engine.identity()`.

    On JAX and PyTorch Keras multiplies float64 in float32 (`keras.backend.result_type`). On a GPU
    float32 is TF32 if a switch of the backend allows that, for products or for convolutions.
    """
    import keras  # noqa: PLC0415 - the backend is chosen by now

    computed = DtypePrecision(keras.backend.result_type(str(dtype), str(dtype)))
    may_be_tf32 = computed is DtypePrecision.FLOAT32 and not device.startswith(CPU)
    return DtypePrecision.TF32 if may_be_tf32 and _allows_tf32(identity) else computed


def _allows_tf32(identity: Mapping[str, str]) -> bool:
    names = identity.keys() & {"tf32", "matmul_tf32", "cudnn_tf32"}
    switches = {identity[name] for name in names}
    if switches:
        return "True" in switches
    return identity.get("matmul_precision", "highest") not in _JAX_FULL


def rounding_of(additions: int, tolerance: Tolerance) -> float:
    """Return the allowed relative error of a sum of so many numbers, since each addition rounds."""
    return min(2 * tolerance.roundoff * math.sqrt(additions), _MOST_ROUNDING)


def scale_of(values: Array, share: float = _LEAST_SHARE, least: float = 0.0) -> Array:
    """Return the scale of (values, *axes, features): (features,), or one number of few values.

    It is each feature's largest value, but no less than `share` of the largest of all and `least`.
    """
    sizes = np.abs(widened(values))
    overall = sizes.max(initial=0)
    few = sizes.ndim <= 1 or sizes.size < _FEW_VALUES * sizes.shape[-1]
    own = overall if few else sizes.max(axis=tuple(range(sizes.ndim - 1)))
    scale: Array = np.maximum(own, max(share * float(overall), least, np.finfo(sizes.dtype).tiny))
    return scale


def relative_errors(values: Array, wanted: Array, scale: Array) -> Array:
    """Return |values - wanted| in units of the scale, in their shape; NaN stays NaN."""
    with np.errstate(all="ignore"):
        difference: Array = np.abs(widened(values) - widened(wanted))
        difference /= scale.astype(difference.dtype)
    return difference


def differ(
    values: Array, wanted: Array, precision: DtypePrecision = DtypePrecision.FLOAT32
) -> bool:
    """True if values differ beyond rounding; NaN differs from anything."""
    errors = relative_errors(values, wanted, scale_of(wanted))
    return not errors.max(initial=0.0) <= TOLERANCES[precision].outputs


def widened(values: Array) -> Array:
    """Convert bfloat16, float16 and whole numbers to float32 at least; float64 stays."""
    wide: Array = values.astype(np.promote_types(values.dtype, np.float32), copy=False)
    return wide
