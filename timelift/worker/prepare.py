"""Prepare the rivals of a setting: build, trace and call them once, and hold them to the law."""

import os
import random
import time
import traceback
from collections.abc import Sequence
from functools import partial
from types import ModuleType
from typing import Any

import keras
import numpy as np

from timelift import messages
from timelift.axis_values import Dtype, Phase, Status
from timelift.errors import UserError, one_line, ran_out_of_memory
from timelift.messages import RivalSpec, Task, WorkerChannel
from timelift.worker import law, making, system
from timelift.worker.checks import PreparedRival, check_rival, find_loss_scale, waited_for
from timelift.worker.engines import Array, Compiled, Engine, Feed
from timelift.worker.inputs import Feeds, SharedInputs, draw_shared, layers_behind
from timelift.worker.judge import InnerLayer
from timelift.worker.law import LawBrokenError
from timelift.worker.making import LostError
from timelift.worker.meaning import check_in_training, check_mask
from timelift.worker.quantise import quantise, share_quantised
from timelift.worker.reference import Begin
from timelift.worker.serving import served
from timelift.worker.user_code import imports_from, load_module, restore_process_state

#: Steps that warm the tracer: a fold of them has all kernels, and the memory of few steps.
_WARMING_STEPS = 16
_UNSTEADY = (
    "the layer, called again on the same inputs, returns other outputs, so no strategy can be held "
    "to it; if it draws noise, let it do so in training alone"
)


def status_of(error: Exception) -> Status:
    return Status.OUT_OF_MEMORY if ran_out_of_memory(error) else Status.FAILED


class UnderTest:
    """What the rivals of a task share."""

    #: False if they cannot be drawn at these sizes.
    has_inputs = True
    #: What the last rival only `tries`, in its words, or ''.
    tried = ""

    def __init__(self, engine: Engine, task: Task, channel: WorkerChannel) -> None:
        self.engine, self.task, self.emit = engine, task, channel.emit
        self.dice = random.Random(task.seed)

    def begin(self, rival: RivalSpec, stage: str) -> None:
        self.emit(messages.Busy(stage, rival.name))


