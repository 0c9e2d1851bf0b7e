"""What a rival makes of training and of masks: what its layer does, or what its file declares.

Where training changes what a layer computes, by noise, by variables that move or by losses of its
own, a rival has to do alike. Noise, that of Keras's layers, is silenced to compare the rest.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from timelift.axis_values import Lengths, Mode, TimeAxis
from timelift.case import Setting
from timelift.messages import CALLING_EVERY_STEP
from timelift.source import UNKNOWN
from timelift.worker import law
from timelift.worker.checks import GradientCalls, GradientsOfCall, PreparedRival, check_at_steps
from timelift.worker.engines import Array, mask_arg
from timelift.worker.find_lifts import mask_of
from timelift.worker.inputs import Feeds
from timelift.worker.judge import NOISY_CALLS, SEED, AsCalled, InnerLayer, silenced
from timelift.worker.law import LawBrokenError
from timelift.worker.making import own_losses
from timelift.worker.reference import CHECKING, Begin
from timelift.worker.tolerances import TOLERANCES

#: Noise is compared only if it moves the layer in each call so many times as far as rounding.
_ASKED = 4.0
#: The largest share of the layer's own calls that may repeat the noise of the call before.
_MOST_ALIKE = 0.2
#: The allowed error of changed variables, as a multiple of that of gradients, and its limit.
_CHANGED, _MOST_CHANGED = 10.0, 0.25
_WORDS = ("per_step", "pooled", "first_step", "per_step_and_first_again", "per_chunk", "per_group")
#: The words of statistics and of losses, each with the word of the same calls.
_STATISTICS = dict(zip(_WORDS, _WORDS, strict=True))
_LOSSES = {
    "kept": "per_step",
    "averaged": "pooled",
    "first_step": "first_step",
    "averaged_per_chunk": "per_chunk",
    "averaged_per_group": "per_group",
}
#: The word of noise that each step has of its own, as the layer called at every step.
_OWN_NOISE = "independent"
#: Words that promise no loss.
_NO_LOSSES = frozenset({"lost", "unreachable"})
#: What calls the layer, by its word.
Asked = Mapping[str, Callable[[], AsCalled]]
_HAND_ON = "hand `training` on to the layer"


def check_in_training(
    inner: InnerLayer, model: Any, prepared: PreparedRival, feeds: Feeds, begin: Begin
) -> float:
    """Return the largest error of a rival whose layer training changes, or has own losses."""
    begin(CHECKING)
    order = law.match_weights(model, inner.layer)
    timed = GradientCalls(inner, prepared.compiled, feeds, order)
    in_training = _InTraining(model, prepared, timed)
    if inner.has_own_losses:
        prepared.meaning["INNER_LOSSES"] = in_training.losses()
    if not inner.trains_differently:
        return check_at_steps(timed, prepared.feed, begin)
    timed.check_finite(prepared.feed)
    return in_training.check(begin)


@dataclass(frozen=True)
class _InTraining:
    """A rival, and the model as it is timed; what it makes of training is noted in `meaning`."""

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
        with silenced(self._inner.layer), silenced(self.model):  # which may have copies
            if training.statistics:
                asked = self._as_called("BATCH_NORM", _STATISTICS)
                if asked and training.quiet and self._is_full:
                    meaning["BATCH_NORM"], worst = self._statistics(asked, begin)
                    return worst
                meaning["BATCH_NORM"] = (asked and self._declared("BATCH_NORM")) or UNKNOWN
            is_equal = training.quiet and not training.statistics
            return check_at_steps(self._silent_calls(training=is_equal), feed, begin)

    @property
    def _is_full(self) -> bool:
        """True if no step is padded: whether statistics see padding is declared nowhere."""
        return self.timed.feeds.setting.lengths is Lengths.FULL

    @property
    def _allowed(self) -> float:
        return min(_CHANGED * TOLERANCES[self._inner.precision].gradients, _MOST_CHANGED)

    def _declared(self, name: str) -> str:
        return _declared(self.prepared.module, name, self.timed.feeds.setting)

    def _as_called(self, name: str, words: Mapping[str, str]) -> Asked:
        """Return the calls of the layer by the declared word and the usual one, or by all `words`.

        The usual word, the first, is tried after the declared one, or before it where no variable
        shows how the layer was called, so that both may fit. Empty for an unknown word; `k` is the
        number of steps of a chunk, or of groups.
        """
        word, size = self._declared(name), self.prepared.rival.parameters.get("k", 0)
        k, (usual, *_) = size if isinstance(size, int) else 0, words
        keeps = any(variable.name != SEED for variable in self._inner.training.moves)
        asked = ([word, usual] if keeps else [usual, word]) if word else words
        called = {each: self._inner.as_called(words.get(each, ""), k) for each in asked}
        is_known = not word or called[word] is not None
        return {each: known for each, known in called.items() if known and is_known}

    def _silent_calls(self, *, training: bool) -> GradientCalls:
        """Return calls without noise: those that are timed, or of the model compiled once more."""
        if training and not self._inner.training.draws:
            return self.timed
        feeds = self.timed.feeds
        compiled = feeds.engine.compile(self.model, feeds.setting, training=training)
        return replace(self.timed, compiled=compiled)

    def _check_moves(self) -> None:
        """Reject a rival that leaves a variable unchanged although training changes it."""
        inner, after = self._inner, self._inner.state
        inner.restore()
        for variable, left, before in zip(inner.training.moves, after, inner.state, strict=True):
            if np.array_equal(left, before):
                raise LawBrokenError(f"in training it leaves {variable.name} as it is; {_HAND_ON}")

    def _noise(self) -> str:
        """Return the word for noise that steps share or not: as observed, or else as declared.

        If all steps of a sequence are equal, only noise makes the losses by single steps differ.
        """
        inner, word, steps = self._inner, self._declared("DROPOUT"), self._inner.reference.steps
        if inner.training.statistics and not self._is_full:
            return word or UNKNOWN
        noise, shared = inner.noise, inner.calls.shared.all_like_the_first()
        alike = replace(self.timed, feeds=replace(self.timed.feeds, shared=shared))
        if np.abs(noise.moves).min() <= _ASKED * noise.rounding:
            return word or UNKNOWN
        for step in steps:
            losses = alike.losses_of({step: noise.weights}, NOISY_CALLS)
            if all(abs(loss - noise.silent) <= noise.rounding for loss in losses):
                raise LawBrokenError(f"in training it has no noise at step {step}; {_HAND_ON}")
        allowed, last = 2 * noise.rounding, steps[-1]
        if not last or (np.abs(np.diff(noise.moves)) <= allowed).mean() > _MOST_ALIKE:
            return word or (UNKNOWN if last else _OWN_NOISE)
        by_both = {0: [-weights for weights in noise.weights], last: noise.weights}
        if any(abs(loss) > allowed for loss in alike.losses_of(by_both, NOISY_CALLS)):
            return _OWN_NOISE
        if word not in {"shared", ""}:
            raise LawBrokenError(f"its noise is shared by all steps, and it declares {word!r}")
        return "shared"

    def _statistics(self, asked: Asked, begin: Begin) -> tuple[str, float]:
        """Return the first word by which the called layer trains alike, and the largest error."""
        checked, reasons = self._silent_calls(training=True), list[str]()
        result, after = checked.call(self.prepared.feed), self._inner.state
        self._inner.restore()
        for word, call in asked.items():
            begin(CALLING_EVERY_STEP)
            called = call()
            begin(CHECKING)
            try:
                return word, self._compare(checked, result, after, called)
            except LawBrokenError as error:
                reasons.append(f"beside the layer called as {word} says, {error}")
        said = self._declared("BATCH_NORM")
        declares = f"BATCH_NORM = {said!r}" if said else "no BATCH_NORM"
        raise LawBrokenError(f"declares {declares}; in training, {reasons[0]}")

    def _compare(
        self,
        checked: GradientCalls,
        result: GradientsOfCall,
        after: Sequence[Array],
        called: AsCalled,
    ) -> float:
        """Compare a call, and the variables `after` it, with calls of the layer."""
        variables, before = self._inner.training.moves, self._inner.state
        for variable, *values in zip(variables, before, called.moved, after, strict=True):
            old, new, own = map(law.widened, values)
            moved, off = np.abs(new - old).max(), np.abs(own - new).max()
            if variable.name != SEED and not off <= self._allowed * moved:
                raise LawBrokenError(f"{variable.name} is {off:.2g} off, and moves by {moved:.2g}")
        try:
            return checked.check(result, called.reference, mixes=True)
        except LawBrokenError:
            return checked.check(result, called.rounded(), mixes=True)

    def losses(self) -> str:
        """Return what becomes of the layer's own losses: what shows, or else what is declared."""
        inner, word, feed = self._inner, self._declared("INNER_LOSSES"), self.prepared.feed
        if word in _NO_LOSSES or not (self._is_full and inner.training.quiet):
            return word or UNKNOWN
        try:
            with inner.silent():
                self.model(feed.inputs, training=True, **mask_arg(feed.mask))
                found = inner.sum_of(own_losses(self.model))
        except Exception:  # noqa: BLE001 - what a loop or a map keeps has no value outside of it
            return word or UNKNOWN
        asked = self._as_called("INNER_LOSSES", _LOSSES)
        wanted = dict[str, float]()
        for each, call in asked.items():
            wanted[each] = total = call().losses
            if abs(found - total) <= self._allowed * abs(total):
                return each
        if word and wanted:
            raise LawBrokenError(
                f"the losses of its layer are {found:.3g} in all, and {wanted[word]:.3g} if they "
                f"are {word}, as it declares"
            )
        return UNKNOWN if found or word else "lost"


def check_mask(model: Any, prepared: PreparedRival, setting: Setting) -> None:
    """Reject a rival that loses the mask over steps though it declares to hand it on."""
    feed = prepared.feed
    if feed.mask is None or _declared(prepared.module, "MASKS", setting) != "passed":
        return
    outputs = keras.tree.flatten(model(feed.inputs, mask=feed.mask))
    if all(mask_of(output) is None for output in outputs):
        raise LawBrokenError("loses the mask over steps, and declares MASKS = 'passed'")


def _declared(module: Any, name: str, setting: Setting) -> str:
    """Return what a strategy's file declares by a constant; '' if nothing, or that it refuses."""
    word = getattr(module, name, "")
    if isinstance(word, Mapping):
        is_known = setting.mode is Mode.EAGER  # a tensor has a length, whatever a model knows
        word = word.get(TimeAxis.STATIC if is_known else setting.time_axis, "")
    return "" if word == "refused" else str(word)
