"""Rivals held to the law: their results beside those of the inner layer.

The law is checked at the drawn steps by the reference, and at all steps by the folded one. Where a
call differentiates, its loss and gradients alone are known. The loss for a random cotangent is a
sum of outputs weighed at random, so it checks them too, at every step at once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras
import numpy as np

from timelift.axis_values import Gradients, Phase
from timelift.messages import RivalSpec
from timelift.worker import law
from timelift.worker.engines import Array, Compiled, Engine, Feed
from timelift.worker.inputs import Feeds
from timelift.worker.judge import InnerLayer
from timelift.worker.law import LawBrokenError
from timelift.worker.reference import CHECKING, Begin, as_trained

#: A scale of the loss that is halved so often is as good as none.
_MOST_SKIPS = 40


@dataclass
class PreparedRival:
    """A rival that is built, with its feed; `facts` fill as it is called and checked."""

    rival: RivalSpec
    compiled: Compiled
    feed: Feed
    facts: dict[str, Any] = field(default_factory=dict)
    #: The strategy, what the rival only `tries`, and the cotangents that it is fed.
    module: Any = None
    tried: str = ""
    cotangents: Sequence[Array] = ()
    #: Of a whole model, the `Data` of its calls.
    data: Any = None
    #: What it makes of what training adds, by the constant that declares it.
    meaning: dict[str, str] = field(default_factory=dict)


def waited_for(engine: Engine, call: Callable[[], Any]) -> Any:
    result = call()
    engine.wait(result)
    return result


def find_loss_scale(engine: Engine, compiled: Compiled, feed: Feed) -> Any:
    """Return the result of the first train step whose scaled gradients do not overflow.

    Raises LawBrokenError if all do, so that all are skipped.
    """
    for _ in range(_MOST_SKIPS):
        skips = compiled.step().skips
        result = waited_for(engine, compiled.bind(feed))
        if compiled.step().skips == skips:
            return result
    raise LawBrokenError("skips every step: its gradients overflow, by whatever the loss is scaled")


def check_rival(
    inner: InnerLayer, model: Any, prepared: PreparedRival, feeds: Feeds, begin: Begin
) -> float:
    """Return the largest relative error of a rival, fed as it is timed.

    Raises LawBrokenError, and FloatingPointError if the inner layer returns NaN or infinity.
    """
    begin(CHECKING)
    inner.restore()
    order = law.match_weights(model, inner.layer)  # some are made in the first call
    if feeds.setting.differentiates:
        calls = GradientCalls(inner, prepared.compiled, feeds, order)
        return check_at_steps(calls, prepared.feed, begin)

    def outputs_of(compiled: Compiled) -> list[Array]:
        returned = waited_for(feeds.engine, compiled.bind(prepared.feed))
        return [feeds.fetch(leaf) for leaf in keras.tree.flatten(returned)]

    outputs, compiled = outputs_of(prepared.compiled), prepared.compiled
    worst = law.check_outputs(outputs, inner.reference, inner.precision)
    check = partial(law.check_outputs, outputs, precision=inner.precision)
    worst = max(worst, inner.folded_reference.settle(check, begin))
    law.check_finite(outputs, inner.reference.output_names)
    if compiled.checks_weights and (trained := inner.trained_reference):
        try:
            with as_trained(model.trainable_weights):
                again = compiled.anew(prepared.feed)
                law.check_outputs(outputs_of(again), trained, inner.precision)
        except LawBrokenError as error:
            raise LawBrokenError(
                f"does not follow its weights: once they are a quarter smaller, {error}; keep no "
                "results of earlier calls, and compute from weights in every call, not in `build`"
            ) from None
    return worst


def check_at_steps(checked: "GradientCalls", feed: Feed, begin: Begin) -> float:
    """Compare gradients with the references at the drawn steps, and at every step."""
    inner, feeds = checked.inner, checked.feeds
    folded = inner.folded_reference
    at_drawn_steps = checked.call(feeds.feed(inner.reference.sparse_cotangents()))
    check = partial(checked.check, at_drawn_steps)
    worst = folded.check_allowing_for_rounding(inner.reference, check)
    return max(worst, folded.settle(partial(checked.check, checked.call(feed)), begin))


#: The loss of a call and its gradients: (batch, time, *features) for each float tensor of the
#: inputs, or None where the setting does not ask for it; and by the layer's weights in their order,
#: None where the loss does not depend on one.
GradientsOfCall = tuple[float, Sequence[Array] | None, Sequence[Array | None]]


@dataclass(frozen=True)
class GradientCalls:
    """Calls of one rival that differentiate; its weight `order[i]` is the layer's weight `i`."""

    inner: InnerLayer
    compiled: Compiled
    feeds: Feeds
    order: Sequence[int]

    def call(self, feed: Feed, *, restores: bool = True) -> GradientsOfCall:
        """Make one call, with the variables restored before unless it goes on from another."""
        if restores:
            self.inner.restore()
        if self.feeds.setting.phase is Phase.TRAIN:
            return self._train(feed)
        result = waited_for(self.feeds.engine, self.compiled.bind(feed))
        self.compiled.assign_changed(result)
        loss, by_sources, *_ = result
        gradients, by_inputs = list(by_sources), None
        if self.feeds.setting.gradients is Gradients.INPUTS_AND_WEIGHTS:
            tensors = law.floats(self.feeds.shared.tensors)
            by_inputs = [
                np.zeros_like(tensor) if by is None else self.feeds.fetch(by)
                for tensor, by in zip(tensors, gradients, strict=False)
            ]
            gradients = gradients[len(by_inputs) :]
        to_numpy = self.feeds.engine.to_numpy
        fetched = [None if value is None else to_numpy(value) for value in gradients]
        return float(to_numpy(loss)), by_inputs, [fetched[index] for index in self.order]

    def _train(self, feed: Feed) -> GradientsOfCall:
        """Make a first step, of which the moments tell the gradients."""
        engine = self.feeds.engine
        if self.compiled.step().scales_loss:  # steps that are skipped change variables, too
            find_loss_scale(engine, self.compiled, feed)
            self.inner.restore()
        self.compiled.step().reset()
        result = find_loss_scale(engine, self.compiled, feed)
        gradients = self.compiled.step().gradients()
        self.compiled.assign_changed(result)
        (loss,) = result.values()
        return float(engine.to_numpy(loss)), None, [gradients[index] for index in self.order]

    def check(
        self, result: GradientsOfCall, expected: law.Reference, *, mixes: bool = False
    ) -> float:
        """Compare a call with the reference whose cotangent it was fed.

        Where the layer `mixes` steps, an input's gradient is that of other steps' outputs, too.
        """
        inner, worst, (loss, by_inputs, by_weights) = self.inner, 0.0, result
        if by_inputs is not None:
            by = inner.input_precision
            worst = law.check_input_gradients(by_inputs, expected, by, mixes=mixes)
        worst = max(worst, law.check_weight_gradients(by_weights, expected, inner.precision))
        everywhere = expected if mixes else inner.folded_reference.everywhere
        law.check_loss(loss, expected, everywhere.scales, inner.precision)
        return worst

    def losses_of(self, weights: Mapping[int, Sequence[Array]], calls: int) -> Iterator[float]:
        """Yield losses of calls in a row, of outputs weighed at some steps: (batch, *outputs)."""
        cotangents = list[Array]()
        for place, leaf in enumerate(self.inner.folded_reference.everywhere.cotangents):
            cotangents.append(np.zeros_like(leaf))
            for step, leaves in weights.items():
                cotangents[-1][:, step] = leaves[place]
        feed = self.feeds.feed(cotangents)
        yield from (self.call(feed, restores=call == 0)[0] for call in range(calls))

    def check_finite(self, feed: Feed) -> None:
        _, by_inputs, by_weights = self.call(feed)
        if by_inputs is not None:
            law.check_finite(by_inputs, map(law.gradient_by, self.inner.reference.input_names))
        law.check_finite_weight_gradients(by_weights)
