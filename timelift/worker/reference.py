"""What a rival must compute: the inner layer's own results, called by no strategy's code.

At the drawn steps of the law the layer is called eagerly, one step at a time. At all others its
results come for the price of a few calls: valid steps are folded into the batch, and the layer is
called on chunks of them. A folded result alone never fails a rival, since a layer may mix its batch
or refuse another size. Where a rival differs from them, the layer is called at that single step,
and the result replaces that of the fold for the rivals that follow; where the fold errs at a drawn
step already, the layer is called at every single step.
"""

import math
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np

from timelift.worker.engines import Array, Engine
from timelift.worker.law import Reference, over_steps, step_errors, weight_gradient_errors
from timelift.worker.tolerance import TOLERANCES, DtypePrecision, scale_of, widened

#: Bytes of inputs that are folded into one call, so that what the layer needs inside stays small.
CHUNK_BYTES = 2**22
#: The least scale of a feature where a cotangent makes small features count as much as large ones.
_LEAST_COUNTED = 0.01
#: What the loss of float16 outputs may be, far enough below 65,504, where float16 ends.
_LARGEST_SUM = 1000.0
#: Gradients by the inputs, (batch, time, *features), and by each weight.
LayerGradients = tuple[Array, tuple[Array, ...]]
Found = TypeVar("Found")


