"""First calls: what they are over launches, and what is on the clock while they are taken."""

import math

import numpy as np
import pytest
from scipy import stats

from tests import engines, journals
from timelift.analyse.estimates import first_calls
from timelift.analyse.results import load
from timelift.measurement import fact


def measured(path, *launches):
    """The measurements of a run of launches, each a strategy, a number and its facts."""
    lines = [
        journals.line(journals.case(name), number, facts=facts) for name, number, facts in launches
    ]
    return load(journals.write(path / "run.jsonl", journals.header(), *lines)).measurements


def test_the_interval_is_students_where_all_cases_vary_alike(tmp_path):
    seconds = [0.8, 1.0, 1.3]
    facts = [("native", n, {"first_call_seconds": one}) for n, one in enumerate(seconds, 1)]
    (measurement,) = measured(tmp_path, *facts)
    (found,) = first_calls([measurement]).values()
    logs = np.log(seconds)
    reach = stats.t.ppf(0.975, 2) * logs.std(ddof=1) / math.sqrt(3)
    assert found.value == pytest.approx(math.exp(logs.mean()))
    assert found.value == pytest.approx(fact(measurement, "first_call_seconds"))
    assert (found.low, found.high) == pytest.approx(
        (math.exp(logs.mean() - reach), math.exp(logs.mean() + reach))
    )


def test_a_single_launch_has_no_interval_and_no_launch_no_first_call(tmp_path):
    rivals = measured(tmp_path, ("native", 1, {"first_call_seconds": 0.5}), ("fold_time", 1, {}))
    (found,) = first_calls(rivals).values()
    assert found.value == pytest.approx(0.5)
    assert np.isnan([found.low, found.high]).all()


CLOCKED = """
import json, random
from timelift.case import Backend, Phase, Setting
from pathlib import Path
from timelift.worker import engines, prepare
engines.load("tensorflow")
from timelift.worker.engines import open_engine
from timelift.worker.engines.tensorflow import TensorFlowCompiled
from timelift.worker.prepare import SettingUnderTest
from timelift.measure import catalogue
from timelift.messages import RivalSpec, Task, WorkerChannel
told = []
traced, clock = TensorFlowCompiled.trace, prepare.time.perf_counter
def trace(self, feed):
    told.append("trace")
    return traced(self, feed)
class Clock:
    def __getattr__(self, name):
        return getattr(time, name)
    def perf_counter(self):
        told.append("clock")
        return clock()
import time
prepare.time = Clock()
TensorFlowCompiled.trace = trace
counted = TensorFlowCompiled.operations.func
TensorFlowCompiled.operations = property(lambda self: (told.append("counted"), counted(self))[1])
setting = Setting("sensor", 3, 2, Phase.BACKWARD)
known = catalogue.read_workloads(Path("workloads").glob("*.py"))["sensor"]
rivals = tuple(RivalSpec(one, f"strategies/{one}.py") for one in ("native", "fold_time"))
task = Task(setting, rivals, known.factory, known.inputs, 1, 1.0)
under_test = SettingUnderTest(open_engine(setting), task, WorkerChannel(lambda _: None))
facts = [under_test.prepare(one).facts["built"] for one in rivals]
print(json.dumps([told, facts]))
"""


def test_the_tracer_is_warm_before_the_first_rival_and_nodes_are_counted_off_the_clock():
    told, built = engines.run("tensorflow", CLOCKED)
    assert built == [1, 2]
    assert told[0] == "trace"
    of_one = ["clock", "clock", "clock", "trace", "clock", "clock", "counted"]
    assert told[1:] == of_one * 2
