"""A user's whole model in a worker: as it is written and with lifts changed, as rivals."""

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from timelift.messages import TRACING, Busy, RivalSpec, Task, WorkerChannel
from timelift.worker import find_lifts, law
from timelift.worker.engines import Compiled, Engine, Feed
from timelift.worker.making import precision_of
from timelift.worker.model_data import call_of, data_of, make_ready, warm_tracer
from timelift.worker.prepare import PreparedRival, count_weights, peak_facts
from timelift.worker.reference import CHECKING
from timelift.worker.tolerances import TOLERANCES
from timelift.worker.user_code import find_model, load_module, restore_process_state
from timelift.worker.whole_law import WholeLaw, is_steady


@dataclass
class ModelCall(Compiled):
    """A step of `fit` or `predict`, which Keras traces in its first call."""

    call: Callable[[], Any]
    traces: int = 1

    def bind(self, feed: Feed) -> Callable[[], Any]:  # noqa: ARG002 - the call has its data
        return self.call


class ModelUnderTest:
    """The rivals of one phase: the user's model, once for each way of changing its lifts.

    All share the weights and the data of the model as written, and break the law if they compute
    something else, beyond rounding.
    """

    tried, has_inputs = "", True

    def __init__(self, engine: Engine, task: Task, channel: WorkerChannel) -> None:
        self.engine, self.task, self.emit = engine, task, channel.emit
        self.dice = random.Random(task.seed)
        self._as_written: _AsWritten | None = None

    def prepare(self, rival: RivalSpec) -> PreparedRival:
        """Build, change, call once and check one rival; raises whatever is wrong with it."""
        self.emit(Busy("building", rival.name))
        if self._as_written is None:  # not restored: what a module sets as it is imported stays
            self._as_written = _AsWritten(self.engine, self.task)
        with restore_process_state(self.engine):
            return self._prepare(rival, self._as_written)

    def _prepare(self, rival: RivalSpec, as_written: "_AsWritten") -> PreparedRival:
        setting, started = self.task.setting, time.perf_counter()
        self.engine.seed(self.task.seed)
        model = find_model(self.task.factory)
        noise = np.random.default_rng(self.task.seed)
        data = make_ready(model, as_written.data, setting.mode, noise)
        model.set_weights(as_written.weights)
        as_written.change(model, rival)
        facts: dict[str, Any] = {
            "build_seconds": time.perf_counter() - started,
            "weights": count_weights(model),
        }
        if rival.parameters and not self.task.reads_peak_memory:
            self.emit(Busy(CHECKING, rival.name))
            facts["law_error"] = max(law.check(model) for law in as_written.laws)
        call = call_of(model, data, setting.phase)
        self.emit(Busy(TRACING, rival.name))
        started = time.perf_counter()
        call()
        facts["first_call_seconds"] = time.perf_counter() - started
        prepared = PreparedRival(rival, ModelCall(call), Feed(None), facts)
        facts.update(peak_facts(self.engine, self.task, self.emit, prepared))
        return prepared


class _AsWritten:
    """The model as written: its weights and data, the calls of its lifts, and its results.

    A task that reads memory checks no law and needs no results.
    """

    def __init__(self, engine: Engine, task: Task) -> None:
        setting, noise = task.setting, np.random.default_rng(task.seed)
        warm_tracer(setting.mode)
        engine.seed(task.seed)
        model = find_model(task.factory)
        self.data = data_of(model, task.data, setting.batch, setting.seq_len, noise)
        #: What `Lift` says of the inputs of each lift in a call, and of their mask.
        lifts = find_lifts.watch_lifts(model, self.data.inputs)
        self.seen = [(lift.calls, lift.mask_shape) for lift in lifts]
        self.weights = model.get_weights()
        if not task.reads_peak_memory:
            tolerance = TOLERANCES[precision_of(model, engine, setting)]
            # each gradient sums over all inputs of a lift, and each addition may round
            tensors = [each for calls, *_ in self.seen for call in calls for each in call]
            additions = max(math.prod(shape) for shape, _ in tensors)
            allowed = tolerance.gradients + law.rounding_of(additions, tolerance)
            held = engine, model, self.data.inputs, (tolerance.outputs, allowed)
            trains = setting.differentiates and is_steady(model, self.data.inputs)
            in_inference = setting.differentiates and not trains
            self.laws = [WholeLaw(*held, training=False, differentiates=in_inference)]
            if trains:
                self.laws.append(WholeLaw(*held, training=True, differentiates=True))

    def change(self, model: Any, rival: RivalSpec) -> None:
        """Change the lifts whose numbers are the rival's parameters, each by the strategy there.

        Numbers, not paths: Keras names unnamed layers anew in every model. In reverse, since a loop
        is found before the lift that it calls, and has to be changed after it.
        """
        lifts = find_lifts.find_lifts(model)
        for number in sorted(map(int, rival.parameters), reverse=True):
            strategy, parameters = rival.parameters[str(number)]
            lift = lifts[number - 1]
            lift.calls, lift.mask_shape = self.seen[number - 1]
            lift.change(load_module(strategy), parameters)
