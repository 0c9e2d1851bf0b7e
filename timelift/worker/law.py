"""The law: `model(x)[:, t] == layer(x[:, t])` for every valid step, gradients included.

Here results of a model are compared with those of the inner layer (`timelift.worker.reference`).
Every launch draws some steps anew, so that the price is bounded at many steps. In the backward
phase the cotangent is zero at all others, so the gradients by the weights are those of the drawn
steps, and a gradient by the inputs of any other step shows a model that mixes time.
"""

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from timelift.worker.engines import Array
from timelift.worker.tolerances import TOLERANCES, DtypePrecision, Tolerance, tolerance_of


class LawBrokenError(Exception):
    """Where a model and its inner layer disagree, and by how much, in a sentence."""


#: What the only output of a layer and its only input are called.
OUTPUTS, INPUTS = "outputs", "inputs"
#: The largest error of a gradient by the rounding of additions, however many there are, and the
#: largest error by rounding in the size of a whole gradient by a weight.
_MOST_ROUNDING = 0.25
#: A feature with fewer values has no scale of its own: all may be near zero by chance, and their
#: rounding is that of the larger terms that cancelled.
_FEW_VALUES = 32
#: The least scale of a feature, as a share of the largest value of all: where all terms cancel, as
#: in the gradient of attention's key bias, only their rounding is left.
_LEAST_SHARE = 0.1
#: The least scale of a weight's gradient, as a share of the largest gradient of all weights.
_LEAST_SHARE_OF_WEIGHTS = 0.01


@dataclass(frozen=True)
class Reference:
    """The results of the inner layer itself at some steps.

    `outputs` has every leaf of what the layer returns, (batch, len(steps), *outputs), `cotangents`
    one for each float leaf, and `input_gradients`, (batch, len(steps), *features), one for each
    float leaf of what it takes; `weight_gradients` follows the layer's weights. `valid` is (batch,
    time) of booleans; at invalid steps cotangents are zero.

    Rounding alone moves gradients by the relative errors `input_rounding`, (batch, len(steps)) for
    each leaf, and `weight_rounding`, which follows the weights, if these were measured; a model's
    may be twice as large.
    """

    steps: tuple[int, ...]
    valid: Array
    outputs: Sequence[Array]
    cotangents: Sequence[Array]
    input_gradients: Sequence[Array]
    weight_gradients: tuple[Array, ...]
    input_rounding: Sequence[Array] = ()
    weight_rounding: Array | float = 0.0
    output_names: Sequence[str] = (OUTPUTS,)
    #: Of the float leaves.
    input_names: Sequence[str] = (INPUTS,)

    @property
    def has_gradients(self) -> bool:
        return bool(self.input_gradients or self.weight_gradients)

    @property
    def scales(self) -> list[Array]:
        """The scales of the float outputs' features, to which errors are relative."""
        steps = list(self.steps)
        return [scale_of(leaf[self.valid[:, steps]]) for leaf in floats(self.outputs)]

    def sparse_cotangents(self) -> list[Array]:
        """The cotangents of all steps: (batch, time, *outputs), zero except at `steps`."""
        leaves, shape = self.cotangents, self.valid.shape
        sparse = [np.zeros((*shape, *leaf.shape[2:]), leaf.dtype) for leaf in leaves]
        for zeros, leaf in zip(sparse, leaves, strict=True):
            zeros[:, self.steps] = leaf
        return sparse


def is_float(values: Array) -> bool:
    return values.dtype.kind not in "biu"  # numpy has no kind of its own for bfloat16


def floats(leaves: Iterable[Array]) -> list[Array]:
    """Return the leaves that have a gradient."""
    return [leaf for leaf in leaves if is_float(leaf)]


def leaf_names(nest: Any, one: str, each: str) -> list[str]:
    """Return names of a nest's leaves: `one` for a tensor by itself, or else `each` and its place.

    That is a key or a number from 1, such as in "output 'value'".
    """
    places = (".".join(place) for place in _places(nest))
    return [
        f"{each} {place if place.isdigit() else repr(place)}" if place else one for place in places
    ]


