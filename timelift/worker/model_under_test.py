"""A user's whole model in a worker: as it is written and with lifts changed, as rivals."""

import math
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from timelift.messages import TRACING, Busy, RivalSpec, Task, WorkerChannel
from timelift.worker import lifts, models
from timelift.worker.engines import Engine, Feed
from timelift.worker.find_layer import find_model
from timelift.worker.isolation import restore_process_state
from timelift.worker.law import (
    TOLERANCES,
    LawBrokenError,
    coarsest,
    relative_errors,
    rounding_of,
    scale_of,
    weight_gradient_errors,
)
from timelift.worker.layer import computed_in
from timelift.worker.prepare import PreparedRival, peak_facts


@dataclass
class ModelCall:
    """One call of a model as its users make it, which is traced within its first.

    It is a `Compiled` of which no graph is known.
    """

    call: Callable[[], Any]
    traces: int = 1
    operations: Counter[str] | None = None

    def trace(self, feed: Feed) -> None: ...

    def bind(self, feed: Feed) -> Callable[[], Any]:  # noqa: ARG002 - the call has its data
        return self.call


class ModelUnderTest:
    """The rivals of one phase: the user's model, once for each way in which it is changed.

    All have the weights and the data of the first. Each computes what the model as it is written
    does, within rounding, or it breaks the law.
    """

    def __init__(self, engine: Engine, task: Task, channel: WorkerChannel) -> None:
        self.engine, self.task, self.emit = engine, task, channel.emit
        self.dice = random.Random(task.seed)
        self._written: _Written | None = None

    def prepare(self, rival: RivalSpec) -> PreparedRival:
        """Build, change, call once and check one rival; raises whatever is wrong with it."""
        self.emit(Busy("building", rival.name))
        if self._written is None:  # outside: what a module sets as it is imported stays
            self._written = _Written(self.engine, self.task)
        with restore_process_state(self.engine):
            return self._prepare(rival, self._written)

    def _prepare(self, rival: RivalSpec, written: "_Written") -> PreparedRival:
        setting, started = self.task.setting, time.perf_counter()
        self.engine.seed(self.task.seed)
        model = find_model(self.task.factory)
        noise = np.random.default_rng(self.task.seed)
        data = models.make_ready(model, written.data, setting.mode, noise)
        model.set_weights(written.weights)
        written.change(model, rival)
        facts: dict[str, Any] = {
            "build_seconds": time.perf_counter() - started,
            "weights": sum(int(np.prod(weight.shape)) for weight in model.trainable_weights),
        }
        if rival.parameters and not self.task.reads_peak_memory:
            self.emit(Busy("checking the law", rival.name))
            facts["law_error"] = written.check(model)
        call = models.call_of(model, data, setting.phase)
        self.emit(Busy(TRACING, rival.name))
        started = time.perf_counter()
        call()
        facts["first_call_seconds"] = time.perf_counter() - started
        facts |= peak_facts(self.engine, self.task, self.emit, rival.name, call)
        return PreparedRival(rival, ModelCall(call), Feed(None, None, None), facts)


class _Written:
    """The model as it is written: its weights and data, its lifts at work, and what it computes."""

    def __init__(self, engine: Engine, task: Task) -> None:
        setting, noise = task.setting, np.random.default_rng(task.seed)
        models.warm_tracer(setting.mode)
        engine.seed(task.seed)
        model = find_model(task.factory)
        self.data = models.data_of(model, task.data, setting.batch, setting.seq_len, noise)
        #: What each lift is given, in the order in which lifts are found.
        self.calls = [lift.calls for lift in lifts.seen_at_work(model, self.data.inputs)]
        self.weights = model.get_weights()
        self._engine, self._computed = engine, None
        if not task.reads_peak_memory:
            identity = setting.device, engine.identity()
            self._tolerance = TOLERANCES[coarsest(computed_in(model) or [setting.dtype], *identity)]
            self._computed = models.Computed(engine, model, self.data)

    def change(self, model: Any, rival: RivalSpec) -> None:
        """Change lifts as the rival says: file and parameters of a strategy by a lift's number.

        Not by its path: Keras gives every model other names where the user gave none. A loop is
        found before the lift that it calls, and has to be changed after it.
        """
        in_order = lifts.find_lifts(model)
        for number in sorted(map(int, rival.parameters), reverse=True):
            strategy, parameters = rival.parameters[str(number)]
            lift = in_order[number - 1]
            lift.calls = self.calls[number - 1]
            lifts.change(lift, strategy, parameters)

    def check(self, model: Any) -> float:
        """Return the largest relative error of a model; raises LawBrokenError beyond rounding.

        Each gradient sums over all that the lifts were given, and each addition may round.
        """
        assert self._computed is not None
        wanted, changed = self._computed, models.Computed(self._engine, model, self.data)
        worst = relative_errors(changed.outputs, wanted.outputs, scale_of(wanted.outputs)).max()
        if not worst <= self._tolerance.outputs:
            raise LawBrokenError(f"outputs differ by {worst:.1g} of the largest")
        additions = max((math.prod(shape) for calls in self.calls for shape, _ in calls))
        allowed = self._tolerance.gradients + rounding_of(additions, self._tolerance)
        # As of a single row: each weight has one scale, its largest gradient.
        errors = weight_gradient_errors(changed.gradients, wanted.gradients, rows=1)
        for weight, (off, _) in zip(model.trainable_weights, errors, strict=True):
            if not off.max(initial=0.0) <= allowed:
                raise LawBrokenError(f"the gradient of {weight.path} differs by {off.max():.1g}")
            worst = max(worst, off.max(initial=0.0))
        return float(worst)
