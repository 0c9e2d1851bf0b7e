"""The inner layer that rivals lift, made once, with the results that they are held to.

Where two revisions are compared and their workloads differ, each has a layer of its own, drawn from
the same seed; else all rivals of a setting lift one layer.
"""

import itertools
from collections.abc import Iterable
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
)
from timelift.worker.tolerances import coarsest

#: The name of the variable that a seeded layer draws its noise from.
_SEED = "seed_generator_state"
#: Calls that must agree before a rival is condemned: a layer may draw noise from anywhere.
_STEADY_CALLS = 16


class InnerLayer:
    """One inner layer with its results; calls change its state until `restore`.

    `reference` has the results at the drawn steps of the law, `folded_reference` at all steps; a
    task that reads memory checks no law and has none of the latter. To differentiate, the layer
    is called in training, unless it `trains_differently`, as with noise or batch statistics, or is
    known to be `noisy`; else in inference. It `adds_more` if training adds more to it than noise
    that its seeds repeat.
    """

    def __init__(
        self, engine: Engine, task: Task, layer: Any, shared: SharedInputs, *, noisy: bool = False
    ) -> None:
        setting, self.layer = task.setting, layer
        #: Variables without gradient, such as batch statistics and random seeds.
        self._state = [(variable, variable.numpy()) for variable in layer.non_trainable_variables]
        #: Weights, where a call assigns them: a gradient that is not finite makes them so.
        trained = layer.trainable_variables if setting.phase is Phase.TRAIN else []
        self._weights = [(variable, variable.numpy()) for variable in trained]
        self.precision = precision_of(layer, engine, setting)
        #: The precision of gradients by the inputs, which have the dtype of these.
        dtypes = [setting.dtype.floats, *compute_dtypes(layer)]
        self.input_precision = coarsest(dtypes, setting.device, engine.identity())
        self.adds_more = noisy
        noisy = noisy or (setting.differentiates and self._trains_differently(engine, shared))
        self.trains_differently = noisy
        training = setting.differentiates and not noisy
        names = law.leaf_names(layer(symbolic(task.inputs)), law.OUTPUTS, "output")
        self._calls = calls = LayerCalls(engine, layer, shared, training, names)
        noise = np.random.default_rng([task.seed, 1])
        weigh = partial(draw_cotangents, valid=shared.valid[:, list(shared.steps)], noise=noise)
        gradients = setting.differentiates
        self.reference = reference_at(shared.steps, calls, weigh, gradients=gradients)
        if not task.reads_peak_memory:
            precisions = self.precision, self.input_precision
            self.folded_reference = FoldedReference(calls, self.reference, precisions, noise)
        self.added = self._find_added()
        self.restore()

    def _find_added(self) -> list[str]:
        """Return what training may add; noise that has no seed may come from anywhere."""
        names = {variable.name for variable, _ in self._state}
        shown = [_SEED in names, bool(names - {_SEED}), bool(own_losses(self.layer))]
        unknown = self.adds_more and not any(shown[1:])
        return [kind for kind, told in zip(ADDED.values(), shown, strict=True) if told or unknown]

    def is_steady(self) -> bool:
        """True if calls on the same inputs agree; a layer may draw noise from anywhere."""
        self.restore()
        step_outputs = partial(self._calls.outputs, self.reference.steps, folded=False)
        first = step_outputs()
        return not any(self._differ(step_outputs(), first) for _ in range(_STEADY_CALLS - 1))

    def _differ(self, outputs: Iterable[Array], others: Iterable[Array]) -> bool:
        pairs = zip(outputs, others, strict=True)
        return any(law.differ(leaf, other, self.precision) for leaf, other in pairs)

    @cached_property
    def trained_reference(self) -> Reference | None:
        """The outputs at the drawn steps for weights times `TRAINED`; None if any is not finite."""
        calls, steps = self._calls, list(self.reference.steps)
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

    def _trains_differently(self, engine: Engine, shared: SharedInputs) -> bool:
        """True if two calls in training change a state, or return other outputs than inference."""
        step = shared.placed(engine.place, (slice(None), 0))
        inferred = engine.apply(self.layer, *step, training=False)
        trained = engine.apply(self.layer, *step, training=True)
        changed = {each.name for each, value in self._state if (each.numpy() != value).any()}
        self.restore()
        again = engine.apply(self.layer, *step, training=True)
        self.restore()
        is_seeded = changed == {_SEED} and not self._differ(again, trained)
        differs = bool(changed) or any(self._differ(each, inferred) for each in (trained, again))
        self.adds_more = bool(own_losses(self.layer)) or (differs and not is_seeded)
        return differs