def _places(nest: Any) -> list[tuple[str, ...]]:
    if isinstance(nest, Mapping):
        parts = [(str(key), nest[key]) for key in sorted(nest)]
    elif isinstance(nest, list | tuple) and len(nest) == 1:
        return _places(nest[0])  # a functional model unpacks it, but not in a symbolic call
    elif isinstance(nest, list | tuple):
        parts = [(str(place), part) for place, part in enumerate(nest, 1)]
    else:
        return [()]
    return [(key, *place) for key, part in parts for place in _places(part)]


def draw_steps(seq_len: int, most: int, dice: random.Random) -> tuple[int, ...]:
    """Draw at most `most` steps, the first and the last among them."""
    if seq_len <= most:
        return tuple(range(seq_len))
    return (0, *sorted(dice.sample(range(1, seq_len - 1), most - 2)), seq_len - 1)


def over_steps(valid: Array, outputs: Array) -> Array:
    """Shape a mask, such as (batch, steps), to multiply (batch, steps, *outputs)."""
    return valid.reshape(*valid.shape, *[1] * (outputs.ndim - valid.ndim))


def match_outputs(returned: Any, expected: Reference) -> None:
    """Compare a nest of symbolic tensors, which a model returns, with the reference."""
    import keras  # noqa: PLC0415 - the backend is chosen by now

    names, wanted = leaf_names(returned, OUTPUTS, "output"), [*expected.output_names]
    if names != wanted:
        sides = (", ".join(each) or "nothing" for each in (names, wanted))
        returns, layer_returns = ("one tensor" if side == OUTPUTS else side for side in sides)
        raise LawBrokenError(f"returns {returns} where the inner layer returns {layer_returns}")
    leaves = keras.tree.flatten(returned)
    for name, leaf, own in zip(names, leaves, expected.outputs, strict=True):
        if ("float" in leaf.dtype) != is_float(own):
            kinds = f"{_of(name)}{leaf.dtype} where the inner layer returns {own.dtype}"
            raise LawBrokenError(f"returns {kinds}")
    _check_shapes(leaves, expected)


def _check_shapes(leaves: Sequence[Any], expected: Reference) -> None:
    """Compare shapes with (batch, time, *outputs); a size that is None is unknown and fits."""
    for name, leaf, own in zip(expected.output_names, leaves, expected.outputs, strict=True):
        shape, wanted = tuple(leaf.shape), (*expected.valid.shape, *own.shape[2:])
        pairs = zip(shape, wanted, strict=False)
        if len(shape) != len(wanted) or not all(size in {None, want} for size, want in pairs):
            raise LawBrokenError(f"returns {_of(name)}shape {shape} where the law wants {wanted}")


def _of(name: str) -> str:
    return "" if name == OUTPUTS else f"{name} of "


def check_outputs(
    outputs: Sequence[Array], expected: Reference, precision: DtypePrecision
) -> float:
    """Compare a model's outputs with the reference; return the largest error of a feature."""
    _check_shapes(outputs, expected)
    worst = 0.0
    for name, leaf, wanted in zip(expected.output_names, outputs, expected.outputs, strict=True):
        if is_float(wanted):
            allowed = tolerance_of(wanted, precision).outputs
            compared = *_errors(leaf, wanted, expected), expected.steps
            worst = max(worst, _check_by_step(*compared, name, allowed))
        else:
            _check_equal(leaf, wanted, expected, name)
    return worst


