"""The inner layer called for the results that each rival must have.

How it is called is in docs/protocol.md, "The law": at the drawn steps one at a time, and at every
step folded into the batch, in chunks. The fold alone never fails a rival, since a layer may mix its
batch or refuse another size.
"""

import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from timelift.messages import CALLING_EVERY_STEP
from timelift.worker import law
from timelift.worker.engines import Array, Engine
from timelift.worker.inputs import SharedInputs
from timelift.worker.law import LawBrokenError, Reference
from timelift.worker.tolerances import TOLERANCES, DtypePrecision
from timelift.worker.user_code import revalued

#: The stage in which a rival is held to the law.
CHECKING = "checking the law"
#: Bytes of inputs that are folded into one call, so that the layer's own memory stays small.
_CHUNK_BYTES = 2**22
#: The least scale of a feature by which cotangents are weighed, as a share of the largest.
_LEAST_COUNTED = 0.01
#: A bound of the loss of float16 outputs, far below 65,504, the largest number of float16.
_LARGEST_SUM = 1000.0
#: Calls that show how far rounding moves the layer's gradients, and how far the weights move for
#: that, as a share of the allowed error of outputs: a few times what an addition may round.
ROUNDED_CALLS, _ROUNDED_SHARE = 8, 0.1
TRAINED = 0.75
#: The rows of a call, as indices (of sequences, of steps) into (batch, time).
Rows = tuple[Array, Array]
#: Returns the cotangents of float outputs.
Weigh = Callable[[Sequence[Array]], Sequence[Array]]
#: Is called with the name of a stage that begins.
Begin = Callable[[str], None]


