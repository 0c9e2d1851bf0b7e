"""Rivals held to the law: their results beside those of the inner layer.

The law is checked at the drawn steps by the reference, and at all steps by the folded one. Where a
call differentiates, its loss and gradients alone are known. The loss for a random cotangent is a
sum of outputs weighed at random, so it checks them too, at every step at once.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import keras
import numpy as np

from timelift import messages
from timelift.case import Gradients, Lengths, Mode, Phase, TimeAxis
from timelift.messages import Emit, RivalSpec
from timelift.source import UNKNOWN
from timelift.worker import law
from timelift.worker.engines import Array, Compiled, Engine, Feed
from timelift.worker.inputs import Feeds
from timelift.worker.judge import SEED, AsCalled, InnerLayer
from timelift.worker.law import LawBrokenError
from timelift.worker.making import own_losses
from timelift.worker.reference import CHECKING, TRAINED, Begin, multiplied
from timelift.worker.tolerances import TOLERANCES
from timelift.worker.training import declared, silenced

#: A scale of the loss that is halved so often is as good as none.
_MOST_SKIPS = 40


@dataclass
class PreparedRival:
    """A rival that is built, was called once and keeps the law, with its feed."""

    rival: RivalSpec
    compiled: Compiled
    feed: Feed
    facts: dict[str, Any] = field(default_factory=dict)
    #: The strategy, what the rival only `tries`, and the cotangents that it is fed.
    module: Any = None
    tried: str = ""
    cotangents: Sequence[Array] = ()
    #: What it makes of what training adds, by the constant that declares it.
    meaning: dict[str, str] = field(default_factory=dict)


def call_once(engine: Engine, compiled: Compiled, feed: Feed) -> Any:
    return waited_for(engine, compiled.bind(feed))


def waited_for(engine: Engine, call: Callable[[], Any]) -> Any:
    result = call()
    engine.wait(result)
    return result


def find_loss_scale(engine: Engine, compiled: Compiled, feed: Feed) -> Any:
    """Make train steps until one is not skipped, and return its result.

    Gradients that overflow, as the loss is scaled, skip one. Raises LawBrokenError where each is.
    """
    for _ in range(_MOST_SKIPS):
        skips = compiled.step().skips
        result = call_once(engine, compiled, feed)
        if compiled.step().skips == skips:
            return result
    raise LawBrokenError("skips every step: its gradients overflow, by whatever the loss is scaled")


def check_rival(
    inner: InnerLayer, model: Any, prepared: PreparedRival, feeds: Feeds, emit: Emit
) -> float:
    """Check the results of a rival; return its largest relative error.

    Its feed is the one that will be timed, with the folded reference's cotangents if it
    differentiates. Raises LawBrokenError, and FloatingPointError if the inner layer itself returns
    NaN or infinity.
    """

    def begin(stage: str) -> None:
        emit(messages.Busy(stage, prepared.rival.name))

    begin(CHECKING)
    inner.restore()
    check = _check_gradients if feeds.setting.differentiates else _check_forward
    return check(inner, model, prepared, feeds, begin)


def _check_forward(
    inner: InnerLayer, model: Any, prepared: PreparedRival, feeds: Feeds, begin: Begin
) -> float:
    def outputs_now() -> list[Array]:
        returned = call_once(feeds.engine, prepared.compiled, prepared.feed)
        return [feeds.fetch(leaf) for leaf in keras.tree.flatten(returned)]

    law.match_weights(model, inner.layer)  # some are made in the first call
    outputs = outputs_now()
    worst = law.check_outputs(outputs, inner.reference, inner.precision)
    check = partial(law.check_outputs, outputs, precision=inner.precision)
    worst = max(worst, inner.folded_reference.settle(check, begin))
    law.check_finite(outputs, inner.reference.output_names)
    if trained := inner.trained_reference:
        try:
            with multiplied(model.trainable_weights, itertools.repeat(TRAINED)):
                law.check_outputs(outputs_now(), trained, inner.precision)
        except LawBrokenError as error:
            raise LawBrokenError(
                f"does not follow its weights: once they are a quarter smaller, {error}; keep no "
                "results of earlier calls, and compute from weights in every call, not in `build`"
            ) from None
    return worst


def _check_gradients(
    inner: InnerLayer, model: Any, prepared: PreparedRival, feeds: Feeds, begin: Begin
) -> float:
    order = law.match_weights(model, inner.layer)
    timed = GradientCalls(inner, prepared.compiled, feeds, order)
    in_training = _InTraining(model, prepared, timed)
    if inner.has_own_losses:
        prepared.meaning["INNER_LOSSES"] = in_training.losses()
    if not inner.trains_differently:
        return _check_at_steps(timed, prepared.feed, begin)
    timed.check_finite(prepared.feed)
    return in_training.check(begin)


def _check_at_steps(checked: "GradientCalls", feed: Feed, begin: Begin) -> float:
    """Compare with the references at the drawn steps, and at every step."""
    inner, feeds = checked.inner, checked.feeds
    folded = inner.folded_reference
    at_drawn_steps = checked.call(feeds.feed(inner.reference.sparse_cotangents()))
    check = partial(checked.check, at_drawn_steps)
    worst = folded.check_allowing_for_rounding(inner.reference, check)
    return max(worst, folded.settle(partial(checked.check, checked.call(feed)), begin))


#: The loss of a call and its gradients: (batch, time, *features) for each float tensor of the
#: inputs, or None where the setting does not ask for it; and by the layer's weights in their order,
#: None where the loss does not depend on one.
_Gradients = tuple[float, Sequence[Array] | None, Sequence[Array | None]]


@dataclass(frozen=True)
class GradientCalls:
    """Calls of one rival that differentiate; its weight `order[i]` is the layer's weight `i`."""

    inner: InnerLayer
    compiled: Compiled
    feeds: Feeds
    order: Sequence[int]

    def call(self, feed: Feed, *, restores: bool = True) -> _Gradients:
        """Make one call, with the variables restored before unless it goes on from another."""
        if restores:
            self.inner.restore()
        if self.feeds.setting.phase is Phase.TRAIN:
            return self._train(feed)
        result = call_once(self.feeds.engine, self.compiled, feed)
        self.compiled.settle(result)
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

    def _train(self, feed: Feed) -> _Gradients:
        """Make a first step, of which the moments tell the gradients."""
        engine = self.feeds.engine
        if self.compiled.step().scales_loss:  # steps that are skipped change variables, too
            find_loss_scale(engine, self.compiled, feed)
            self.inner.restore()
        self.compiled.step().reset()
        result = find_loss_scale(engine, self.compiled, feed)
        gradients = self.compiled.step().gradients()
        self.compiled.settle(result)
        (loss,) = result.values()
        self.inner.restore_weights()
        return float(engine.to_numpy(loss)), None, [gradients[index] for index in self.order]

    def check(self, result: _Gradients, expected: law.Reference) -> float:
        """Compare a call with the reference whose cotangent it was fed."""
        inner, worst, (loss, by_inputs, by_weights) = self.inner, 0.0, result
        if by_inputs is not None:
            worst = law.check_input_gradients(by_inputs, expected, inner.input_precision)
        worst = max(worst, law.check_weight_gradients(by_weights, expected, inner.precision))
        law.check_loss(loss, expected, inner.folded_reference.scales, inner.precision)
        return worst

    def check_mixed(self, result: _Gradients, called: AsCalled) -> float:
        """Compare so where steps share statistics, and gradients with them."""
        try:
            return self._check_mixed(result, called.reference)
        except LawBrokenError:
            return self._check_mixed(result, called.rounded)

    def _check_mixed(self, result: _Gradients, expected: law.Reference) -> float:
        inner, worst, (loss, by_inputs, by_weights) = self.inner, 0.0, result
        if by_inputs is not None:
            how = expected, inner.input_precision
            worst = law.check_input_gradients_at_steps(by_inputs, *how)
        worst = max(worst, law.check_weight_gradients(by_weights, expected, inner.precision))
        scales = [law.scale_of(leaf[expected.valid]) for leaf in law.floats(expected.outputs)]
        law.check_loss(loss, expected, scales, inner.precision)
        return worst

    def check_finite(self, feed: Feed) -> None:
        _, by_inputs, by_weights = self.call(feed)
        if by_inputs is not None:
            law.check_finite(by_inputs, map(law.gradient_by, self.inner.reference.input_names))
        law.check_finite_weight_gradients(by_weights)