def _check_leaks(
    gradients: Sequence[Array], expected: Reference, precision: DtypePrecision
) -> None:
    """Reject gradients by the inputs at steps without cotangent.

    Convolutions by FFT or Winograd leave rounding errors there, from neighbouring steps.
    """
    is_outside = np.ones_like(expected.valid)
    is_outside[:, expected.steps] = ~expected.valid[:, expected.steps]
    compared = zip(expected.input_names, gradients, expected.input_gradients, strict=True)
    for name, gradient, wanted in compared:
        largest = float(np.abs(widened(wanted)).max(initial=0.0))
        leaks = np.abs(widened(gradient)) * over_steps(is_outside, gradient)
        if leaks.max(initial=0.0) > TOLERANCES[precision].leak * largest:
            step = int(largest_by_cell(leaks).max(axis=0).argmax())
            raise LawBrokenError(
                f"mixes time: a step's outputs have a gradient by another step's {name}, up to "
                f"{leaks.max():.2g} at step {step} beside {largest:.2g} by their own"
            )


def check_input_gradients(
    gradients: Sequence[Array],
    expected: Reference,
    precision: DtypePrecision,
    *,
    mixes: bool = False,
) -> float:
    """Compare gradients by the inputs; unless the layer `mixes` steps, others have none."""
    if not mixes:
        _check_leaks(gradients, expected, precision)
    check_finite(gradients, map(gradient_by, expected.input_names))
    worst, allowed = 0.0, TOLERANCES[precision].gradients
    rounding = expected.input_rounding or [np.zeros(1)] * len(gradients)
    leaves = expected.input_names, gradients, expected.input_gradients, rounding
    for name, gradient, wanted, rounded in zip(*leaves, strict=True):
        errors, scale = _errors(gradient, wanted, expected)
        errors[largest_by_cell(errors) <= 2 * rounded] = 0
        compared = errors, scale, expected.steps, gradient_by(name)
        worst = max(worst, _check_by_step(*compared, allowed))
    return worst


def gradient_by(name: str) -> str:
    return "input gradient" if name == INPUTS else f"gradient by {name}"


def check_finite(leaves: Iterable[Array], names: Iterable[str]) -> None:
    """Reject NaN and infinity at any step of (batch, time, …), the padded ones included."""
    for values, name in zip(leaves, names, strict=True):
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
    gradients: Sequence[Array | None], expected: Reference, precision: DtypePrecision
) -> float:
    """Compare the gradients by the weights, in the layer's order.

    Each sums over rows and a feature's values in each, of inputs or outputs, whatever has more.
    """
    wanted, tolerance = expected.weight_gradients, TOLERANCES[precision]
    rows = int(expected.valid[:, expected.steps].sum())
    leaves = *expected.outputs, *expected.input_gradients
    additions = rows * max(math.prod(leaf.shape[2:-1]) for leaf in leaves)
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
    """Return by what share a gradient is larger than the wanted one; near 0 far below the scale.

    It is the error along the wanted gradient, in which the rounding of single values averages out.
    """
    relative = widened(wanted) / scale
    error = widened(gradient).reshape(wanted.shape) / scale - relative
    return float((error * relative).sum() / max(1.0, float(np.square(relative).sum())))


def weight_gradient_errors(
    gradients: Sequence[Array], wanted: Sequence[Array], rows: int
) -> list[tuple[Array, Array]]:
    """Return (errors in units of the scale, scale) of each gradient by a weight.

    The scale is the largest gradient of each column (last axis), but no less than a share of the
    weight's own largest, and of the largest of all: some gradients are zero by symmetry.
    """
    largest = max((float(np.abs(widened(want)).max(initial=0.0)) for want in wanted), default=0.0)
    compared = list[tuple[Array, Array]]()
    for gradient, want in zip(gradients, wanted, strict=True):
        values = want if rows >= _FEW_VALUES else want.reshape(-1)
        scale = scale_of(values, least=_LEAST_SHARE_OF_WEIGHTS * largest)
        compared.append((relative_errors(gradient.reshape(want.shape), want, scale), scale))
    return compared


