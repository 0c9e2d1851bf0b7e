"""Check that one rival keeps the law: at the drawn steps, and by the folded reference at all.

In the backward phase the compiled function returns its loss and gradients alone. The loss for a
random cotangent is a sum of outputs weighed at random, so it checks them too, at every step at
once; where a sum is wrong, halving the steps that have a cotangent finds the step.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from timelift.case import Gradients, Phase
from timelift.worker import law
from timelift.worker.engines import Array, Compiled, Feed
from timelift.worker.inputs import Feeds, call_once
from timelift.worker.layer import InnerLayer
from timelift.worker.reference import FoldedReference
from timelift.worker.tolerance import TOLERANCES, relative_errors, rounding_of, scale_of


def check_rival(
    inner: InnerLayer, model: Any, compiled: Compiled, feeds: Feeds, feed: Feed
) -> float:
    """Check the results of a rival; return its largest relative error.

    `feed` is what will be timed, with the folded reference's cotangent in the backward phase.
    Raises LawBrokenError, and ValueError where the inner layer itself returns NaN or infinity.
    """
    order = law.match_weights(model, inner.layer)
    inner.state.restore()
    if feeds.setting.phase is Phase.FORWARD:
        outputs = feeds.fetch(call_once(feeds.engine, compiled, feed))
        worst = law.check_outputs(outputs, inner.reference, inner.precision)
        allowed, folded = TOLERANCES[inner.precision].outputs, inner.folded_reference
        return max(
            worst,
            _check_folded_steps(outputs, folded.outputs, folded, law.Compared.OUTPUTS, allowed),
        )
    timed = checked = _BackwardCalls(inner, compiled, feeds, order)
    if inner.trains_differently:
        inference = feeds.engine.compile(model, feeds.setting, training=False)
        checked = _BackwardCalls(inner, inference, feeds, order)
        timed.check_finite(feed)
        inner.state.restore()
    return max(checked.check_drawn_steps(), checked.check_every_step(feed))


def _check_folded_steps(
    found: Array, wanted: Array, folded: FoldedReference, compared: law.Compared, allowed: float
) -> float:
    """Compare (batch, time, …) at every step, and once more, recomputed, the steps that differ.

    `wanted` is an array of the folded reference, which recomputes in place.
    """
    scale = scale_of(wanted[folded.valid])
    off = law.step_errors(found, wanted, folded.valid, scale)
    for step in np.flatnonzero(~(off <= allowed)):
        folded.recompute(int(step))
        rows = folded.valid[:, step]
        again = relative_errors(found[rows, step], wanted[rows, step], scale)
        off[step] = law.check_errors(again, scale, compared, f"at step {step}", allowed)
    return float(off.max())


@dataclass(frozen=True)
class BackwardResult:
    """The results of a backward call for a cotangent.

    `input_gradient` is (batch, time, *features), None where the setting does not ask for it;
    `weight_gradients` follows the layer's weights, None where the loss does not depend on one.
    """

    loss: float
    input_gradient: Array | None
    weight_gradients: Sequence[Array | None]


@dataclass(frozen=True)
class _BackwardCalls:
    """The backward calls of one rival; `order` names its weights in the order of the layer's."""

    inner: InnerLayer
    compiled: Compiled
    feeds: Feeds
    order: Sequence[int]

    def check_drawn_steps(self) -> float:
        """Check gradients and loss by the reference, with no cotangent at other steps."""
        reference, precision = self.inner.reference, self.inner.precision
        cotangent = reference.sparse_cotangent()
        result = self._call(self.feeds.feed(cotangent))
        worst = 0.0
        if result.input_gradient is not None:
            worst = law.check_input_gradient(
                result.input_gradient, reference, self.inner.input_precision
            )
        weight_gradients, rounding = result.weight_gradients, self.inner.folded_reference.rounding
        worst = max(
            worst, law.check_weight_gradients(weight_gradients, reference, precision, rounding)
        )
        self._check_loss(result.loss, cotangent, reference.steps)
        return worst

    def check_every_step(self, feed: Feed) -> float:
        """Check gradients and loss by the folded reference, recomputed where they differ.

        `feed` has its cotangent.
        """
        folded = self.inner.folded_reference
        result = self._call(feed)
        worst = 0.0
        if result.input_gradient is not None:
            law.check_finite_input_gradient(result.input_gradient)
            allowed = TOLERANCES[self.inner.input_precision].gradients
            worst = _check_folded_steps(
                result.input_gradient,
                folded.input_gradient,
                folded,
                law.Compared.INPUT_GRADIENT,
                allowed,
            )
        worst = max(worst, self._check_weight_gradients(result))
        self._check_loss(result.loss, folded.cotangent, folded.steps)
        return worst

    def check_finite(self, feed: Feed) -> None:
        result = self._call(feed)
        if result.input_gradient is not None:
            law.check_finite_input_gradient(result.input_gradient)
        law.check_finite_weight_gradients(result.weight_gradients)

    def _check_weight_gradients(self, result: BackwardResult) -> float:
        folded = self.inner.folded_reference
        try:
            return self._weight_gradients_error(result, folded.weight_gradients, folded.steps)
        except law.LawBrokenError:
            folded.recompute_weight_gradients()
        try:
            return self._weight_gradients_error(result, folded.weight_gradients, folded.steps)
        except law.LawBrokenError:
            step = _first_wrong_step(
                folded.steps, lambda part: not self._weight_gradients_agree(part)
            )
            self._weight_gradients_agree([step], raises=True)
            raise

    def _weight_gradients_agree(self, steps: Sequence[int], *, raises: bool = False) -> bool:
        folded = self.inner.folded_reference
        result = self._call(self.feeds.feed(_only(folded.cotangent, steps)))
        try:
            self._weight_gradients_error(result, folded.weight_gradients_at(steps), steps)
        except law.LawBrokenError as error:
            if raises:
                raise law.LawBrokenError(f"at step {steps[0]}, {error}") from None
            return False
        return True

    def _weight_gradients_error(
        self, result: BackwardResult, wanted: Sequence[Array], steps: Sequence[int]
    ) -> float:
        """Compare gradients by weights, allowing each of the additions to round."""
        tolerance = TOLERANCES[self.inner.precision]
        rows = int(self.feeds.valid[:, list(steps)].sum())
        additions = rows * self.inner.folded_reference.values_per_feature
        allowed = tolerance.gradients + rounding_of(additions, tolerance)
        return law.check_each_weight_gradient(
            result.weight_gradients, wanted, rows, [allowed] * len(wanted)
        )

    def _check_loss(self, loss: float, cotangent: Array, steps: Sequence[int]) -> None:
        """Check a loss by the outputs at the cotangent's `steps`; name the step that errs."""
        folded = self.inner.folded_reference

        def is_off(part: Sequence[int]) -> bool:
            found = self._call(self.feeds.feed(_only(cotangent, part))).loss
            return not self._loss(found, cotangent, part).agrees

        while not (overall := self._loss(loss, cotangent, steps)).agrees:
            step = _first_wrong_step(steps, is_off)
            was_folded = folded.recompute(step)
            alone = self._call(self.feeds.feed(_only(cotangent, [step]))).loss
            self._loss(alone, cotangent, [step]).check(f"outputs at step {step}")
            if not was_folded:
                overall.check("outputs")

    def _loss(self, found: float, cotangent: Array, steps: Sequence[int]) -> law.LossDifference:
        folded, at = self.inner.folded_reference, list(steps)
        wanted = folded.outputs[:, at], cotangent[:, at]
        return law.compare_loss(found, *wanted, folded.scale, self.inner.precision)

    def _call(self, feed: Feed) -> BackwardResult:
        loss, found, *_ = call_once(self.feeds.engine, self.compiled, feed)
        gradients, input_gradient = list(found), None
        if self.feeds.setting.gradients is Gradients.INPUTS_AND_WEIGHTS:
            input_gradient = self.feeds.fetch(gradients.pop(0))
        to_numpy = self.feeds.engine.to_numpy
        fetched = [None if one is None else to_numpy(one) for one in gradients]
        return BackwardResult(
            float(to_numpy(loss)), input_gradient, [fetched[index] for index in self.order]
        )


def _only(cotangent: Array, steps: Sequence[int]) -> Array:
    only = np.zeros_like(cotangent)
    only[:, list(steps)] = cotangent[:, list(steps)]
    return only


def _first_wrong_step(steps: Sequence[int], is_off: Callable[[Sequence[int]], bool]) -> int:
    """Return the step that errs, found by bisection of those that might."""
    while len(steps) > 1:
        half = len(steps) // 2
        steps = steps[:half] if is_off(steps[:half]) else steps[half:]
    return steps[0]