@dataclass(frozen=True)
class LayerCalls:
    """The inner layer called on rows of its inputs; results at all others are zero."""

    engine: Engine
    layer: Any
    shared: SharedInputs
    training: bool
    output_names: Sequence[str] = (law.OUTPUTS,)

    def rows(self, steps: Sequence[int], *, folded: bool = False) -> list[Rows]:
        """Return the rows of each call: a step alone, or valid ones folded into the batch."""
        valid = self.shared.valid
        batch = len(valid)
        if not folded:
            return [(np.arange(batch), np.full(batch, step)) for step in steps]
        chosen = np.zeros_like(valid)
        chosen[:, list(steps)] = valid[:, list(steps)]
        rows = np.nonzero(chosen)
        bytes_a_step = sum(tensor[0, 0].nbytes for tensor in self.shared.tensors)
        most = max(batch, _CHUNK_BYTES // max(1, bytes_a_step))
        calls = -(-len(rows[0]) // most)
        return list(zip(*(np.array_split(indices, calls) for indices in rows), strict=True))

    def outputs(self, calls: Sequence[Rows]) -> list[Array]:
        """Return leaves (batch, time, *outputs) of some calls."""
        outputs = list[Array]()
        for rows in calls:
            placed = self.shared.placed(self.engine.place, rows)
            parts = self.engine.apply(self.layer, *placed, training=self.training)
            padded = [part[~self.shared.valid[rows]] for part in parts]
            if any(mask is not None for mask in self.shared.masks) and not is_finite(padded):
                raise ValueError(
                    "the layer returns NaN or infinity for a padded step, whose own mask is False "
                    "throughout; let it divide by 1 at least there, or ask for --lengths full"
                )
            outputs = self._put(outputs, rows, parts)
        return outputs

    def gradients(
        self, calls: Sequence[Rows], cotangents: Sequence[Array]
    ) -> tuple[list[Array], tuple[Array, ...]]:
        """Return gradients by the float inputs, (batch, time, *features), and by each weight.

        Outputs of the calls are weighed by cotangents (batch, time, *outputs), and gradients by the
        weights are summed over the calls in float64.
        """
        by_inputs, by_weights = list[Array](), list[Array]()
        for rows in calls:
            placed = self.shared.placed(self.engine.place, rows)
            weighed = [self.engine.place(cotangent[rows]) for cotangent in cotangents]
            by_rows, by_part = self.engine.differentiate(
                self.layer, *placed, weighed, training=self.training
            )
            by_inputs = self._put(by_inputs, rows, by_rows)
            parts = [gradient.astype(np.float64) for gradient in by_part]
            by_weights = [*map(np.add, by_weights, parts)] if by_weights else parts
        return by_inputs, tuple(by_weights)

    def _put(self, wholes: list[Array], rows: Rows, parts: Sequence[Array]) -> list[Array]:
        """Write results of these rows, zero at invalid steps, into (batch, time, …) of zeros."""
        valid = self.shared.valid
        if not wholes:
            wholes = [np.zeros((*valid.shape, *part.shape[1:]), part.dtype) for part in parts]
        for whole, part in zip(wholes, parts, strict=True):
            valid_here = law.over_steps(valid[rows], part)
            whole[rows] = np.where(valid_here, part, np.zeros_like(part))
        return wholes


def reference_at(
    steps: Sequence[int], calls: LayerCalls, weigh: Weigh, *, gradients: bool, folded: bool = False
) -> Reference:
    """Call the inner layer at some steps, and differentiate it if `gradients`.

    `weigh` returns the cotangents of float outputs. Raises FloatingPointError for NaN or infinity.
    """
    steps, shared, rows = list(steps), calls.shared, calls.rows(steps, folded=folded)
    outputs = [leaf[:, steps] for leaf in calls.outputs(rows)]
    _check_finite(outputs, "outputs")
    reference = Reference(
        tuple(steps),
        shared.valid,
        outputs,
        cotangents=weigh(law.floats(outputs)),
        input_gradients=(),
        weight_gradients=(),
        output_names=calls.output_names,
        input_names=shared.float_names,
    )
    if not gradients:
        return reference
    by_inputs, by_weights = calls.gradients(rows, reference.sparse_cotangents())
    _check_finite([*by_inputs, *by_weights], "gradients")
    at_steps = [gradient[:, steps] for gradient in by_inputs]
    return replace(reference, input_gradients=at_steps, weight_gradients=by_weights)


def as_trained(weights: Iterable[Any]) -> AbstractContextManager[None]:
    """Multiply weights inside, as if by training, to see what follows them."""
    return revalued(weights, partial(np.multiply, TRAINED))


def moved_by_rounding(
    variables: Iterable[Any], allowed: float, noise: np.random.Generator
) -> AbstractContextManager[None]:
    """Move variables inside as rounding does; `allowed` is the relative error of outputs."""
    floats = [each for each in variables if "float" in str(each.dtype)]
    share = _ROUNDED_SHARE * allowed
    return revalued(floats, lambda value: value * (1 + share * noise.standard_normal(value.shape)))


def _check_finite(leaves: Iterable[Array], name: str) -> None:
    if not is_finite(leaves):
        raise FloatingPointError(
            f"the {name} of the layer called at a single step hold NaN or infinity, so no strategy "
            "can be held to them; choose a layer, weights or inputs that give finite ones"
        )


def is_finite(leaves: Iterable[Array]) -> bool:
    return all(np.isfinite(law.widened(values)).all() for values in leaves)


def draw_cotangents(
    outputs: Sequence[Array], valid: Array, noise: np.random.Generator
) -> list[Array]:
    """Draw weights for the sum of float outputs (batch, steps, *outputs), zero at invalid steps.

    Weights of small features, and of small outputs beside others, are larger, so that a mistake in
    these shows in the loss.
    """
    scales = [law.scale_of(leaf[valid], _LEAST_COUNTED) for leaf in outputs]
    largest = max((scale.max() for scale in scales), default=0.0)
    counted = [np.maximum(scale, _LEAST_COUNTED * float(largest)) for scale in scales]
    drawn, share = list[Array](), 1.0
    for leaf, scale in zip(outputs, counted, strict=True):
        weights = noise.standard_normal(leaf.shape) * (largest / scale)
        drawn.append(weights * law.over_steps(valid, leaf))
        if leaf.dtype == np.float16:
            share = min(share, _LARGEST_SUM / max(1.0, float(np.linalg.norm(drawn[-1] * leaf))))
    return [(each * share).astype(leaf.dtype) for leaf, each in zip(outputs, drawn, strict=True)]


class FoldedReference:
    """The results of the inner layer at every valid step, in `everywhere`.

    At the steps of `reference` it has its cotangents; `precisions` are of outputs and gradients.
    """

    def __init__(
        self,
        calls: LayerCalls,
        reference: Reference,
        precisions: tuple[DtypePrecision, DtypePrecision],
        noise: np.random.Generator,
    ) -> None:
        self._calls, self._reference, self._noise = calls, reference, noise
        self._precisions, self._is_folded = precisions, True
        #: By its steps, a reference with its rounding, once a rival differs from it.
        self._rounded: dict[tuple[int, ...], Reference] = {}
        #: The layer takes a fold, right or wrong.
        self._takes_fold = True
        try:
            self.everywhere = self._make(self._draw_cotangents, folded=True)
        except Exception as error:  # noqa: BLE001 - a layer may mix its batch, or refuse another size
            traceback.print_exc()
            self._takes_fold = isinstance(error, LawBrokenError)
            self.everywhere = self._make(self._draw_cotangents, folded=False)
            self._is_folded = False

    def settle(self, check: Callable[[Reference], float], begin: Begin) -> float:
        """Check a rival by the fold, and if that fails, by the layer called at every single step.

        So the fold's own error fails no rival. Those calls are a stage of their own, made once for
        all rivals. Raises LawBrokenError, and whatever the layer raises.
        """
        with suppress(LawBrokenError):
            return check(self.everywhere)
        if self._is_folded:
            begin(CALLING_EVERY_STEP)
            self.everywhere = self._make(lambda _: self.everywhere.cotangents, folded=False)
            self._is_folded = False
            begin(CHECKING)
        return self.check_allowing_for_rounding(self.everywhere, check)

    def _draw_cotangents(self, outputs: Sequence[Array]) -> list[Array]:
        cotangents = draw_cotangents(outputs, self._calls.shared.valid, self._noise)
        for everywhere, drawn in zip(cotangents, self._reference.cotangents, strict=True):
            everywhere[:, self._reference.steps] = drawn
        return cotangents

    def _make(self, weigh: Weigh, *, folded: bool) -> Reference:
        """Call the layer at all steps and differentiate it, for the cotangents of `weigh`.

        Raises LawBrokenError if the fold differs from the reference at the steps of that.
        """
        calls, drawn = self._calls, self._reference
        steps, gradients = range(calls.shared.valid.shape[1]), drawn.has_gradients
        everywhere = reference_at(steps, calls, weigh, gradients=gradients, folded=folded)
        if folded:
            law.check_outputs(everywhere.outputs, drawn, self._precisions[0])
            if gradients:
                by_inputs, by = everywhere.input_gradients, self._precisions[1]
                law.check_input_gradients(by_inputs, drawn, by, mixes=True)  # all have cotangents
        return everywhere

    def check_allowing_for_rounding(
        self, reference: Reference, check: Callable[[Reference], float]
    ) -> float:
        """Check a rival, and if that fails, allow for what rounding makes of the gradients."""
        try:
            return check(reference)
        except LawBrokenError:
            if not reference.has_gradients:
                raise
        if reference.steps not in self._rounded:
            rows = self._calls.rows(reference.steps, folded=self._takes_fold)
            gradients = partial(self._calls.gradients, rows, reference.sparse_cotangents())
            how = self._calls.layer.variables, self._precisions[0], self._noise
            self._rounded[reference.steps] = with_rounding(reference, gradients, *how)
        return check(self._rounded[reference.steps])


def with_rounding(
    reference: Reference,
    gradients: Callable[[], tuple[Sequence[Array], Sequence[Array]]],
    variables: Iterable[Any],
    precision: DtypePrecision,
    noise: np.random.Generator,
) -> Reference:
    """Return a reference with the errors of gradients if rounding moves weights and statistics."""
    steps, valid = list(reference.steps), reference.valid[:, list(reference.steps)]
    by_inputs, by_weights = gradients()
    scales = [law.scale_of(gradient[valid]) for gradient in reference.input_gradients]
    allowed, listed = TOLERANCES[precision].outputs, list(variables)
    of_inputs, of_weights = np.zeros((len(scales), *valid.shape)), reference.weight_rounding
    for _ in range(ROUNDED_CALLS):
        with moved_by_rounding(listed, allowed, noise):
            moved, weights_moved = gradients()
        for place, scale in enumerate(scales):
            pair = moved[place][:, steps], by_inputs[place][:, steps]
            errors = law.relative_errors(*pair, scale)
            of_inputs[place] = np.maximum(of_inputs[place], law.largest_by_cell(errors))
        compared = law.weight_gradient_errors(weights_moved, by_weights, int(valid.sum()))
        largest = [float(errors.max(initial=0.0)) for errors, _ in compared]
        of_weights = np.maximum(of_weights, largest)
    return replace(reference, input_rounding=[*of_inputs], weight_rounding=of_weights)
