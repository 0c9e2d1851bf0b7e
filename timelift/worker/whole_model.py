"""A user's whole model in a worker: as it is written and with lifts changed, as rivals.

By its law a model with changed lifts computes the same as the model as written. The outputs in
inference are compared, with dtypes and masks, and the sum of the layers' losses, which is what
training adds. If two training calls of the model as written agree, the outputs, losses and
gradients of training and all weights after a call are compared, too; else the gradients in
inference. If two train steps agree, a step is compared: its logs, its gradients, and the weights
after it. If calls or steps agree only without noise, its rates are 0 on both sides. Of a served
model, the model as written too, what is returned is compared as well.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import keras
import numpy as np
from keras import ops

from timelift.axis_values import Phase
from timelift.messages import TRACING, RivalSpec, Task
from timelift.worker import find_lifts, law
from timelift.worker.checks import PreparedRival
from timelift.worker.edited import edited
from timelift.worker.engines import Array, Compiled, Engine, Feed
from timelift.worker.judge import silenced
from timelift.worker.law import LawBrokenError
from timelift.worker.making import precision_of
from timelift.worker.model_data import (
    Data,
    as_request,
    call_of,
    data_of,
    make_ready,
    warm_tracer,
)
from timelift.worker.model_results import (
    LOSSES,
    Results,
    TrainingResults,
    by_feature,
    results_of,
    step_of,
    training_of,
)
from timelift.worker.prepare import UnderTest, count_weights, peak_facts
from timelift.worker.reference import CHECKING, ROUNDED_CALLS, moved_by_rounding
from timelift.worker.serving import served
from timelift.worker.tolerances import TOLERANCES
from timelift.worker.user_code import (
    find_model,
    load_module,
    restore_process_state,
    restored,
)

#: The least scale of a feature by which gradients are weighed, as a share of the largest of all.
_LEAST_COUNTED = 1e-3


@dataclass
class ModelCall(Compiled):
    """A step of `fit` or `predict`, which Keras traces in its first call."""

    call: Callable[[], Any]
    traces: int = 1

    def bind(self, feed: Feed) -> Callable[[], Any]:  # noqa: ARG002 - the call has its data
        return self.call


class ModelUnderTest(UnderTest):
    """The rivals of one phase: the user's model, once for each way of changing its lifts.

    All have the weights and the data of the model as written.
    """

    _as_written: "_AsWritten | None" = None

    def prepare(self, rival: RivalSpec) -> PreparedRival:
        """Build, change, call once and check a rival; raises whatever is wrong with it."""
        self.begin(rival, "building")
        if self._as_written is None:  # not restored: what a module sets as it is imported stays
            with self.engine.reusing_compiled():
                self._as_written = _AsWritten(self.engine, self.task)
        with restore_process_state(self.engine):
            return self._prepare(rival, self._as_written)

    def _prepare(self, rival: RivalSpec, as_written: "_AsWritten") -> PreparedRival:
        setting, started = self.task.setting, time.perf_counter()
        begin = partial(self.begin, rival)
        self.engine.seed(self.task.seed)
        with edited(rival.edits.bytes_by_path):
            model = find_model(self.task.factory)
        noise = np.random.default_rng(self.task.seed)
        data = make_ready(model, as_written.data, setting.mode, noise)
        model.set_weights(as_written.weights)
        as_written.change(model, rival)
        if rival.edits.lifts:
            as_written.refuse_other_layers(model, rival.edits.lifts)
        facts: dict[str, Any] = {
            "build_seconds": time.perf_counter() - started,
            "weights": count_weights(model),
        }
        if (rival.changes or rival.edits.lifts) and not self.task.reads_peak_memory:
            begin(CHECKING)
            facts["law_error"] = max(each.check(model) for each in as_written.laws)
        compiled: Compiled = ModelCall(call_of(model, data, setting.phase))
        feed = Feed(None)
        if setting.phase is Phase.SERVE:
            is_first, feed = self.task.launch == 1, Feed(as_request(data))
            compiled = served(self.engine, model, setting, begin, is_first=is_first)
        begin(TRACING)
        started = time.perf_counter()
        compiled.trace(feed)
        returned = compiled.bind(feed)()
        facts["first_call_seconds"] = time.perf_counter() - started
        facts.update(compiled.facts)
        if setting.phase is Phase.SERVE and as_written.laws:
            begin(CHECKING)
            error = as_written.laws[0].check_served(keras.tree.flatten(returned))
            facts["law_error"] = max(error, facts.get("law_error", 0.0))
        prepared = PreparedRival(rival, compiled, feed, facts, data=data)
        facts.update(peak_facts(self.engine, self.task, begin, prepared))
        return prepared


class _AsWritten:
    """The model as written: its weights and data, the calls of its lifts, and its results."""

    def __init__(self, engine: Engine, task: Task) -> None:
        setting, noise = task.setting, np.random.default_rng(task.seed)
        warm_tracer(setting.mode)
        engine.seed(task.seed)
        model = find_model(task.factory)
        self.data = data_of(model, task.data, setting.batch, setting.seq_len, noise)
        lifts = find_lifts.watch_lifts(model, self.data.inputs)
        #: What `Lift` says of the inputs of each lift in a call, and of their mask.
        self.seen = [(lift.calls, lift.mask_shape) for lift in lifts]
        self.weights = model.get_weights()
        self._layers = find_lifts.layers_of(model, lifts)
        self.laws = [] if task.reads_peak_memory else [*self._laws(engine, task, model)]

    def _laws(self, engine: Engine, task: Task, model: Any) -> Iterator["WholeLaw"]:
        """Yield the law of inference and, where these agree, those of training calls and steps."""
        differentiates = task.setting.differentiates
        tolerance = TOLERANCES[precision_of(model, engine, task.setting)]
        # each gradient sums over all inputs of a lift, and each addition may round
        tensors = [each for calls, *_ in self.seen for call in calls for each in call]
        additions = max(math.prod(shape) for shape, _ in tensors)
        allowed = tolerance.gradients + law.rounding_of(additions, tolerance)
        training = TrainingResults()
        if differentiates:
            training = training_of(model, self.data, makes_steps=task.launch == 1)
        law_of = partial(WholeLaw, engine, model, self.data, (tolerance.outputs, allowed))
        called = partial(results_of, data=self.data)
        infers = partial(called, training=False, reads_losses=differentiates)
        in_inference = differentiates and not training.calls
        yield law_of(infers, infers(model), differentiates=in_inference)
        law_of = partial(law_of, training=True, quiet=training.quiet)
        if training.calls:
            yield law_of(partial(called, training=True), training.calls, differentiates=True)
        if training.steps:
            yield law_of(partial(step_of, data=self.data), training.steps)

    def refuse_other_layers(self, model: Any, lifts: Sequence[int]) -> None:
        """Raise LawBrokenError unless FoldTime, and nothing else, replaced these lifts."""
        wanted = ["FoldTime" if number in lifts else kind for kind, number in self._layers]
        if [kind for kind, _ in find_lifts.layers_of(model)] != wanted:
            raise LawBrokenError("has other layers than those as written with FoldTime among them")

    def change(self, model: Any, rival: RivalSpec) -> None:
        """Make the changes of the rival.

        Numbers, not paths: Keras names unnamed layers anew in every model. In reverse, since a loop
        is found before the lift that it calls, and has to be changed after it.
        """
        lifts = find_lifts.find_lifts(model)
        for change in sorted(rival.changes, key=lambda change: -change.lift):
            lift = lifts[change.lift - 1]
            lift.calls, lift.mask_shape = self.seen[change.lift - 1]
            lift.change(load_module(change.path), change.parameters)


# Its law -----------------------------------------------------------------------------------------


@dataclass
class WholeLaw:
    """What a `call` of a model as written gives; with gradients if the law `differentiates`.

    `allowed` are relative errors of outputs and of gradients. If `quiet`, rates of noise are 0.
    """

    engine: Engine
    model: Any
    data: Data
    allowed: tuple[float, float]
    call: Callable[[Any], Results]
    wanted: Results
    training: bool = False
    quiet: bool = False
    differentiates: bool = False

    def __post_init__(self) -> None:
        if self.differentiates:
            self._cotangent = _cotangent(self.wanted)
            self.wanted = self._call(self.model)

    def check(self, model: Any) -> float:
        """Return the largest error of a model, as a share of the largest value of its kind.

        Raises LawBrokenError beyond rounding, and ValueError if the model as written has NaN.
        """
        found, worst = self._call(model), 0.0
        compared = list(self._errors(found))
        rounding = [np.zeros(1)] * len(compared)
        if not all((errors <= allowed).all() for _, errors, _, allowed in compared):
            rounding = self._moved_by_rounding
        for (name, errors, scale, least), moved in zip(compared, rounding, strict=True):
            allowed = np.maximum(least, 2 * moved)
            if not (errors <= allowed).all():
                said = _sentence(name, errors, allowed, found, self.wanted)
                raise LawBrokenError(f"in training, {said}" if self.training else said)
            worst = max(worst, float((errors * scale).max() / scale.max()))
        return worst

    def check_served(self, outputs: Sequence[Array]) -> float:
        """Return the largest error of outputs that a runtime returned, flat; as `check` does."""
        worst, names = 0.0, [*self.wanted.dtypes]
        shapes = [self.wanted.values[name].shape for name in names]
        if (served := [each.shape for each in outputs]) != shapes:
            raise LawBrokenError(f"served, its outputs have the shapes {served}, not {shapes}")
        for place, (name, found) in enumerate(zip(names, outputs, strict=True)):
            errors, scale = by_feature(found, self.wanted.values[name])
            allowed = np.full_like(errors, self.allowed[0])
            if not (errors <= allowed).all():
                allowed = np.maximum(allowed, 2 * self._moved_by_rounding[place])
            if not (errors <= allowed).all():
                said = _sentence(name, errors, allowed, self.wanted, self.wanted)
                raise LawBrokenError(f"served, {said}")
            worst = max(worst, float((errors * scale).max() / scale.max()))
        return worst

    def _call(self, model: Any) -> Results:
        with silenced(model) if self.quiet else nullcontext():
            results, wanted = self.call(model), self.wanted
            for name in {**wanted.values, **results.values}:
                if wanted.kind(name) != results.kind(name):
                    kinds = f"{wanted.kind(name)} as written, {results.kind(name)} changed"
                    raise LawBrokenError(f"{name}: {kinds}")
            if self.differentiates:
                place, whole = self.engine.place, _Whole(model, self.data.inputs)
                fed = place(np.zeros(1, "float32")), None, [place(self._cotangent)]
                with restored(model.variables):
                    _, by = self.engine.differentiate(whole, *fed, training=self.training)
                results.gradients = {f"gradient of weight {n}": each for n, each in enumerate(by)}
        return results

    def _errors(self, found: Results) -> Iterator[tuple[str, Array, Array, float]]:
        """Yield name, errors of each feature in units of the scale, scale and allowed error."""
        wanted = self.wanted
        for name, want in {**wanted.values, **wanted.gradients}.items():
            if not np.isfinite(law.widened(want)).all():
                raise ValueError(
                    f"{name} of the model as written is NaN or infinite, so no change can be held "
                    "to it; give it other weights, or other inputs by --data"
                )
        for name, want in wanted.values.items():
            # a bias before a normalisation has no gradient but rounding, which is all that moves it
            least = _LEAST_COUNTED * wanted.moved if name.startswith("weight ") else 0.0
            yield name, *by_feature(found.values[name], want, least), self.allowed[0]
        both = list(found.gradients.values()), list(wanted.gradients.values())
        # as for a sum over one row, each weight has one scale: its largest gradient
        by_weight = law.weight_gradient_errors(*both, 1)
        for name, (errors, scale) in zip(wanted.gradients, by_weight, strict=True):
            yield name, np.atleast_1d(errors.max(initial=0.0)), scale, self.allowed[1]

    @cached_property
    def _moved_by_rounding(self) -> list[Array]:
        """How far the results of `_errors` move if weights do by rounding.

        A feature whose terms cancel has nothing but rounding.
        """
        noise, calls = np.random.default_rng(0), list[list[Array]]()
        for _ in range(ROUNDED_CALLS):
            with moved_by_rounding(self.model.variables, self.allowed[0], noise):
                results = self._call(self.model)
            calls.append([errors for _, errors, *_ in self._errors(results)])
        return [np.max(errors, axis=0) for errors in zip(*calls, strict=True)]


def _sentence(name: str, errors: Array, allowed: Array, found: Results, wanted: Results) -> str:
    if name == LOSSES:
        return (
            f"{name}: {wanted.losses} as written, {found.losses} changed, with the sums "
            f"{wanted.values[name]:.3g} and {found.values[name]:.3g}"
        )
    if not np.isfinite(errors).all():
        return f"{name} is NaN or infinite"
    place = int((errors / allowed).argmax())
    where = f" of feature {place}" if len(errors) > 1 else ""
    differs = f"{name} differs by {errors[place]:.2g} of the largest value{where}"
    return f"{differs} (allowed: {allowed[place]:.1g})"


def _cotangent(results: Results) -> Array:
    """Return weights of the sum of all outputs and losses, by which all features count alike."""
    values = [np.atleast_1d(results.values[name]) for name in (*results.dtypes, LOSSES)]
    scales = [np.broadcast_to(by_feature(each, each)[1], each.shape).ravel() for each in values]
    scale = np.concatenate(scales)
    scale = np.maximum(scale, _LEAST_COUNTED * scale.max())
    signs = np.append(np.cos(np.arange(len(scale) - 1)), 1.0)  # the losses' is 1
    wide = "float64" if "float64" in results.dtypes.values() else "float32"
    weights: Array = (signs * (scale.min() / scale)).astype(wide)
    return weights


class _Whole(keras.layers.Layer):  # type: ignore[misc]
    """A model called on its inputs, as a layer: all outputs and the sum of losses, flat."""

    def __init__(self, model: Any, inputs: Any) -> None:
        super().__init__()
        self.model, self.outputs_of = model, partial(model, inputs)

    def call(self, nothing: Any, training: Any = None) -> Any:
        outputs = keras.tree.flatten(self.outputs_of(training=training))
        dtypes = {keras.backend.standardize_dtype(output.dtype) for output in outputs}
        wide = "float64" if "float64" in dtypes else "float32"
        losses = [ops.cast(ops.sum(each), wide) for each in self.model.losses]
        total = sum(losses, 0.0 * ops.cast(nothing, wide))  # (1,)
        flat = [ops.reshape(ops.cast(output, wide), (-1,)) for output in outputs]
        return ops.concatenate([*flat, total])
