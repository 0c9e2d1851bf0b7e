"""Prepare a rival: build, trace and call it once, and hold it to the law.

The law is checked at the drawn steps, and by the folded reference at all. In the backward phase the
compiled function returns its loss and gradients alone. The loss for a random cotangent is a sum of
outputs weighed at random, so it checks them too, at every step at once.
"""

import inspect
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from timelift.case import Gradients, Phase, Setting, TimeAxis
from timelift.messages import CALLING_EVERY_STEP, TRACING, Busy, Emit, RivalSpec, Task
from timelift.worker import law, system
from timelift.worker.engines import Array, Compiled, Engine, Feed
from timelift.worker.inputs import Feeds, SharedInputs
from timelift.worker.law import TOLERANCES, rounding_of
from timelift.worker.lifted_layer import InnerLayer
from timelift.worker.reference import FoldedReference
from timelift.worker.user_code import load_module

_CHECKING = "checking the law"
#: So many steps warm the tracer: as many kernels as a fold of all, at a bounded price in memory.
_WARMING_STEPS = 16


class Refused(Exception):  # noqa: N818 - an answer, not an error
    """The strategy's own sentence why it does not lift this layer in this setting."""


@dataclass
class PreparedRival:
    """A rival that was built, called once and keeps the law, with what is fed to it."""

    rival: RivalSpec
    compiled: Compiled
    feed: Feed
    facts: dict[str, Any] = field(default_factory=dict)


class Preparation:
    """Prepares the rivals of one setting, one after another, with the same inputs."""

    def __init__(
        self,
        engine: Engine,
        task: Task,
        emit: Emit,
        shared: SharedInputs,
        noise: np.random.Generator,
    ) -> None:
        self.engine, self.task, self.emit, self.noise = engine, task, emit, noise
        self.inputs, self.valid = shared.inputs, shared.valid
        self._built = 0

    def prepare(self, rival: RivalSpec, inner: InnerLayer) -> PreparedRival:
        """Build, trace, call once and check a rival; raises Refused, LawBrokenError or anything."""
        if self.task.setting.backend not in rival.backends:
            raise Refused(f"it is written for {' and '.join(rival.backends)} alone.")
        module = load_module(rival.path)
        if reason := _refusal(module, rival, inner.layer, self.task.setting):
            raise Refused(reason)
        started = time.perf_counter()
        model = _build(module, rival, inner.layer, self.task)
        facts: dict[str, Any] = {"build_seconds": time.perf_counter() - started}
        facts["valid_steps"] = int(self.valid.sum())
        facts["weights"] = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
        lifts = not getattr(module, "DIFFERS", "")
        is_checked = lifts and not self.task.reads_peak_memory
        if lifts:  # before the price of compiling is paid
            law.check_output_shape(self._shape_of(model), inner.reference)
            law.match_weights(model, inner.layer)
        training = self.task.setting.phase is Phase.BACKWARD
        compiled = self.engine.compile(model, self.task.setting, training=training)
        ragged = getattr(module, "TAKES", "padded") == "ragged"
        feeds = Feeds(self.engine, self.task.setting, self.inputs, self.valid, ragged)
        cotangent = (
            inner.folded_reference.cotangent if is_checked else self._cotangent_of(model, inner)
        )
        feed = feeds.feed(cotangent if training else None)
        prepared = PreparedRival(rival, compiled, feed, facts)
        facts.update(self._first_call(rival, compiled, feed))
        if is_checked:
            facts["law_error"] = check_rival(inner, model, prepared, feeds, self.emit)
        call = partial(call_once, self.engine, compiled, feed)
        facts.update(peak_facts(self.engine, self.task, self.emit, rival.name, call))
        return prepared

    def warm_tracer(self, inner: InnerLayer) -> None:
        """Trace, compile and call a model of the inner layer on the first steps.

        The first of a process pays for all: for imports that tracing does late, for caches of the
        optimiser, for kernels and for the runtime's threads. Without this, that would be in the
        first call of whichever rival is built first.
        """
        self.emit(Busy("warming the tracer"))
        inputs = np.ascontiguousarray(self.inputs[:, :_WARMING_STEPS])
        model = _warming_model(inner.layer, inputs.shape[1:], inputs.dtype)
        backward = self.task.setting.phase is Phase.BACKWARD
        compiled = self.engine.compile(model, self.task.setting, training=backward)
        shape = (inputs.shape[0] * (inputs.shape[1] + 2), *inner.reference.outputs.shape[2:])
        cotangent = np.zeros(shape, inner.reference.cotangent.dtype)
        place = self.engine.place
        feed = Feed(place(inputs), None, place(cotangent) if backward else None)
        try:
            compiled.trace(feed)
            call_once(self.engine, compiled, feed)
        finally:
            inner.state.restore()

    def _first_call(self, rival: RivalSpec, compiled: Compiled, feed: Feed) -> dict[str, Any]:
        self.emit(Busy(TRACING, rival.name))
        started = time.perf_counter()
        compiled.trace(feed)
        traced = time.perf_counter()
        call_once(self.engine, compiled, feed)
        ended = time.perf_counter()
        self._built += 1
        facts: dict[str, Any] = {
            "trace_seconds": traced - started,
            "first_call_seconds": ended - started,
            "built": self._built,
        }
        operations = compiled.operations  # counting them takes a while
        if operations is not None:
            facts["graph_nodes"] = operations.total()
        if operations is not None and self.task.counts_operations:
            facts["operations"] = dict(operations)
        return facts

    def _cotangent_of(self, model: Any, inner: InnerLayer) -> Array:
        dense = self.noise.standard_normal(self._shape_of(model))
        return dense.astype(inner.reference.cotangent.dtype)

    def _shape_of(self, model: Any) -> tuple[int, ...]:
        return tuple(model.compute_output_shape(self.inputs.shape))