class SettingUnderTest(UnderTest):
    """The rivals of one setting, which lift one inner layer and are fed the same inputs."""

    def __init__(self, engine: Engine, task: Task, channel: WorkerChannel) -> None:
        super().__init__(engine, task, channel)
        self._noise = np.random.default_rng(task.seed)
        self._steps = law.draw_steps(task.setting.seq_len, task.law_steps, self.dice)
        self._shared: SharedInputs | None = None
        self._layers: dict[tuple[str, str], InnerLayer | LostError] = {}
        self._is_warm = engine.warm or not task.warms

    def prepare(self, rival: RivalSpec) -> PreparedRival:
        """Build, call once and check a rival; raises whatever is wrong with it."""
        self.tried = ""
        with imports_from(rival.home):
            printed = os.fstat(1).st_size
            if rival.layer not in self._layers:
                with self.engine.reusing_compiled():
                    self._layers[rival.layer] = self._make_inner_layer(rival)
            inner = self._layers[rival.layer]
            if isinstance(inner, LostError):
                raise inner
            if not self._is_warm:
                self._is_warm = True
                self._warm_tracer(inner)
            self.emit(messages.Busy("building", rival.name, printed))
            with restore_process_state(self.engine):
                return self._prepare_beside(rival, inner)

    def _prepare_beside(self, rival: RivalSpec, inner: InnerLayer) -> PreparedRival:
        """Prepare a rival; if its layer turns out to be noisy, once more beside a noisy one."""
        try:
            return self._prepare(rival, inner)
        except LawBrokenError:
            if inner.is_steady():
                raise
        finally:
            inner.restore()
        if not (inner.training.quiet and self.task.setting.differentiates):
            raise LostError(_UNSTEADY, Status.REFUSED)
        again = self.engine, self.task, inner.layer, self._inputs_for(inner.layer)
        noisy = self._layers[rival.layer] = InnerLayer(*again, noisy=True)
        return self._prepare_beside(rival, noisy)

    def _inputs_for(self, layer: Any) -> SharedInputs:
        """Return what all rivals are fed, drawn as the first layer expects it.

        Raises UserError where that cannot take it, and LostError where it cannot be drawn.
        """
        if self._shared is None:
            behind = layers_behind(layer, self.task.inputs)
            try:
                self._shared = draw_shared(self.task, behind, self._steps, self._noise)
            except Exception as error:  # sizes may be anything
                self.has_inputs = False
                raise LostError(f"the inputs: {one_line(error)}", status_of(error)) from error
        return self._shared

    def _make_inner_layer(self, rival: RivalSpec) -> InnerLayer | LostError:
        task, begin, layer = self.task, partial(self.begin, rival), None
        try:
            begin(messages.MAKING_LAYER)
            self.engine.seed(task.seed)
            keras.config.set_floatx(task.setting.dtype.floats)
            keras.config.set_dtype_policy(task.setting.dtype.policy)
            layer = making.make_layer(rival.factory or task.factory, task.inputs, task.seed)
            if task.setting.dtype is Dtype.INT8:
                quantise(making.user_layer(layer))
            if reason := making.why_nothing_trains(layer, task):
                return LostError(reason, Status.REFUSED)
            begin(messages.CALLING_LAYER)
            return InnerLayer(self.engine, task, layer, self._inputs_for(layer))
        except LostError as error:
            return error
        except Exception as error:  # noqa: BLE001 - the user's layer may raise anything
            traceback.print_exc()
            if reason := making.why_dtype_fails(error, task.setting):
                return LostError(reason, Status.REFUSED)
            status = status_of(error)
            if isinstance(error, UserError) or (layer is None and status is Status.FAILED):
                return LostError(one_line(error), Status.NO_LAYER)  # whatever the sizes
            return LostError(f"the inner layer: {one_line(error)}", status)

    def _import(self, rival: RivalSpec, inner: InnerLayer) -> tuple[ModuleType, float]:
        """Import a rival's strategy, in how many seconds; raises LostError if it refuses."""
        setting = self.task.setting
        if setting.backend not in rival.backends:
            backends = " and ".join(rival.backends)
            raise LostError(f"it is written for {backends} alone.", Status.REFUSED)
        started = time.perf_counter()
        module = load_module(rival.path)
        import_seconds = time.perf_counter() - started
        if reason := making.refusal(module, rival, inner.layer, self.task):
            raise LostError(reason, Status.REFUSED)
        self.tried = getattr(module, "tries", lambda _: "")(making.user_layer(inner.layer))
        if self.tried and inner.adds_more:
            raise LostError(f"{self.tried}, trains with more than seeded noise.", Status.REFUSED)
        return module, import_seconds

    def _prepare(self, rival: RivalSpec, inner: InnerLayer) -> PreparedRival:
        task, setting, shared = self.task, self.task.setting, self._inputs_for(inner.layer)
        begin = partial(self.begin, rival)
        module, import_seconds = self._import(rival, inner)
        started = time.perf_counter()
        model = making.build(module, rival, inner.layer, self.task)
        facts: dict[str, Any] = {"build_seconds": time.perf_counter() - started}
        facts["valid_steps"] = int(shared.valid.sum())
        facts["weights"] = count_weights(model)
        if setting.dtype is Dtype.INT8:
            facts["quantised_share"] = share_quantised(inner.layer)
        facts["added"] = inner.added if self.task.launch == 1 else None
        sequences = making.symbolic(self.task.inputs, setting.batch, setting.seq_len)
        returned = model.compute_output_spec(sequences)
        is_lift = not getattr(module, "DIFFERS", "")
        is_checked = is_lift and not self.task.reads_peak_memory
        if is_lift:  # before the price of compiling is paid
            law.match_outputs(returned, inner.reference)
            law.match_weights(model, inner.layer)
        training = setting.differentiates
        ragged = getattr(module, "TAKES", "padded") == "ragged"
        if setting.phase is Phase.SERVE:
            if ragged:
                raise LostError("it takes ragged tensors; a request has arrays.", Status.REFUSED)
            is_first = task.launch == 1
            compiled = served(self.engine, model, setting, begin, is_first=is_first)
        else:
            compiled = self.engine.compile(model, setting, training=training)
        feeds = Feeds(self.engine, setting, shared, ragged)
        cotangents = self._cotangents(returned, inner if is_checked else None)
        feed = feeds.feed(cotangents if training else None)
        prepared = PreparedRival(rival, compiled, feed, facts, module, self.tried, cotangents)
        begin(messages.TRACING)
        facts.update(self._first_call(compiled, feed))
        facts.update(compiled.facts)
        own = ("build_seconds", "export_seconds", "first_call_seconds")
        facts["start_seconds"] = import_seconds + sum(facts.get(name, 0.0) for name in own)
        if setting.phase is Phase.TRAIN:
            find_loss_scale(self.engine, compiled, feed)
        if is_checked:
            self._hold_to_law(prepared, model, inner, feeds)
        facts.update(peak_facts(self.engine, self.task, begin, prepared))
        return prepared

    def _cotangents(self, returned: Any, checked_by: InnerLayer | None) -> Sequence[Array]:
        """Return the law's cotangents where a rival is checked, or draw some for its outputs."""
        if checked_by:
            return checked_by.folded_reference.everywhere.cotangents
        floats = [leaf for leaf in keras.tree.flatten(returned) if "float" in leaf.dtype]
        return [self._noise.standard_normal(x.shape).astype(x.dtype) for x in floats]

    def _hold_to_law(
        self, prepared: PreparedRival, model: Any, inner: InnerLayer, feeds: Feeds
    ) -> None:
        """Check a rival, and its mask in the first launch; raises LawBrokenError."""
        setting, facts = self.task.setting, prepared.facts
        is_changed = inner.trains_differently or inner.has_own_losses
        check = check_in_training if is_changed else check_rival
        begin = partial(self.begin, prepared.rival)
        facts["law_error"] = check(inner, model, prepared, feeds, begin)
        if self.task.launch == 1:
            check_mask(model, prepared, setting)
            facts["meaning"] = prepared.meaning or None
        if setting.phase is Phase.TRAIN:
            facts["zero_gradients"] = inner.zero_gradients

    def _warm_tracer(self, inner: InnerLayer) -> None:
        """Trace, compile and call a model of the inner layer on the first steps.

        Otherwise the first rival would pay for late imports, caches of the optimiser, kernels and
        threads of the runtime. If it fails, the rivals fail in the same way and report that.
        """
        self.emit(messages.Busy("warming the tracer"))
        try:
            setting, place = self.task.setting, self.engine.place
            steps, training = min(setting.seq_len, _WARMING_STEPS), setting.differentiates
            index: int | slice = slice(steps)
            if (lifts := self.task.inputs.lifts) > 1:  # over the inner steps of the first one
                index, steps = 0, self.task.inputs.tensors[0].shape[0]
            layer, at_step = making.user_layer(inner.layer), self.task.inputs.of_layer
            model = making.warming_model(layer, at_step, steps)
            compiled = self.engine.compile(model, setting, training=training)
            inputs, _ = self._inputs_for(inner.layer).placed(place, (slice(None), index))
            cotangents, folded = inner.reference.cotangents, setting.batch * (steps + 2)
            zeros = [place(np.zeros((folded, *x.shape[1 + lifts :]), x.dtype)) for x in cotangents]
            feed = Feed(inputs, None, zeros if training else None)
            try:
                compiled.trace(feed)
                waited_for(self.engine, compiled.bind(feed))
            finally:
                inner.restore()
        except Exception:  # noqa: BLE001 - as above
            traceback.print_exc()

    def _first_call(self, compiled: Compiled, feed: Feed) -> dict[str, Any]:
        started = time.perf_counter()
        compiled.trace(feed)
        traced = time.perf_counter()
        waited_for(self.engine, compiled.bind(feed))
        ended = time.perf_counter()
        facts: dict[str, Any] = {
            "trace_seconds": traced - started,
            "first_call_seconds": ended - started,
        }
        if (operations := compiled.operations) is not None:
            facts["graph_nodes"] = operations.total()
            if self.task.counts_operations:
                facts["operations"] = dict(operations)
        return facts


def count_weights(model: Any) -> int:
    """Return the number of values in the trainable weights."""
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def peak_facts(
    engine: Engine, task: Task, begin: Begin, prepared: PreparedRival
) -> dict[str, int | None]:
    """Return the peak memory of a call, with what a train step keeps: of the host if asked for."""
    on_cpu = task.setting.on_cpu
    if on_cpu and not task.reads_peak_memory:
        return {}
    begin("reading the peak memory")
    call = partial(waited_for, engine, prepared.compiled.bind(prepared.feed))
    step = prepared.compiled.step()
    engine.release()
    if on_cpu:
        peaks = dict[str, int | None](system.host_peak_facts(call, engine.pooled_peak_bytes))
    else:
        peaks = {"peak_bytes": engine.device_peak_bytes(call)}
    held = step.kept_bytes if step else 0
    return {name: None if peak is None else peak + held for name, peak in peaks.items()}
