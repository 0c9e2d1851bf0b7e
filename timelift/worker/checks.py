"""Check that one rival keeps the law: at the drawn steps, and by the folded reference at all.

In the backward phase the compiled function returns its loss and gradients alone. The loss for a
random cotangent is a sum of outputs weighed at random, so it checks them too, at every step at
once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from timelift.case import Gradients, Phase
from timelift.worker import law
from timelift.worker.engines import Array, Compiled, Feed
from timelift.worker.inputs import Feeds, call_once
from timelift.worker.layer import InnerLayer
from timelift.worker.reference import FoldedReference
from timelift.worker.tolerance import TOLERANCES, rounding_of


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
        check = partial(law.check_outputs, outputs, precision=inner.precision)
        return max(worst, _settled(inner.folded_reference, check))
    timed = checked = _BackwardCalls(inner, compiled, feeds, order)
    if inner.trains_differently:
        inference = feeds.engine.compile(model, feeds.setting, training=False)
        checked = _BackwardCalls(inner, inference, feeds, order)
        timed.check_finite(feed)
        inner.state.restore()
    return max(checked.check_drawn_steps(), checked.check_every_step(feed))


def _settled(folded: FoldedReference, check: Callable[[law.Reference], float]) -> float:
    """Hold a rival to the fold, and where it differs, to the layer called at every single step.

    So the fold's own error condemns no rival.
    """
    try:
        return check(folded.everywhere)
    except law.LawBrokenError:
        if not folded.unfold():
            raise
    return check(folded.everywhere)


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
        folded = self.inner.folded_reference
        result = self._call(self.feeds.feed(reference.sparse_cotangent()))
        worst = 0.0
        if result.input_gradient is not None:
            worst = law.check_input_gradient(
                result.input_gradient, reference, self.inner.input_precision
            )
        of_weights = law.check_weight_gradients(
            result.weight_gradients, reference, precision, folded.rounding
        )
        law.check_loss(result.loss, reference, folded.scale, precision)
        return max(worst, of_weights)

    def check_every_step(self, feed: Feed) -> float:
        """Check gradients and loss by the folded reference; `feed` has its cotangent."""
        result = self._call(feed)
        return _settled(self.inner.folded_reference, partial(self._check_all_steps, result))

    def _check_all_steps(self, result: BackwardResult, everywhere: law.Reference) -> float:
        inner, folded, worst = self.inner, self.inner.folded_reference, 0.0
        if result.input_gradient is not None:
            worst = law.check_input_gradient_at_steps(
                result.input_gradient, everywhere, inner.input_precision
            )
        tolerance, rows = TOLERANCES[inner.precision], int(everywhere.valid.sum())
        wanted = everywhere.weight_gradients
        # Each of the additions may round.
        allowed = tolerance.gradients + rounding_of(rows * folded.values_per_feature, tolerance)
        of_weights = law.check_each_weight_gradient(
            result.weight_gradients, wanted, rows, [allowed] * len(wanted)
        )
        law.check_loss(result.loss, everywhere, folded.scale, inner.precision)
        return max(worst, of_weights)

    def check_finite(self, feed: Feed) -> None:
        result = self._call(feed)
        if result.input_gradient is not None:
            law.check_finite_input_gradient(result.input_gradient)
        law.check_finite_weight_gradients(result.weight_gradients)

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