def call_once(engine: Engine, compiled: Compiled, feed: Feed) -> Any:
    result = compiled.bind(feed)()
    engine.wait(result)
    return result


def peak_facts(
    engine: Engine, task: Task, emit: Emit, rival: str, call: Callable[[], Any]
) -> dict[str, Any]:
    """Return the memory of a call at its peak: a GPU's own, or the host's if asked for."""
    on_cpu = task.setting.on_cpu
    if on_cpu and not task.reads_peak_memory:
        return {}
    emit(Busy("reading the peak memory", rival))
    engine.release()
    if on_cpu:
        return system.host_peak_facts(call, engine.pooled_peak_bytes)
    return {"peak_bytes": engine.device_peak_bytes(call)}


def _refusal(module: ModuleType, rival: RivalSpec, layer: Any, setting: Setting) -> str | None:
    """Call the strategy's `refuses` with those of its parameters that it names."""
    refuses = getattr(module, "refuses", None)
    if refuses is None:
        return None
    wanted = inspect.signature(refuses).parameters.keys() & rival.parameters.keys()
    reason: str | None = refuses(
        layer, setting, **{name: rival.parameters[name] for name in wanted}
    )
    return reason


def _build(module: ModuleType, rival: RivalSpec, layer: Any, task: Task) -> Any:
    static = task.setting.time_axis is TimeAxis.STATIC
    shape = (task.setting.seq_len if static else None, *task.inputs.features)
    extra = {"dtype": task.inputs.dtype} if task.inputs.dtype else {}
    return module.build(layer, shape, **extra, **rival.parameters)


def _warming_model(layer: Any, shape: Sequence[int], dtype: Any) -> Any:
    """Make a model that lifts the layer as rivals do: folded into the batch, and step by step.

    (batch, time, *features) to ((time + 2) * batch, *outputs): all steps, and two again.
    """
    import keras  # noqa: PLC0415 - the backend is chosen by now

    inputs = keras.Input(tuple(shape), dtype=str(dtype))
    folded = layer(keras.ops.reshape(inputs, (-1, *shape[1:])))
    first, *_, last = keras.ops.unstack(inputs, shape[0], axis=1) * 2
    steps = keras.ops.stack([layer(first), layer(last)], axis=1)
    unfolded = keras.ops.reshape(steps, (-1, *steps.shape[2:]))
    return keras.Model(inputs, keras.ops.concatenate([folded, unfolded], axis=0))


def check_rival(
    inner: InnerLayer, model: Any, prepared: PreparedRival, feeds: Feeds, emit: Emit
) -> float:
    """Check the results of a rival; return its largest relative error.

    Its feed is what will be timed, with the folded reference's cotangent in the backward phase.
    Raises LawBrokenError, and ValueError where the inner layer itself returns NaN or infinity.
    """

    def begin(doing: str) -> None:
        emit(Busy(doing, prepared.rival.name))

    begin(_CHECKING)
    settle = partial(_settled, inner.folded_reference, begin)
    compiled, feed = prepared.compiled, prepared.feed
    order = law.match_weights(model, inner.layer)
    inner.state.restore()
    if feeds.setting.phase is Phase.FORWARD:
        outputs = feeds.fetch(call_once(feeds.engine, compiled, feed))
        worst = law.check_outputs(outputs, inner.reference, inner.precision)
        check = partial(law.check_outputs, outputs, precision=inner.precision)
        return max(worst, settle(check))
    timed = checked = _BackwardCalls(inner, compiled, feeds, order)
    if inner.trains_differently:
        inference = feeds.engine.compile(model, feeds.setting, training=False)
        checked = _BackwardCalls(inner, inference, feeds, order)
        timed.check_finite(feed)
        inner.state.restore()
    return max(checked.check_drawn_steps(), settle(checked.check_of_every_step(feed)))


def _settled(
    folded: FoldedReference,
    begin: Callable[[str], None],
    check: Callable[[law.Reference], float],
) -> float:
    """Hold a rival to the fold, and where it differs, to the layer called at every single step.

    So the fold's own error condemns no rival, and the layer's calls are a stage of their own, which
    `begin` tells of.
    """
    try:
        return check(folded.everywhere)
    except law.LawBrokenError:
        if not folded.unfold(partial(begin, CALLING_EVERY_STEP)):
            raise
    begin(_CHECKING)
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

    def check_of_every_step(self, feed: Feed) -> Callable[[law.Reference], float]:
        """Call with the folded reference's cotangent; return the check by such a reference."""
        return partial(self._check_all_steps, self._call(feed))

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
        loss, by_sources, *_ = call_once(self.feeds.engine, self.compiled, feed)
        gradients, input_gradient = list(by_sources), None
        if self.feeds.setting.gradients is Gradients.INPUTS_AND_WEIGHTS:
            input_gradient = self.feeds.fetch(gradients.pop(0))
        to_numpy = self.feeds.engine.to_numpy
        fetched = [None if value is None else to_numpy(value) for value in gradients]
        return BackwardResult(
            float(to_numpy(loss)), input_gradient, [fetched[index] for index in self.order]
        )
