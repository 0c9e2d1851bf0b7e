"""The inner layer that rivals lift, made once, with the results that they are held to.

Where two revisions are compared and their workloads differ, each has a layer of its own, drawn from
the same seed; else all rivals of a setting lift one layer.

A lift that calls its layer on several steps at once has other batch statistics and losses than one
that calls it at every step. So a word of `source.MEANING` stands for calls of the layer, each on
some steps of some sequences: a lift means that if the layer, called so, computes the same.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from timelift.messages import Task
from timelift.source import ADDED
from timelift.worker import law
from timelift.worker.engines import Array, Engine
from timelift.worker.inputs import SharedInputs
from timelift.worker.law import Reference
from timelift.worker.making import own_losses, parts_of, precision_of, symbolic
from timelift.worker.quantise import quantised_variables
from timelift.worker.reference import (
    FoldedReference,
    LayerCalls,
    Rows,
    as_trained,
    draw_cotangents,
    is_finite,
    reference_at,
    with_rounding,
)
from timelift.worker.tolerances import TOLERANCES
from timelift.worker.user_code import changed

#: Attributes of Keras's layers that hold the rate or size of noise in training.
NOISE = ("rate", "stddev", "dropout", "recurrent_dropout")
#: The name of the variable that a seeded layer draws its noise from.
SEED = "seed_generator_state"
#: Calls that show how far noise moves a sum of outputs, and that a rival has none.
NOISY_CALLS = 8
#: How many times as far as a single output rounding may move such a sum.
_ROUNDED = 4.0
#: Calls that must agree before a rival is condemned: a layer may draw noise from anywhere.
_STEADY_CALLS = 16


@dataclass(frozen=True)
class Training:
    """What training changes in a layer, as its calls on one step show.

    `moves` are the variables that a call changes, seeds among them; `draws` is True if it has
    noise. The rest is about calls with the noise of Keras's layers `silenced`: `quiet` if calls in
    a row agree and change no seed, `statistics` if they differ from inference or change a variable
    that is no seed.
    """

    moves: tuple[Any, ...] = ()
    draws: bool = False
    quiet: bool = True
    statistics: bool = False


def silenced(layer: Any) -> AbstractContextManager[None]:
    """Set the rates of noise of a layer and its parts to 0 inside; a traced call keeps its own."""
    rates = [(part, name) for part in parts_of(layer) for name in NOISE]
    own = (each for each in rates if isinstance(vars(each[0]).get(each[1]), Real))
    return changed([(*each, 0.0) for each in own])


def calls_of(word: str, valid: Array, k: int) -> tuple[Sequence[Rows], Sequence[Rows]] | None:
    """Return the calls of a word: those that change variables, and those that make the outputs.

    `valid` is (batch, time), and `k` the steps of a chunk, or the number of groups of sequences.
    None for an unknown word.
    """
    batch, time = valid.shape
    sequences, steps = np.arange(batch), np.arange(time)

    def call(sequences: Array, steps: Array) -> Rows:
        return np.repeat(sequences, len(steps)), np.tile(steps, len(sequences))

    each = [call(sequences, steps[[step]]) for step in steps]
    known: Mapping[str, tuple[Sequence[Rows], Sequence[Rows]]] = {
        "per_step": (each, each),
        "pooled": ([call(sequences, steps)],) * 2,
        "first_step": (each[:1], each),
        "per_step_and_first_again": ([each[0], *each], each),
    }
    if not k or word in known:
        return known.get(word)
    bounds = [batch * group // min(k, batch) for group in range(1, min(k, batch))]
    groups = [call(part, steps) for part in np.split(sequences, bounds)]
    chunks = [call(sequences, part) for part in np.split(steps, range(k, time, k))]
    return {"per_chunk": (chunks, chunks), "per_group": (groups, groups)}.get(word)


@dataclass(frozen=True)
class AsCalled:
    """What the calls of a word make of the layer in training, without the noise of Keras's layers.

    The `reference` has results at every step, and `rounded` returns one that allows for rounding;
    `moved` are the values of `Training.moves`, and `losses` is the sum of the layer's own.
    """

    reference: Reference
    rounded: Callable[[], Reference]
    moved: Sequence[Array]
    losses: float


class Noise(NamedTuple):
    """How far noise of training moves the weighed sum of a step's outputs in some calls.

    `silent` is the sum without it, and `weights` are zero for sequences with padded steps.
    """

    weights: Sequence[Array]
    silent: float
    moves: Array
    rounding: float


class InnerLayer:
    """One inner layer with its results; calls change its state until `restore`.

    The layer is called in training if a call differentiates, unless `training` changes it or it is
    known to be `noisy`; else in inference. `adds_more` is True if training adds more than noise
    that its seeds repeat.
    """

    def __init__(
        self, engine: Engine, task: Task, layer: Any, shared: SharedInputs, *, noisy: bool = False
    ) -> None:
        setting, self.layer, self._engine, self._shared = task.setting, layer, engine, shared
        self._differentiates = setting.differentiates
        #: Variables without gradient, such as batch statistics and random seeds.
        self._state = [(variable, variable.numpy()) for variable in layer.non_trainable_variables]
        #: Weights, which a call may assign: a gradient that is not finite makes them so.
        trained = layer.trainable_variables if self._differentiates else []
        self._weights = [(variable, variable.numpy()) for variable in trained]
        self.precision = precision_of(layer, engine, setting)
        #: The precision of gradients by the inputs, which have the dtype of these.
        self.input_precision = precision_of(layer, engine, setting, setting.dtype.floats)
        self.adds_more, self.has_own_losses = noisy, False
        self.training = self._asked() if self._differentiates else Training()
        if noisy:
            self.training = replace(self.training, draws=True, quiet=False)
        self._as_called: dict[tuple[str, int], Callable[[], AsCalled]] = {}
        self._refer(task)
        self.added = self._find_added()
        self.restore()

    def _refer(self, task: Task) -> None:
        """Make the `reference`, at the drawn steps, and the `folded_reference`, at all steps.

        A task that reads memory checks no law and has none of the latter.
        """
        shared, gradients = self._shared, self._differentiates
        training = gradients and not self.trains_differently
        names = law.leaf_names(self.layer(symbolic(task.inputs)), law.OUTPUTS, "output")
        self.calls = LayerCalls(self._engine, self.layer, shared, training, names)
        noise = np.random.default_rng([task.seed, 1])
        weigh = partial(draw_cotangents, valid=shared.valid[:, list(shared.steps)], noise=noise)
        self.reference = reference_at(shared.steps, self.calls, weigh, gradients=gradients)
        if not task.reads_peak_memory:
            how = (self.precision, self.input_precision), noise
            self.folded_reference = FoldedReference(self.calls, self.reference, *how)

    @property
    def trains_differently(self) -> bool:
        return self.training.draws or self.training.statistics

    @property
    def state(self) -> list[Array]:
        """The values of `Training.moves`."""
        return [variable.numpy() for variable in self.training.moves]

    def _find_added(self) -> list[str]:
        """Return what training adds, or may add; noise without a seed may come from anywhere."""
        state = self.training.moves if self._differentiates else [each for each, _ in self._state]
        quantised = {id(variable) for variable in quantised_variables(self.layer)}
        names = {variable.name for variable in state if id(variable) not in quantised}
        keeps = self.training.statistics or bool(names - {SEED})
        shown = [SEED in names, keeps, bool(own_losses(self.layer))]
        unknown = self.adds_more and not any(shown[1:])
        return [kind for kind, told in zip(ADDED.values(), shown, strict=True) if told or unknown]

    def is_steady(self) -> bool:
        """True if calls on the same inputs agree, in training if rivals are compared there."""
        self.restore()
        if self.trains_differently and self.training.quiet:
            with self.silent():
                return self._repeats(replace(self.calls, training=True))
        return self._repeats(self.calls)

    def _repeats(self, calls: LayerCalls) -> bool:
        step_outputs = partial(calls.outputs, calls.rows(self.reference.steps))
        first = step_outputs()
        return not any(self._differ(step_outputs(), first) for _ in range(_STEADY_CALLS - 1))

    def _differ(self, outputs: Iterable[Array], others: Iterable[Array]) -> bool:
        pairs = zip(outputs, others, strict=True)
        return any(law.differ(leaf, other, self.precision) for leaf, other in pairs)

    @cached_property
    def trained_reference(self) -> Reference | None:
        """The outputs at the drawn steps for weights times `TRAINED`; None if any is not finite."""
        calls, steps = self.calls, list(self.reference.steps)
        with as_trained(self.layer.trainable_weights):
            outputs = [leaf[:, steps] for leaf in calls.outputs(calls.rows(steps))]
        return replace(self.reference, outputs=outputs) if is_finite(outputs) else None

    @property
    def zero_gradients(self) -> float:
        """The share of weights' gradients for which Adam's second moment is zero or denormal."""
        gradients = self.folded_reference.everywhere.weight_gradients  # float64, moments are not
        weights = [law.widened(weight.numpy()) for weight in self.layer.trainable_weights]
        tiny = [np.finfo(weight.dtype).tiny for weight in weights]
        zeros = sum(
            int((1e-3 * np.square(each) < least).sum())
            for each, least in zip(gradients, tiny, strict=True)
        )
        return zeros / max(1, sum(each.size for each in gradients))

    def restore(self) -> None:
        """Undo the changes of calls to the layer's state and weights."""
        for variable, value in (*self._state, *self._weights):
            variable.assign(value)

    def _apply(self, rows: Any = (slice(None), 0), *, training: bool) -> list[Array]:
        """Call the layer on the inputs at an index into (batch, time); return its flat outputs."""
        placed = self._shared.placed(self._engine.place, rows)
        return self._engine.apply(self.layer, *placed, training=training)

    def _asked(self) -> Training:
        """Call the layer on the first step, in inference and in training."""
        inferred, trained = self._apply(training=False), self._apply(training=True)
        moves = self._changed
        self.restore()
        repeats = not self._differ(self._apply(training=True), trained)
        self.has_own_losses = bool(own_losses(self.layer))
        self.restore()
        seeds = [each for each in moves if each.name == SEED]
        differs = bool(moves) or not repeats or self._differ(trained, inferred)
        is_seeded = repeats and seeds == moves != []
        self.adds_more |= self.has_own_losses or (differs and not is_seeded)
        if not differs:
            return Training()
        with self.silent():
            silent = self._apply(training=True)
            names = {each.name for each in self._changed}
            is_same = not self._differ(self._apply(training=True), silent)
        is_other = bool(names - {SEED}) or (is_same and self._differ(silent, inferred))
        quiet = is_same and SEED not in names
        return Training(tuple(moves), bool(seeds) or not repeats, quiet, is_other)

    @property
    def _changed(self) -> list[Any]:
        return [variable for variable, old in self._state if (variable.numpy() != old).any()]

    def as_called(self, word: str, k: int) -> Callable[[], AsCalled] | None:
        """Return what calls the layer by a word, at its first call; None for an unknown word."""
        calls = calls_of(word, self.calls.shared.valid, k)
        if calls and (word, k) not in self._as_called:
            self._as_called[word, k] = cache(partial(self._call_as, *calls))
        return self._as_called.get((word, k))

    def _call_as(self, changing: Sequence[Rows], making: Sequence[Rows]) -> AsCalled:
        everywhere, losses = self.folded_reference.everywhere, 0.0
        calls = replace(self.calls, training=True)
        gradients = partial(calls.gradients, making, everywhere.cotangents)
        with self.silent():
            for rows in changing:
                self._apply(rows, training=True)
                losses += self.sum_of(own_losses(self.layer))
            moved = self.state
            outputs, (by_inputs, by_weights) = calls.outputs(making), gradients()
        whole = replace(everywhere, outputs=outputs)
        reference = replace(whole, input_gradients=by_inputs, weight_gradients=by_weights)
        how = self.layer.variables, self.precision, np.random.default_rng(0)
        rounded = cache(partial(with_rounding, reference, gradients, *how))
        return AsCalled(reference, rounded, moved, losses)

    @cached_property
    def noise(self) -> Noise:
        """The noise of the first step."""
        everywhere = self.folded_reference.everywhere
        is_full, first = everywhere.valid[:, -1], [leaf[:, 0] for leaf in everywhere.cotangents]
        weights = [leaf * law.over_steps(is_full, leaf) for leaf in first]

        def terms(outputs: Sequence[Array]) -> Array:
            pairs = zip(law.floats(outputs), weights, strict=True)
            return np.concatenate([(law.widened(one) * by).ravel() for one, by in pairs])

        with self.silent():
            silent = terms(self._apply(training=self.training.quiet))
        noisy = [terms(self._apply(training=True)).sum() for _ in range(NOISY_CALLS)]
        self.restore()
        rounding = _ROUNDED * TOLERANCES[self.precision].outputs * np.linalg.norm(silent)
        total = float(silent.sum())
        return Noise(weights, total, np.array(noisy) - total, float(rounding))

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Silence the noise of Keras's layers inside; restore the variables before and after."""
        self.restore()
        with silenced(self.layer):
            yield
        self.restore()

    def sum_of(self, losses: Iterable[Any]) -> float:
        return sum(float(self._engine.to_numpy(each)) for each in losses)
