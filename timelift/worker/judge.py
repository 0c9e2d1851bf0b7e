"""The inner layer that rivals lift, made once, with the results that they are held to.

Where two revisions are compared and their workloads differ, each has a layer of its own, drawn from
the same seed; else all rivals of a setting lift one layer.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from timelift.case import Phase
from timelift.messages import Task
from timelift.source import ADDED
from timelift.worker import law
from timelift.worker.engines import Array, Engine
from timelift.worker.inputs import SharedInputs
from timelift.worker.law import Reference
from timelift.worker.making import compute_dtypes, own_losses, precision_of, symbolic
from timelift.worker.reference import (
    TRAINED,
    FoldedReference,
    LayerCalls,
    draw_cotangents,
    is_finite,
    multiplied,
    reference_at,
    with_rounding,
)
from timelift.worker.tolerances import coarsest
from timelift.worker.training import Rows, Training, calls_of, silenced

#: The name of the variable that a seeded layer draws its noise from.
SEED = "seed_generator_state"
#: Calls that must agree before a rival is condemned: a layer may draw noise from anywhere.
_STEADY_CALLS = 16


class AsCalled:
    """The layer called in training as a declared word says, without the noise of Keras's layers."""

    def __init__(self, inner: "InnerLayer", calls: tuple[Sequence[Rows], Sequence[Rows]]) -> None:
        self._inner, (self._changing, self._making) = inner, calls

    @cached_property
    def changed(self) -> tuple[list[Array], float]:
        """The values of `Training.moves` after the calls, and the sum of the layer's own losses."""
        inner, losses = self._inner, 0.0
        with inner.silent():
            for rows in self._changing:
                inner.apply(inner.placed(rows), training=True)
                losses += inner.sum_of(own_losses(inner.layer))
            return inner.state, losses

    @cached_property
    def reference(self) -> Reference:
        """The results at every step."""
        everywhere = self._inner.folded_reference.everywhere
        with self._inner.silent():
            outputs = self._calls.outputs(everywhere.steps, folded=True)
            by_inputs, by_weights = self._gradients()
        whole = replace(everywhere, outputs=outputs)
        return replace(whole, input_gradients=by_inputs, weight_gradients=by_weights)

    @cached_property
    def rounded(self) -> Reference:
        """The same with what rounding makes of the gradients."""
        inner = self._inner
        how = self._gradients, inner.layer.variables, inner.precision, np.random.default_rng(0)
        with inner.silent():
            return with_rounding(self.reference, *how)

    @property
    def _calls(self) -> LayerCalls:
        return replace(self._inner.calls, training=True, rows=self._making)

    def _gradients(self) -> tuple[list[Array], tuple[Array, ...]]:
        everywhere = self._inner.folded_reference.everywhere
        return self._calls.gradients(everywhere.steps, everywhere.cotangents, folded=True)