# Where training changes the layer -----------------------------------------------------------------

#: Calls that show how far noise moves a sum of outputs, and that a rival has none.
_NOISY_CALLS = 8
#: How many times as far as an output rounding may move such a sum, and how many times as far as
#: rounding noise must move it in each call, to be asked for.
_ROUNDED, _ASKED = 4.0, 4.0
#: The largest share of the layer's own calls whose noise may be that of the call before.
_MOST_ALIKE = 0.2
#: How many times as far off as gradients what calls change may be, and the largest share.
_CHANGED, _MOST_CHANGED = 10.0, 0.25
#: Words that are tried where a file declares none; of losses, with that of the same calls.
_STATISTICS = ("per_step", "pooled", "first_step", "per_step_and_first_again")
_LOSSES = {
    "kept": "per_step",
    "averaged": "pooled",
    "first_step": "first_step",
    "averaged_per_chunk": "per_chunk",
    "averaged_per_group": "per_group",
}
#: Words that promise no loss.
_NO_LOSSES = frozenset({"lost", "unreachable"})
_HAND_ON = "call the layer with the `training` that the model is called with"


@dataclass(frozen=True)
class _InTraining:
    """A rival of a layer that training changes, held to that, or to what its file declares.

    What it makes of that is noted as its `meaning`.
    """

    model: Any
    prepared: PreparedRival
    timed: GradientCalls

    @property
    def _inner(self) -> InnerLayer:
        return self.timed.inner

    def check(self, begin: Begin) -> float:
        """Hold a rival that was just called to the law; return its largest error."""
        training, meaning, feed = self._inner.training, self.prepared.meaning, self.prepared.feed
        self._check_moves()
        if training.draws:
            meaning["DROPOUT"] = self._noise()
        with silenced(self._inner.layer):
            if training.statistics and training.quiet and self._is_full:
                meaning["BATCH_NORM"], worst = self._statistics()
                return worst
            if training.statistics:
                meaning["BATCH_NORM"] = self._declared("BATCH_NORM") or UNKNOWN
            is_equal = training.quiet and not training.statistics
            return _check_at_steps(self._silent_calls(training=is_equal), feed, begin)

    @property
    def _is_full(self) -> bool:
        """True if no step is padded: whether statistics see padding is declared nowhere."""
        return self.timed.feeds.setting.lengths is Lengths.FULL

    @property
    def _allowed(self) -> float:
        return min(_CHANGED * TOLERANCES[self._inner.precision].gradients, _MOST_CHANGED)

    def _declared(self, name: str) -> str:
        setting = self.timed.feeds.setting
        is_known = setting.mode is Mode.EAGER  # a tensor has a length, whatever a model knows
        axis = TimeAxis.STATIC if is_known else setting.time_axis
        return declared(self.prepared.module, name, axis)

    def _as_called(self, word: str) -> AsCalled | None:
        """Return the layer as called by a word, in which `k` is the size of chunks."""
        size = self.prepared.rival.parameters.get("k", 0)
        return self._inner.as_called(word, size if isinstance(size, int) else 0)

    def _silent_calls(self, *, training: bool) -> GradientCalls:
        """Return calls without noise: those that are timed, or of the model compiled once more."""
        if training and not self._inner.training.draws:
            return self.timed
        feeds = self.timed.feeds
        compiled = feeds.engine.compile(self.model, feeds.setting, training=training)
        return replace(self.timed, compiled=compiled)

    def _check_moves(self) -> None:
        """Reject a rival that leaves a variable as it is which training changes."""
        inner, after = self._inner, self._inner.state
        inner.restore()
        for variable, left, before in zip(inner.training.moves, after, inner.state, strict=True):
            if np.array_equal(left, before):
                raise LawBrokenError(f"in training it leaves {variable.name} as it is; {_HAND_ON}")

    def _noise(self) -> str:
        """Return whether steps share their noise: what shows, or else what is declared."""
        training, word = self._inner.training, self._declared("DROPOUT")
        if training.statistics and not self._is_full:
            return word or UNKNOWN
        alike, seen = _Alike(self.timed), set[str]()
        for step in filter(alike.asks, self._inner.reference.steps):
            if alike.is_silent(step):
                raise LawBrokenError(f"in training it has no noise at step {step}; {_HAND_ON}")
            seen |= {alike.sharing(step)} - {""} if step else set()
        if word and seen - {word}:
            raise LawBrokenError(f"its noise is {min(seen - {word})}, and it declares {word!r}")
        return word or (seen.pop() if len(seen) == 1 else UNKNOWN)

    def _statistics(self) -> tuple[str, float]:
        """Return the word by which the layer, called so, trains alike, and the largest error.

        That is the declared one, or UNKNOWN if that stands for no calls; or else one that fits.
        """
        word, reasons = self._declared("BATCH_NORM"), list[str]()
        checked = self._silent_calls(training=True)
        result, after = checked.call(self.prepared.feed), self._inner.state
        self._inner.restore()
        for each in [word] if word else _STATISTICS:
            called = self._as_called(each)
            if called is None:
                return UNKNOWN, 0.0
            try:
                self._check_changes(after, called)
                return each, checked.check_mixed(result, called)
            except LawBrokenError as error:
                reasons.append(f"beside the layer called {each.replace('_', ' ')}, {error}")
        declares = f"declares BATCH_NORM = {word!r}" if word else "declares no BATCH_NORM"
        raise LawBrokenError(f"{declares}; in training, {reasons[0]}")

    def _check_changes(self, after: Sequence[Array], called: AsCalled) -> None:
        """Compare the variables `after` a call with those that calls of the layer leave."""
        variables, before = self._inner.training.moves, self._inner.state
        wanted, _ = called.changed
        for variable, *values in zip(variables, before, wanted, after, strict=True):
            old, new, own = map(law.widened, values)
            moved, off = np.abs(new - old).max(), np.abs(own - new).max()
            if variable.name != SEED and not off <= self._allowed * moved:
                raise LawBrokenError(f"{variable.name} is {off:.2g} off, and moves by {moved:.2g}")

    def losses(self) -> str:
        """Return what becomes of the layer's own losses: what shows, or else what is declared."""
        inner, word = self._inner, self._declared("INNER_LOSSES")
        if word in _NO_LOSSES or not (self._is_full and inner.training.quiet):
            return word or UNKNOWN
        try:
            with inner.silent():
                self.model(self.prepared.feed.inputs, training=True)
                found = inner.sum_of(own_losses(self.model))
        except Exception:  # noqa: BLE001 - what a loop or a map keeps has no value outside of it
            return word or UNKNOWN
        wanted = dict[str, float]()
        for each in [word] if word else _LOSSES:
            if called := self._as_called(_LOSSES.get(each, "")):
                wanted[each] = called.changed[1]
                if abs(found - wanted[each]) <= self._allowed * abs(wanted[each]):
                    return each
        if word and wanted:
            raise LawBrokenError(
                f"the losses of its layer are {found:.3g} in all, and {wanted[word]:.3g} if they "
                f"are {word}, as it declares"
            )
        return UNKNOWN if found or word else "lost"