def check_loss(
    loss: float, expected: Reference, scales: Sequence[Array], precision: DtypePrecision
) -> None:
    """Compare a loss with the sum of the reference's float outputs * cotangents.

    Its size is the norm of its terms, as expected for random cotangents. Allowed are outputs that
    all err by half their tolerance, in random directions; additions, in float32 or a more precise
    dtype; and the rounding of the sum itself.
    """
    outputs, weights = floats(expected.outputs), [*map(widened, expected.cotangents)]
    tolerances = [tolerance_of(leaf, precision) for leaf in outputs]
    terms = [widened(leaf) * by for leaf, by in zip(outputs, weights, strict=True)]
    sums = [float(each.sum(dtype=np.float64)) for each in terms]
    errors = (
        tolerance.outputs / 2 * _norm(by * scale.astype(by.dtype))
        for tolerance, by, scale in zip(tolerances, weights, scales, strict=True)
    )
    of_outputs = math.hypot(*errors)
    size = max(math.hypot(*map(_norm, terms)), of_outputs, float(np.finfo(np.float32).tiny))
    coarsest_roundoff = max(tolerance.roundoff for tolerance in tolerances)
    roundoff = min(coarsest_roundoff, TOLERANCES[DtypePrecision.FLOAT32].roundoff)
    additions = math.sqrt(sum(each.size for each in terms))
    rounding = 2 * (roundoff * additions * size + coarsest_roundoff * sum(map(abs, sums)))
    allowed = (of_outputs + rounding) / size
    if not abs(loss - sum(sums)) / size <= allowed:
        raise LawBrokenError(
            "outputs differ from the inner layer's: weighed at random, their sum is "
            f"{abs(loss - sum(sums)) / size:.2g} of its size away (allowed: {allowed:.2g})"
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


def _check_equal(values: Array, wanted: Array, expected: Reference, name: str) -> None:
    """Compare whole numbers, (batch, time, …), with (batch, len(steps), …) of the reference."""
    steps = list(expected.steps)
    found = values[:, steps]
    differs = (found != wanted) & over_steps(expected.valid[:, steps], wanted)
    if differs.any():
        places = np.argwhere(differs)
        place = tuple(places[places[:, 1].argmin()])
        raise LawBrokenError(
            f"{name} at step {steps[place[1]]} {_differ(name)} from the inner layer's: "
            f"{found[place]} in place of {wanted[place]}, where whole numbers must be equal"
        )


def _differ(name: str) -> str:
    return "differ" if name == OUTPUTS else "differs"


def _errors(values: Array, wanted: Array, expected: Reference) -> tuple[Array, Array]:
    """Compare (batch, time, …) with (batch, len(steps), …) of the reference, at its valid steps.

    Returns errors in units of the scale, and the scale.
    """
    steps = list(expected.steps)
    valid = expected.valid[:, steps]
    scale = scale_of(wanted[valid])
    errors = relative_errors(values[:, steps], wanted, scale)
    errors[~valid] = 0
    return errors, scale


def _check_by_step(
    errors: Array, scale: Array, steps: Sequence[int], name: str, allowed: float
) -> float:
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
    place = np.unravel_index(int(errors.argmax()), errors.shape)
    share, feature = 1.0, ""
    if scale.ndim:
        share, feature = float(scale[place[-1]] / scale.max()), f", in feature {place[-1]}"
    raise LawBrokenError(
        f"{name} {where} {_differ(name)} from the inner layer's by {worst * share:.2g} of the "
        f"largest value{feature} (allowed: {allowed * share:.1g})"
    )


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
    """True if values differ beyond rounding, whole numbers at all; NaN differs from anything."""
    if not is_float(wanted):
        return bool((values != wanted).any())
    errors = relative_errors(values, wanted, scale_of(wanted))
    return not errors.max(initial=0.0) <= TOLERANCES[precision].outputs


def widened(values: Array) -> Array:
    """Convert bfloat16, float16 and whole numbers to float32 at least; float64 stays."""
    wide: Array = values.astype(np.promote_types(values.dtype, np.float32), copy=False)
    return wide
