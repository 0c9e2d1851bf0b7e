"""A rival is made: what is timed of that, and calls that trace right before they are first made."""

from itertools import groupby
from types import SimpleNamespace

import pytest

from tests.support import engines
from tests.support.simulated import ScriptedClock
from timelift.axis_values import Status
from timelift.worker.making import LostError
from timelift.worker.varying import time_calls, tracing_and_call

CLOCKED = """
import time
from types import SimpleNamespace
from tests.support.projects import STRATEGIES, WORKLOADS
from timelift.messages import Task, WorkerChannel
from timelift.worker import prepare
from timelift.worker.engines.tensorflow import TensorFlowCompiled
events = []
traced, clock = TensorFlowCompiled.trace, time.perf_counter
def trace(self, feed):
    events.append("trace")
    return traced(self, feed)
def perf_counter():
    events.append("clock")
    return clock()
prepare.time = SimpleNamespace(**vars(time) | {"perf_counter": perf_counter})
TensorFlowCompiled.trace = trace
counted = TensorFlowCompiled.operations.func
TensorFlowCompiled.operations = property(lambda self: (events.append("counted"), counted(self))[1])
setting, workload = changed(workload="sensor", phase=Phase.BACKWARD), WORKLOADS["sensor"]
rivals = tuple(STRATEGIES[name].rival() for name in ("native", "fold_time"))
task = Task(setting, rivals, workload.factory, workload.inputs, 1, 1.0)
under_test = prepare.SettingUnderTest(open_engine(setting), task, WorkerChannel(lambda _: None))
for rival in rivals:
    under_test.prepare(rival)
print(json.dumps(events))
"""


def test_the_tracer_is_warm_for_the_first_rival_and_nodes_are_counted_untimed():
    events = engines.run("tensorflow", engines.ENGINE + CLOCKED)
    in_turn = [event for event, _ in groupby(events)]
    assert in_turn == ["trace", *["clock", "trace", "clock", "counted"] * 2]


class Program:
    """A model of which the trace takes a second, and each call a tenth of it."""

    def __init__(self, clock):
        self.clock, self.traces, self.made = clock, 0, []

    def trace(self, feed):
        self.clock.now += 1.0
        self.traces += 1
        self.made.append(f"trace {feed}")

    def at(self, length):
        def call():
            self.clock.now += 0.1
            self.made.append(length)

        return SimpleNamespace(compiled=self, feed=length, call=call)


def test_a_model_is_traced_right_before_its_first_call_and_never_again():
    clock = ScriptedClock()
    short, long = Program(clock), Program(clock)
    calls = [short.at(1), short.at(2), long.at(5), short.at(1)]
    first, again = (time_calls(calls, lambda _: None, 60.0, clock) for _ in range(2))
    assert first == pytest.approx([1.1, 0.1, 1.1, 0.1])
    assert again == pytest.approx([0.1] * 4)
    assert short.made == ["trace 1", 1, 2, 1, 1, 2, 1]
    assert long.made == ["trace 5", 5, 5]


def test_what_the_first_call_of_a_length_takes_beyond_its_others_is_its_trace():
    lengths = (1, 2, 1, 2, 2)
    first, again = [1.01, 2.02, 0.01, 0.02, 0.5], [[0.01, 0.02, 0.01, 0.02, 0.02]] * 2
    tracing, call = tracing_and_call(lengths, first, again, 2)
    assert tracing == pytest.approx(3.0)  # which a slow call of a length does not change
    assert call == pytest.approx((2 * 0.01 + 3 * 0.02) / 5)
    assert tracing_and_call(lengths, first, again, 5)[0] == pytest.approx(3.0 + 3 * 2.0)
    assert tracing_and_call(lengths, [0.009] * 5, again, 2)[0] == 0.0


def test_calls_end_at_the_limit_of_a_first_call_with_the_reason():
    clock = ScriptedClock()
    each = [Program(clock).at(length) for length in range(1, 9)]
    with pytest.raises(LostError) as ended:
        time_calls(each, lambda _: None, 3.0, clock)
    assert ended.value.status == Status.TRACING_LIMIT
    assert str(ended.value) == "its 8 calls took more than 3 s (--first-call-limit)"
    assert clock.now == pytest.approx(103.3)