class _Alike:
    """A rival on sequences of equal steps, in which noise alone sets the losses of steps apart."""

    def __init__(self, timed: GradientCalls) -> None:
        inner, shared = timed.inner, timed.feeds.shared
        self._calls = replace(timed, feeds=replace(timed.feeds, shared=shared.all_like_the_first()))
        everywhere, first = inner.folded_reference.everywhere, inner.placed((slice(None), 0))
        self._valid, self._weights = shared.valid, [leaf[:, 0] for leaf in everywhere.cotangents]
        with inner.silent():
            terms = self._terms(inner.apply(first, training=inner.training.quiet))
        self._silent, self._squares = terms.sum(axis=1), np.square(terms).sum(axis=1)
        noisy = [inner.apply(first, training=True) for _ in range(_NOISY_CALLS)]
        self._moved = np.array([self._terms(each).sum(axis=1) for each in noisy]) - self._silent
        self._tolerance = _ROUNDED * TOLERANCES[inner.precision].outputs

    def _terms(self, outputs: Sequence[Array]) -> Array:
        """Return the weighed outputs of a step: (batch, all outputs)."""
        pairs = zip(law.floats(outputs), self._weights, strict=True)
        products = [law.widened(leaf) * law.widened(weights) for leaf, weights in pairs]
        return np.concatenate([each.reshape(len(each), -1) for each in products], axis=1)

    def _rounding(self, step: int) -> float:
        return self._tolerance * float(np.sqrt(self._squares[self._valid[:, step]].sum()))

    def asks(self, step: int) -> bool:
        """True if noise moves the layer's own loss of the sequences with this step in each call."""
        moved = np.abs(self._moves_of(step))
        return bool(moved.min() > _ASKED * self._rounding(step))

    def _moves_of(self, step: int) -> Array:
        moves: Array = self._moved[:, self._valid[:, step]].sum(axis=1)
        return moves

    def is_silent(self, step: int) -> bool:
        wanted, allowed = float(self._silent[self._valid[:, step]].sum()), self._rounding(step)
        return all(abs(loss - wanted) <= allowed for loss in self._losses(step))

    def sharing(self, step: int) -> str:
        """Return whether a step has the noise of the first one; '' if that is seldom another's."""
        allowed = 2 * self._rounding(step)
        alike = np.abs(np.diff(self._moves_of(step))) <= allowed
        if alike.mean() > _MOST_ALIKE:
            return ""
        is_shared = all(abs(loss) <= allowed for loss in self._losses(step, less_first=True))
        return "shared" if is_shared else "independent"

    def _losses(self, step: int, *, less_first: bool = False) -> Iterator[float]:
        """Yield the loss by the outputs at a step, if asked for less that at the first one.

        Each is of a further call; the sequences are those that have the step.
        """
        cotangents, rows = list[Array](), self._valid[:, step]
        for weights in self._weights:
            cotangents.append(np.zeros((*self._valid.shape, *weights.shape[1:]), weights.dtype))
            cotangents[-1][rows, step] = weights[rows]
            cotangents[-1][rows, 0] -= less_first * weights[rows]
        feed = self._calls.feeds.feed(cotangents)
        yield from (self._calls.call(feed, restores=n == 0)[0] for n in range(_NOISY_CALLS))