class InnerLayer:
    """One inner layer with its results; calls change its state until `restore`.

    `reference` has the results at the drawn steps of the law, `folded_reference` at all steps; a
    task that reads memory checks no law and has none of the latter. To differentiate, the layer
    is called in training, unless `training` changes it, or it is known to be `noisy`; else in
    inference. It `adds_more` if training adds more to it than noise that its seeds repeat.
    """

    def __init__(
        self, engine: Engine, task: Task, layer: Any, shared: SharedInputs, *, noisy: bool = False
    ) -> None:
        setting, self.layer, self._engine = task.setting, layer, engine
        #: Variables without gradient, such as batch statistics and random seeds.
        self._state = [(variable, variable.numpy()) for variable in layer.non_trainable_variables]
        #: Weights, where a call assigns them: a gradient that is not finite makes them so.
        trained = layer.trainable_variables if setting.phase is Phase.TRAIN else []
        self._weights = [(variable, variable.numpy()) for variable in trained]
        self.precision = precision_of(layer, engine, setting)
        #: The precision of gradients by the inputs, which have the dtype of these.
        dtypes = [setting.dtype.floats, *compute_dtypes(layer)]
        self.input_precision = coarsest(dtypes, setting.device, engine.identity())
        self.adds_more, self.has_own_losses = noisy, False
        self.training = self._asked(shared) if setting.differentiates else Training()
        if noisy:
            self.training = replace(self.training, draws=True, quiet=False)
        training = setting.differentiates and not self.trains_differently
        names = law.leaf_names(layer(symbolic(task.inputs)), law.OUTPUTS, "output")
        self.calls = calls = LayerCalls(engine, layer, shared, training, names)
        noise = np.random.default_rng([task.seed, 1])
        weigh = partial(draw_cotangents, valid=shared.valid[:, list(shared.steps)], noise=noise)
        gradients = setting.differentiates
        self.reference = reference_at(shared.steps, calls, weigh, gradients=gradients)
        if not task.reads_peak_memory:
            precisions = self.precision, self.input_precision
            self.folded_reference = FoldedReference(calls, self.reference, precisions, noise)
        self.added = self._find_added()
        self._as_called: dict[tuple[str, int], AsCalled] = {}
        self.restore()

    @property
    def trains_differently(self) -> bool:
        return self.training.draws or self.training.statistics

    @property
    def state(self) -> list[Array]:
        """The values of `Training.moves`."""
        return [variable.numpy() for variable in self.training.moves]

    def _find_added(self) -> list[str]:
        """Return what training may add; noise that has no seed may come from anywhere."""
        names = {variable.name for variable, _ in self._state}
        shown = [SEED in names, bool(names - {SEED}), bool(own_losses(self.layer))]
        unknown = self.adds_more and not any(shown[1:])
        return [kind for kind, told in zip(ADDED.values(), shown, strict=True) if told or unknown]

    def is_steady(self) -> bool:
        """True if calls on the same inputs agree; a layer may draw noise from anywhere."""
        self.restore()
        step_outputs = partial(self.calls.outputs, self.reference.steps, folded=False)
        first = step_outputs()
        return not any(self._differ(step_outputs(), first) for _ in range(_STEADY_CALLS - 1))

    def _differ(self, outputs: Iterable[Array], others: Iterable[Array]) -> bool:
        pairs = zip(outputs, others, strict=True)
        return any(law.differ(leaf, other, self.precision) for leaf, other in pairs)

    @cached_property
    def trained_reference(self) -> Reference | None:
        """The outputs at the drawn steps for weights times `TRAINED`; None if any is not finite."""
        calls, steps = self.calls, list(self.reference.steps)
        with multiplied(self.layer.trainable_weights, itertools.repeat(TRAINED)):
            outputs = [leaf[:, steps] for leaf in calls.outputs(steps, folded=False)]
        return replace(self.reference, outputs=outputs) if is_finite(outputs) else None

    @property
    def zero_gradients(self) -> float:
        """The share of the weights' gradients of which a moment of Adam is zero or denormal.

        The second moment is the smaller one, at first a thousandth of the gradient's square.
        """
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

    def apply(self, step: tuple[Any, Any], *, training: bool) -> list[Array]:
        """Call the layer on placed inputs and their masks; return its outputs, flat."""
        return self._engine.apply(self.layer, *step, training=training)

    def _asked(self, shared: SharedInputs) -> Training:
        """Call the layer on the first step, in inference and in training."""
        step = shared.placed(self._engine.place, (slice(None), 0))
        inferred, trained = self.apply(step, training=False), self.apply(step, training=True)
        changed = [each for each, value in self._state if (each.numpy() != value).any()]
        self.restore()
        repeats = not self._differ(self.apply(step, training=True), trained)
        self.has_own_losses = bool(own_losses(self.layer))
        self.restore()
        is_seeded = bool(changed) and all(each.name == SEED for each in changed) and repeats
        differs = bool(changed) or not repeats or self._differ(trained, inferred)
        self.adds_more |= self.has_own_losses or (differs and not is_seeded)
        if not differs:
            return Training()
        with self.silent():
            silent = self.apply(step, training=True)
            moved = [each.name for each, value in self._state if (each.numpy() != value).any()]
            is_same = not self._differ(self.apply(step, training=True), silent)
        return Training(
            moves=tuple(changed),
            draws=not repeats or any(each.name == SEED for each in changed),
            quiet=is_same and SEED not in moved,
            statistics=bool({*moved} - {SEED}) or (is_same and self._differ(silent, inferred)),
        )

    def as_called(self, word: str, k: int) -> AsCalled | None:
        """Return the layer as called by a word; None for an unknown one."""
        batch, time = self.calls.shared.valid.shape
        calls = calls_of(word, batch, time, k)
        if calls and (word, k) not in self._as_called:
            self._as_called[word, k] = AsCalled(self, calls)
        return self._as_called.get((word, k))

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Silence the noise of Keras's layers inside; restore the variables before and after."""
        self.restore()
        with silenced(self.layer):
            yield
        self.restore()

    def placed(self, rows: Any) -> tuple[Any, Any]:
        """Return the inputs at an index into (batch, time), and masks of their own, placed."""
        return self.calls.shared.placed(self._engine.place, rows)

    def sum_of(self, losses: Iterable[Any]) -> float:
        return sum(float(self._engine.to_numpy(each)) for each in losses)
