"""The inner layer that rivals lift: made once, and called for the results that each must have.

Where two revisions are compared and their workloads differ, each has a layer of its own, drawn from
the same seed; else all rivals of a setting lift one layer.

At the drawn steps of the law the layer is called eagerly, one step at a time. Results at all steps
cost a few calls more: valid steps are folded into the batch, and the layer is called on chunks of
them. A folded result alone never fails a rival, since a layer may mix its batch or refuse another
size: if the fold is wrong at a drawn step, or a rival differs from it, the layer is called at every
single step, once for all rivals.
"""

import itertools
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from timelift.case import Gradients, Phase, Setting
from timelift.messages import CALLING_EVERY_STEP, Task
from timelift.source import ADDED
from timelift.worker import law
from timelift.worker.engines import Array, Engine
from timelift.worker.inputs import SharedInputs
from timelift.worker.law import DtypePrecision, LawBrokenError, Reference

#: The name of the variable that a seeded layer draws its noise from.
_SEED = "seed_generator_state"
#: The stage in which a rival is held to the law.
CHECKING = "checking the law"
#: Bytes of inputs that are folded into one call, so that the layer's own memory stays small.
_CHUNK_BYTES = 2**22
#: The least scale of a feature by which cotangents are weighed, as a share of the largest.
_LEAST_COUNTED = 0.01
#: A bound of the loss of float16 outputs, far below 65,504, the largest number of float16.
_LARGEST_SUM = 1000.0
#: Calls that show how far rounding moves the layer's gradients, and how far the weights move for
#: that, as a share of the allowed error of outputs: a few times what an addition may round.
ROUNDED_CALLS, _ROUNDED_SHARE = 8, 0.1
#: Calls that must agree before a rival is condemned: a layer may draw noise from anywhere.
_STEADY_CALLS = 16
#: What weights are multiplied by, as if by training, to see that a rival follows them.
TRAINED = 0.75


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
        """Return outputs (batch, time, *outputs) at the valid of `steps`, zero elsewhere."""
        outputs = None
        for rows in self._parts(steps, folded=folded):
            placed = self.engine.place(self.inputs[rows])
            (part,) = self.engine.apply(self.layer, placed, None, training=self.training)
            outputs = self._put(outputs, rows, part)
        assert outputs is not None
        return outputs

    def gradients(
        self, steps: Sequence[int], cotangent: Array, *, folded: bool
    ) -> tuple[Array, tuple[Array, ...]]:
        """Return gradients by the inputs, (batch, time, *features), and by each weight.

        They are those for the cotangent (batch, time, *outputs) at `steps` alone. Gradients by the
        weights are summed over the calls in float64.
        """
        input_gradient, weight_gradients = None, list[Array]()
        for rows in self._parts(steps, folded=folded):
            placed, weighed = self.engine.place(self.inputs[rows]), cotangent[rows]
            by_leaves, by_part = self.engine.differentiate(
                self.layer, placed, None, [self.engine.place(weighed)], training=self.training
            )
            by_rows = by_leaves[0] if by_leaves else np.zeros(self.inputs[rows].shape)
            input_gradient = self._put(input_gradient, rows, by_rows)
            parts = [gradient.astype(np.float64) for gradient in by_part]
            weight_gradients = (
                [*map(np.add, weight_gradients, parts)] if weight_gradients else parts
            )
        assert input_gradient is not None
        return input_gradient, tuple(weight_gradients)

    def _parts(self, steps: Sequence[int], *, folded: bool) -> list[tuple[Array, Array]]:
        """Return the rows of each call, as indices (of sequences, of steps) into (batch, time)."""
        batch = len(self.inputs)
        if not folded:
            return [(np.arange(batch), np.full(batch, step)) for step in steps]
        chosen = np.zeros_like(self.valid)
        chosen[:, list(steps)] = self.valid[:, list(steps)]
        rows = np.nonzero(chosen)
        most = max(batch, _CHUNK_BYTES // max(1, self.inputs[0, 0].nbytes))
        calls = -(-len(rows[0]) // most)
        return list(zip(*(np.array_split(indices, calls) for indices in rows), strict=True))

    def _put(self, whole: Array | None, rows: tuple[Array, Array], part: Array) -> Array:
        """Write results of these rows, zero at invalid steps, into (batch, time, …) of zeros."""
        if whole is None:
            whole = np.zeros((*self.valid.shape, *part.shape[1:]), part.dtype)
        valid_here = self.valid[rows].reshape(-1, *[1] * (part.ndim - 1))
        whole[rows] = np.where(valid_here, part, np.zeros_like(part))
        return whole


def reference_at(
    steps: Sequence[int],
    calls: LayerCalls,
    weigh: Callable[[Array], Array],
    *,
    gradients: bool,
    folded: bool = False,
) -> Reference:
    """Call the inner layer at some steps, and differentiate it if `gradients`.

    `weigh` returns the cotangent of outputs, both (batch, len(steps), *outputs). Raises ValueError
    if the layer returns NaN or infinity, which no rival can be compared with.
    """
    steps, nothing = list(steps), np.zeros(0)
    outputs = calls.outputs(steps, folded=folded)[:, steps]
    check_layer(outputs, "outputs")
    reference = Reference(tuple(steps), calls.valid, outputs, weigh(outputs), nothing, ())
    if not gradients:
        return reference
    sparse = reference.sparse_cotangent()
    by_inputs, by_weights = calls.gradients(steps, sparse, folded=folded)
    for gradient in (by_inputs, *by_weights):
        check_layer(gradient, "gradients")
    return replace(reference, input_gradient=by_inputs[:, steps], weight_gradients=by_weights)


@contextmanager
def restored(variables: Iterable[Any]) -> Iterator[list[tuple[Any, Array]]]:
    """Yield variables with their values, and restore these."""
    before = [(variable, variable.numpy()) for variable in variables]
    try:
        yield before
    finally:
        for variable, value in before:
            variable.assign(value)


@contextmanager
def multiplied(variables: Sequence[Any], factors: Iterable[Array | float]) -> Iterator[None]:
    """Multiply the values of variables inside."""
    with restored(variables) as before:
        for (variable, value), factor in zip(before, factors, strict=False):
            variable.assign((value * factor).astype(value.dtype))
        yield


@contextmanager
def other_weights(model: Any) -> Iterator[None]:
    """Change all trainable weights inside: those that are zero as made hide what they do.

    Each value by another number, since a normalization takes away what features have in common.
    """
    with restored(model.trainable_weights) as before:
        for variable, value in before:
            added = 0.01 * np.cos(np.arange(value.size)).reshape(value.shape)
            variable.assign((1.1 * value + added).astype(value.dtype))
        yield


def moved_by_rounding(
    variables: Iterable[Any], allowed: float, noise: np.random.Generator
) -> AbstractContextManager[None]:
    """Move variables inside as rounding does; `allowed` is the relative error of outputs."""
    floats = [each for each in variables if "float" in str(each.dtype)]
    share = _ROUNDED_SHARE * allowed
    return multiplied(floats, [1 + share * noise.standard_normal(each.shape) for each in floats])


def check_layer(values: Array, name: str) -> None:
    if not np.isfinite(law.widened(values)).all():
        raise ValueError(
            f"the {name} of the layer called at a single step hold NaN or infinity, so no strategy "
            "can be held to them; choose a layer, weights or inputs that give finite ones"
        )


def draw_cotangent(outputs: Array, valid: Array, noise: np.random.Generator) -> Array:
    """Draw weights for the sum of outputs (batch, steps, *outputs), zero at invalid steps.

    Weights of small features are larger, so that a mistake in these shows in the loss.
    """
    scale = law.scale_of(outputs[valid], _LEAST_COUNTED)
    drawn = noise.standard_normal(outputs.shape) * (scale.max() / scale)
    weights = drawn * law.over_steps(valid, outputs)
    if outputs.dtype == np.float16:
        weights *= min(1.0, _LARGEST_SUM / max(1.0, float(np.linalg.norm(weights * outputs))))
    cotangent: Array = weights.astype(outputs.dtype)
    return cotangent


class FoldedReference:
    """The results of the inner layer at every valid step, in `everywhere`.

    At the steps of the `reference` its cotangent is used.
    """

    def __init__(
        self,
        calls: LayerCalls,
        reference: Reference,
        precision: DtypePrecision,
        input_precision: DtypePrecision,
        noise: np.random.Generator,
    ) -> None:
        self._calls, self._reference, self._noise = calls, reference, noise
        self._precisions, self._is_folded = (precision, input_precision), True
        #: By its steps, a reference with its rounding, once a rival differs from it.
        self._rounded: dict[tuple[int, ...], Reference] = {}
        #: The layer takes a fold, right or wrong.
        self._takes_fold = True
        try:
            self.everywhere = self._make(self._draw_cotangent, folded=True)
        except Exception as error:  # noqa: BLE001 - a layer may mix its batch, or refuse another size
            traceback.print_exc()
            self._takes_fold = isinstance(error, LawBrokenError)
            self.everywhere = self._make(self._draw_cotangent, folded=False)
            self._is_folded = False

    @property
    def scale(self) -> Array:
        """The scale of the outputs' features, to which errors are relative."""
        return law.scale_of(self.everywhere.outputs[self.everywhere.valid])

    def settle(self, check: Callable[[Reference], float], begin: Callable[[str], None]) -> float:
        """Check a rival by the fold, and if that fails, by the layer called at every single step.

        So the fold's own error fails no rival. The layer's calls are made once for all rivals; they
        are a stage of their own, for which `begin` is called. Raises LawBrokenError, ValueError if
        the layer returns NaN or infinity, and whatever the layer raises.
        """
        with suppress(LawBrokenError):
            return check(self.everywhere)
        if self._is_folded:
            begin(CALLING_EVERY_STEP)
            self.everywhere = self._make(lambda _: self.everywhere.cotangent, folded=False)
            self._is_folded = False
            begin(CHECKING)
        return self.check_allowing_for_rounding(self.everywhere, check)

    def _draw_cotangent(self, outputs: Array) -> Array:
        cotangent = draw_cotangent(outputs, self._calls.valid, self._noise)
        cotangent[:, self._reference.steps] = self._reference.cotangent
        return cotangent

    def _make(self, weigh: Callable[[Array], Array], *, folded: bool) -> Reference:
        """Call the layer at all steps and differentiate it, for the cotangent of `weigh`.

        Raises LawBrokenError if the fold differs from the reference at the steps of that.
        """
        calls, drawn = self._calls, self._reference
        steps, gradients = range(calls.valid.shape[1]), bool(drawn.input_gradient.size)
        everywhere = reference_at(steps, calls, weigh, gradients=gradients, folded=folded)
        if folded:
            law.check_outputs(everywhere.outputs, drawn, self._precisions[0])
            if gradients:
                by_inputs = everywhere.input_gradient
                law.check_input_gradient_at_steps(by_inputs, drawn, self._precisions[1])
        return everywhere

    def check_allowing_for_rounding(
        self, reference: Reference, check: Callable[[Reference], float]
    ) -> float:
        """Check a rival, and if that fails, allow for what rounding makes of the gradients.

        A ReLU whose input is all but zero may round to its other side, in a right rival too, and
        moves a sum of P gradients by about 1/sqrt(P).
        """
        try:
            return check(reference)
        except LawBrokenError:
            if not reference.input_gradient.size:
                raise
        if reference.steps not in self._rounded:
            self._rounded[reference.steps] = self._with_rounding(reference)
        return check(self._rounded[reference.steps])

    def _with_rounding(self, reference: Reference) -> Reference:
        """Return a reference with how far gradients move if weights and statistics do by rounding.

        The way in which the layer is called is the same each time, so only that sets them apart.
        """
        calls, steps = self._calls, list(reference.steps)
        cotangent = reference.sparse_cotangent()
        gradients = partial(calls.gradients, steps, cotangent, folded=self._takes_fold)
        by_inputs, by_weights = gradients()
        valid = reference.valid[:, steps]
        scale = law.scale_of(reference.input_gradient[valid])
        allowed = law.TOLERANCES[self._precisions[0]].outputs
        of_inputs, of_weights = reference.input_rounding, reference.weight_rounding
        for _ in range(ROUNDED_CALLS):
            with moved_by_rounding(calls.layer.variables, allowed, self._noise):
                moved, weights_moved = gradients()
            errors = law.relative_errors(moved[:, steps], by_inputs[:, steps], scale)
            of_inputs = np.maximum(of_inputs, law.largest_by_cell(errors))
            compared = law.weight_gradient_errors(weights_moved, by_weights, int(valid.sum()))
            largest = [float(errors.max(initial=0.0)) for errors, _ in compared]
            of_weights = np.maximum(of_weights, largest)
        return replace(reference, input_rounding=of_inputs, weight_rounding=of_weights)


class InnerLayer:
    """One inner layer with its results; calls change its state until `restore`.

    `reference` has the results at the drawn steps of the law, `folded_reference` at all steps; a
    task that reads memory checks no law and has none of the latter. In the backward phase the layer
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
        backward = setting.phase is Phase.BACKWARD
        self.precision = precision_of(layer, engine, setting)
        #: The precision of gradients by the inputs, which have the setting's dtype.
        dtypes = [setting.dtype, *_compute_dtypes(layer)]
        self.input_precision = law.coarsest(dtypes, setting.device, engine.identity())
        self.adds_more = noisy
        noisy = noisy or (backward and self._trains_differently(engine, shared.inputs))
        self.trains_differently = noisy
        training = backward and not noisy
        self._calls = calls = LayerCalls(engine, layer, shared.inputs, shared.valid, training)
        noise = np.random.default_rng([task.seed, 1])
        weigh = partial(draw_cotangent, valid=shared.valid[:, list(shared.steps)], noise=noise)
        self.reference = reference_at(shared.steps, calls, weigh, gradients=backward)
        if not task.reads_peak_memory:
            precisions = self.precision, self.input_precision
            self.folded_reference = FoldedReference(calls, self.reference, *precisions, noise)
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
        step_outputs = partial(self._calls.outputs, self.reference.steps, folded=False)
        first = step_outputs()
        return not any(
            law.differ(step_outputs(), first, self.precision) for _ in range(_STEADY_CALLS - 1)
        )

    @cached_property
    def trained_reference(self) -> Reference | None:
        """The outputs at the drawn steps for weights times `TRAINED`; None if any is not finite."""
        calls, steps = self._calls, list(self.reference.steps)
        with multiplied(self.layer.trainable_weights, itertools.repeat(TRAINED)):
            outputs = calls.outputs(steps, folded=False)[:, steps]
        is_finite = np.isfinite(law.widened(outputs)).all()
        return replace(self.reference, outputs=outputs) if is_finite else None

    def restore(self) -> None:
        """Undo the changes of calls to the layer's state."""
        for variable, value in self._state:
            variable.assign(value)

    def _trains_differently(self, engine: Engine, inputs: Array) -> bool:
        """True if two calls in training change a state, or return other outputs than inference."""
        step = engine.place(np.ascontiguousarray(inputs[:, 0]))
        (inferred,) = engine.apply(self.layer, step, None, training=False)
        (trained,) = engine.apply(self.layer, step, None, training=True)
        changed = {each.name for each, value in self._state if (each.numpy() != value).any()}
        self.restore()
        (again,) = engine.apply(self.layer, step, None, training=True)
        self.restore()
        differ = partial(law.differ, precision=self.precision)
        is_seeded = changed == {_SEED} and not differ(again, trained)
        differs = bool(changed) or differ(trained, inferred) or differ(again, inferred)
        self.adds_more = bool(own_losses(self.layer)) or (differs and not is_seeded)
        return differs


def why_nothing_trains(layer: Any, task: Task) -> str:
    """Return why a weights-only backward pass is impossible, or an empty string."""
    setting = task.setting
    if setting.gradients is not Gradients.WEIGHTS or layer.trainable_weights:
        return ""
    ask = "--phases forward" if task.inputs.is_whole else "--gradients inputs_and_weights"
    or_else = "" if task.inputs.is_whole else ", or for --phases forward"
    return f"{type(layer).__name__} has no weights that train; ask for {ask}{or_else}."


def precision_of(layer: Any, engine: Engine, setting: Setting) -> DtypePrecision:
    """Return the precision of a layer's results; one without floats has the setting's."""
    dtypes = _compute_dtypes(layer) or [setting.dtype]
    return law.coarsest(dtypes, setting.device, engine.identity())


def _compute_dtypes(layer: Any) -> list[str]:
    """Return the float dtypes in which the layer and the layers inside it compute."""
    dtypes = {part.compute_dtype for part in parts_of(layer)}
    return [dtype for dtype in dtypes if dtype in set(DtypePrecision)]


def parts_of(layer: Any) -> list[Any]:
    """Return a layer and all layers inside of it."""
    return list(layer._flatten_layers())  # noqa: SLF001 - Keras has no other way to all of them


def own_losses(layer: Any) -> Any:
    """Return the losses of a layer's last call that no regulariser of a weight makes."""
    return layer.losses[sum(bool(weight.regularizer) for weight in layer.trainable_weights) :]