@dataclass(frozen=True)
class LayerCalls:
    """The inner layer called on steps folded into the batch, or at each step alone.

    `inputs` is (batch, time, *features), `valid` (batch, time) of booleans.
    """

    engine: Engine
    layer: Any
    inputs: Array
    valid: Array
    training: bool

    def outputs(self, steps: Sequence[int], *, folded: bool) -> Array:
        """Return outputs (batch, time, *outputs) at `steps`, zero elsewhere and at invalid ones."""
        found = None
        for rows in self._parts(steps, folded=folded):
            placed = self.engine.place(self.inputs[rows])
            part = self.engine.apply(self.layer, placed, training=self.training)
            found = self._put(found, rows, part)
        assert found is not None
        return found

    def gradients(self, steps: Sequence[int], cotangent: Array, *, folded: bool) -> LayerGradients:
        """Return gradients for the cotangent (batch, time, *outputs) at `steps` alone.

        Those by the weights are summed over the calls in float64.
        """
        input_gradient, weight_gradients = None, list[Array]()
        for rows in self._parts(steps, folded=folded):
            placed, weighed = self.engine.place(self.inputs[rows]), cotangent[rows]
            (by_rows,), by_part = self.engine.differentiate(
                self.layer, [placed], [self.engine.place(weighed)], training=self.training
            )
            input_gradient = self._put(input_gradient, rows, by_rows)
            parts = [one.astype(np.float64) for one in by_part]
            so_far = weight_gradients or [np.zeros(one.shape) for one in parts]
            weight_gradients = [a + b for a, b in zip(so_far, parts, strict=True)]
        assert input_gradient is not None
        return input_gradient, tuple(weight_gradients)

    def _parts(self, steps: Sequence[int], *, folded: bool) -> list[tuple[Array, Array]]:
        batch = len(self.inputs)
        if not folded:
            return [(np.arange(batch), np.full(batch, step)) for step in steps]
        chosen = np.zeros_like(self.valid)
        chosen[:, list(steps)] = self.valid[:, list(steps)]
        sequences, of_each = np.nonzero(chosen)
        most = max(batch, CHUNK_BYTES // max(1, self.inputs[0, 0].nbytes))
        calls = -(-len(sequences) // most)
        both = np.array_split(sequences, calls), np.array_split(of_each, calls)
        return list(zip(*both, strict=True))

    def _put(self, found: Array | None, rows: tuple[Array, Array], part: Array) -> Array:
        if found is None:
            found = np.zeros((*self.valid.shape, *part.shape[1:]), part.dtype)
        valid_here = self.valid[rows].reshape(-1, *[1] * (part.ndim - 1))
        found[rows] = np.where(valid_here, part, np.zeros_like(part))
        return found


def reference_at(
    steps: Sequence[int], calls: LayerCalls, noise: np.random.Generator, *, gradients: bool
) -> Reference:
    """Call the inner layer at each single step, and differentiate it if `gradients`.

    Raises ValueError where the layer itself returns NaN or infinity: nothing can be held to that.
    """
    engine, layer, inputs, valid = calls.engine, calls.layer, calls.inputs, calls.valid
    placed = [engine.place(np.ascontiguousarray(inputs[:, step])) for step in steps]
    outputs = np.stack(
        [engine.apply(layer, one, training=calls.training) for one in placed], axis=1
    )
    valid_here = valid[:, list(steps)]
    check_layer(outputs[valid_here], "outputs")
    cotangent = draw_cotangent(outputs, valid_here, noise)
    if not gradients:
        return Reference(tuple(steps), valid, outputs, cotangent, np.zeros(0), ())
    weighed = [engine.place(one) for one in np.moveaxis(cotangent, 1, 0)]
    found, weight_gradients = engine.differentiate(layer, placed, weighed, training=calls.training)
    input_gradient = np.stack(found, axis=1)
    for one in (input_gradient[valid_here], *weight_gradients):
        check_layer(one, "gradients")
    return Reference(
        tuple(steps), valid, outputs, cotangent, input_gradient, tuple(weight_gradients)
    )


def check_layer(values: Array, name: str) -> None:
    if not np.isfinite(widened(values)).all():
        raise ValueError(
            f"the {name} of the layer called at a single step hold NaN or infinity, so no strategy "
            "can be held to them; choose a layer, weights or inputs that give finite ones"
        )


def draw_cotangent(outputs: Array, valid: Array, noise: np.random.Generator) -> Array:
    """Draw weights of outputs (batch, steps, *outputs), zero at invalid steps.

    Small features have larger ones, so that a mistake in them shows in the loss.
    """
    scale = scale_of(outputs[valid], _LEAST_COUNTED)
    drawn = noise.standard_normal(outputs.shape) * (scale.max() / scale)
    weights = drawn * over_steps(valid, outputs)
    if outputs.dtype == np.float16:
        weights *= min(1.0, _LARGEST_SUM / max(1.0, float(np.linalg.norm(weights * outputs))))
    cotangent: Array = weights.astype(outputs.dtype)
    return cotangent


class FoldedReference:
    """Outputs and, in the backward phase, gradients for one cotangent, at every valid step.

    `outputs` and `cotangent` are (batch, time, *outputs), zero at invalid steps, and agree with the
    reference at its steps; `input_gradient` is (batch, time, *features); `weight_gradients` follows
    the layer's weights. `scale` is what errors of outputs are relative to, and `rounding` how
    far the fold is from the reference's gradients by the weights: only half precision makes that
    worth knowing.
    """

    def __init__(
        self,
        calls: LayerCalls,
        reference: Reference,
        precision: DtypePrecision,
        input_precision: DtypePrecision,
        noise: np.random.Generator,
    ) -> None:
        self._calls, self._reference, self._folds = calls, reference, True
        self.input_gradient, self.weight_gradients = np.zeros(0), tuple[Array, ...]()
        self.valid, tolerance = calls.valid, TOLERANCES[precision]
        self.steps = [int(step) for step in np.flatnonzero(self.valid.any(axis=0))]
        self.outputs = self._fold(
            calls.outputs, lambda found: found, reference.outputs, tolerance.outputs
        )
        self._final = set(reference.steps) if self._folds else set(self.steps)
        self.outputs[:, reference.steps] = reference.outputs
        self._recompute_infinite(self.outputs, "outputs")
        self.scale = scale_of(self.outputs[self.valid])
        self.cotangent = draw_cotangent(self.outputs, self.valid, noise)
        self.cotangent[:, reference.steps] = reference.cotangent
        if reference.input_gradient.size:
            self.input_gradient, self.weight_gradients = self._fold(
                partial(calls.gradients, cotangent=self.cotangent),
                lambda found: found[0],
                reference.input_gradient,
                TOLERANCES[input_precision].gradients,
            )
            self._recompute_infinite(self.input_gradient, "gradients")
        if not self._folds:  # the gradients showed what the outputs did not
            self._recompute_outputs()
        self._weight_gradients_are_final = not self._folds
        halved = precision in {DtypePrecision.FLOAT16, DtypePrecision.BFLOAT16}
        rounds = halved and self._folds
        self.rounding = self._measure_rounding() if rounds and reference.weight_gradients else ()

    @property
    def values_per_feature(self) -> int:
        """The values of each feature in a step's output, such as the pixels of a convolution."""
        return math.prod(self.outputs.shape[2:-1])

    def recompute(self, step: int) -> bool:
        """Replace the results at a step by those of that single step; False if they are already.

        Raises ValueError where the layer's own are not finite.
        """
        if step in self._final:
            return False
        self._final.add(step)
        self.outputs[:, step] = self._calls.outputs([step], folded=False)[:, step]
        check_layer(self.outputs[:, step], "outputs")
        if self.input_gradient.size:
            found = self._calls.gradients([step], self.cotangent, folded=False)
            self.input_gradient[:, step] = found[0][:, step]
            check_layer(self.input_gradient[:, step], "gradients")
        return True

    def _recompute_infinite(self, found: Array, name: str) -> None:
        """Recompute the steps of (batch, time, …) with NaN or infinity.

        Raises ValueError where the layer itself returns them.
        """
        finite = np.isfinite(widened(found)).all(axis=(0, *range(2, found.ndim)))
        for step in np.flatnonzero(~finite):
            if not self.recompute(int(step)):
                check_layer(found[:, step], name)

    def _recompute_outputs(self) -> None:
        """Call the layer at every single step that is left; its gradients there are known."""
        for step in set(self.steps) - self._final:
            self.outputs[:, step] = self._calls.outputs([step], folded=False)[:, step]
            check_layer(self.outputs[:, step], "outputs")
        self._final = set(self.steps)

    def recompute_weight_gradients(self) -> None:
        if not self._weight_gradients_are_final:
            self._weight_gradients_are_final = True
            self.weight_gradients = self._calls.gradients(self.steps, self.cotangent, folded=False)[
                1
            ]
            for one in self.weight_gradients:
                check_layer(one, "gradients")

    def weight_gradients_at(self, steps: Sequence[int]) -> tuple[Array, ...]:
        folded = self._folds and len(steps) > 1
        return self._calls.gradients(steps, self.cotangent, folded=folded)[1]

    def _fold(
        self,
        compute: Callable[..., Found],
        per_step: Callable[[Found], Array],
        wanted: Array,
        allowed: float,
    ) -> Found:
        """Call the layer on all steps at once; one by one if that fails or differs."""
        if self._folds:
            try:
                found = compute(self.steps, folded=True)
                if self._agrees(per_step(found), wanted, allowed):
                    return found
            except Exception:  # noqa: BLE001 - a layer may refuse another size of the batch
                traceback.print_exc()
            self._folds = False
        return compute(self.steps, folded=False)

    def _measure_rounding(self) -> tuple[float, ...]:
        steps, wanted = self._reference.steps, self._reference.weight_gradients
        cotangent = self._reference.sparse_cotangent()
        found = self._calls.gradients(steps, cotangent, folded=True)[1]
        rows = int(self.valid[:, list(steps)].sum())
        return tuple(
            float(one.max(initial=0.0)) for one, _ in weight_gradient_errors(found, wanted, rows)
        )

    def _agrees(self, found: Array, wanted: Array, allowed: float) -> bool:
        steps = list(self._reference.steps)
        valid = self.valid[:, steps]
        off = step_errors(found[:, steps], wanted, valid, scale_of(wanted[valid]))
        return bool(off.max() <= allowed)
