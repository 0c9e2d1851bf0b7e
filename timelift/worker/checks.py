"""Hold one rival to the law: at drawn steps by the reference, elsewhere by the opinion.

In the backward phase the compiled function tells its loss and gradients alone. The loss for a
random cotangent is a sum of outputs weighed at random, so it holds them too, at every step at once;
where a sum is wrong, halving the steps that have a cotangent finds the step.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from timelift.case import Gradients, Phase
from timelift.worker import law
from timelift.worker.engines import Array, Compiled, Feed
from timelift.worker.feeds import Feeds, called
from timelift.worker.inputs import InnerLayer
from timelift.worker.opinion import Opinion
from timelift.worker.tolerance import TOLERANCES, errors, scale_of

#: However many additions round, a gradient off by more than this much of its size is no rounding.
_MOST_ROUNDING = 0.25


def hold(inner: InnerLayer, model: Any, compiled: Compiled, feeds: Feeds, feed: Feed) -> float:
    """Hold a rival to the law; return its largest relative error.

    `feed` is what will be timed, with the opinion's cotangent in the backward phase. Raises
    LawBrokenError, and ValueError where the inner layer itself gives NaN or infinity.
    """
    order = law.match_weights(model, inner.layer)
    inner.state.restore()
    if feeds.setting.phase is Phase.FORWARD:
        outputs = feeds.fetch(called(feeds.engine, compiled, feed))
        worst = law.check_outputs(outputs, inner.reference, inner.precision)
        allowed = TOLERANCES[inner.precision].outputs
        return max(worst, _check_steps(outputs, inner.opinion, "outputs", allowed))
    timed = judged = _Backward(inner, compiled, feeds, order)
    if inner.trains_differently:
        inference = feeds.engine.compile(model, feeds.setting, training=False)
        judged = _Backward(inner, inference, feeds, order)
        timed.check_finite(feed)
        inner.state.restore()
    return max(judged.check_drawn_steps(), judged.check_every_step(feed))


def _check_steps(found: Array, opinion: Opinion, name: str, allowed: float) -> float:
    """Compare (batch, time, …) at every step, and settle the steps that differ.

    `name` tells what is compared: "outputs" or "input gradient".
    """
    wanted = opinion.outputs if name == "outputs" else opinion.by_input
    scale = scale_of(wanted[opinion.valid])
    off = law.step_errors(found, wanted, opinion.valid, scale)
    for step in np.flatnonzero(~(off <= allowed)):
        opinion.settle(int(step))
        rows = opinion.valid[:, step]
        again = errors(found[rows, step], wanted[rows, step], scale)
        off[step] = law.judge(again, scale, f"{name} at step {step}", allowed)
    return float(off.max())


@dataclass(frozen=True)
class BackwardResult:
    """The results of a backward call for a cotangent.

    `by_input`, if it is asked for, is (batch, time, *features); `by_weight` follows the layer's
    weights and holds None where the loss does not depend on one.
    """

    loss: float
    by_input: Array | None
    by_weight: Sequence[Array | None]


@dataclass(frozen=True)
class _Backward:
    """The backward calls of one rival; `order` names its weights in the order of the layer's."""

    inner: InnerLayer
    compiled: Compiled
    feeds: Feeds
    order: Sequence[int]

    def check_drawn_steps(self) -> float:
        """Hold gradients and loss to the reference, with no cotangent at other steps."""
        reference, precision = self.inner.reference, self.inner.precision
        cotangent = reference.sparse_cotangent()
        answer = self._answer(self.feeds.feed(cotangent))
        worst = 0.0
        if answer.by_input is not None:
            worst = law.check_input_gradient(answer.by_input, reference, precision)
        by_weight, rounding = answer.by_weight, self.inner.opinion.rounding
        worst = max(worst, law.check_weight_gradients(by_weight, reference, precision, rounding))
        self._check_loss(answer.loss, cotangent, reference.steps)
        return worst

    def check_every_step(self, feed: Feed) -> float:
        """Hold gradients and loss to the opinion, settled where they differ.

        `feed` has the opinion's cotangent.
        """
        opinion = self.inner.opinion
        answer = self._answer(feed)
        worst = 0.0
        if answer.by_input is not None:
            law.check_finite(answer.by_input, "input gradient")
            allowed = TOLERANCES[self.inner.precision].gradients
            worst = _check_steps(answer.by_input, opinion, "input gradient", allowed)
        worst = max(worst, self._check_sums(answer))
        self._check_loss(answer.loss, opinion.cotangent, opinion.steps)
        return worst

    def check_finite(self, feed: Feed) -> None:
        """Check that gradients are finite; all that can be said where the layer draws noise."""
        answer = self._answer(feed)
        if answer.by_input is not None:
            law.check_finite(answer.by_input, "input gradient")
        law.check_finite_sums(answer.by_weight)

    def _check_sums(self, answer: BackwardResult) -> float:
        opinion = self.inner.opinion
        try:
            return self._sums_error(answer, opinion.by_weight, opinion.steps)
        except law.LawBrokenError:
            opinion.settle_sums()
        try:
            return self._sums_error(answer, opinion.by_weight, opinion.steps)
        except law.LawBrokenError:
            step = _halve(opinion.steps, lambda part: not self._sums_agree(part))
            self._sums_agree([step], raises=True)
            raise

    def _sums_agree(self, steps: Sequence[int], *, raises: bool = False) -> bool:
        opinion = self.inner.opinion
        answer = self._answer(self.feeds.feed(_only(opinion.cotangent, steps)))
        try:
            self._sums_error(answer, opinion.sums_at(steps), steps)
        except law.LawBrokenError as error:
            if raises:
                raise law.LawBrokenError(f"at step {steps[0]}, {error}") from None
            return False
        return True

    def _sums_error(
        self, answer: BackwardResult, wanted: Sequence[Array], steps: Sequence[int]
    ) -> float:
        """Compare gradients by weights, allowing each of the additions to round."""
        tolerance = TOLERANCES[self.inner.precision]
        rows = int(self.feeds.valid[:, list(steps)].sum())
        additions = rows * self.inner.opinion.places
        rounding = 2 * tolerance.roundoff * math.sqrt(additions)
        allowed = tolerance.gradients + min(rounding, _MOST_ROUNDING)
        return law.check_sums(answer.by_weight, wanted, rows, [allowed] * len(wanted))

    def _check_loss(self, loss: float, cotangent: Array, steps: Sequence[int]) -> None:
        """Hold a loss to the outputs at `steps`, those of the cotangent; name the one that errs."""
        opinion = self.inner.opinion

        def is_off(part: Sequence[int]) -> bool:
            found = self._answer(self.feeds.feed(_only(cotangent, part))).loss
            return not self._loss(found, cotangent, part).agrees

        while not (overall := self._loss(loss, cotangent, steps)).agrees:
            step = _halve(steps, is_off)
            settled = opinion.settle(step)
            alone = self._answer(self.feeds.feed(_only(cotangent, [step]))).loss
            self._loss(alone, cotangent, [step]).judge(f"outputs at step {step}")
            if not settled:
                overall.judge("outputs")

    def _loss(self, found: float, cotangent: Array, steps: Sequence[int]) -> law.Loss:
        opinion, at = self.inner.opinion, list(steps)
        wanted = opinion.outputs[:, at], cotangent[:, at]
        return law.compare_loss(found, *wanted, opinion.scale, self.inner.precision)

    def _answer(self, feed: Feed) -> BackwardResult:
        loss, found, *_ = called(self.feeds.engine, self.compiled, feed)
        gradients, by_input = list(found), None
        if self.feeds.setting.gradients is Gradients.INPUTS_AND_WEIGHTS:
            by_input = self.feeds.fetch(gradients.pop(0))
        to_numpy = self.feeds.engine.to_numpy
        fetched = [None if one is None else to_numpy(one) for one in gradients]
        return BackwardResult(
            float(to_numpy(loss)), by_input, [fetched[index] for index in self.order]
        )


def _only(cotangent: Array, steps: Sequence[int]) -> Array:
    """Return the cotangent (batch, time, …) at `steps`, and zero at all others."""
    only = np.zeros_like(cotangent)
    only[:, list(steps)] = cotangent[:, list(steps)]
    return only


def _halve(steps: Sequence[int], is_off: Callable[[Sequence[int]], bool]) -> int:
    """Return the step that errs, found by bisection of those that might."""
    while len(steps) > 1:
        half = len(steps) // 2
        steps = steps[:half] if is_off(steps[:half]) else steps[half:]
    return steps[0]
