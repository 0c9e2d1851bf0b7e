"""First calls: what they are over launches, and what is on the clock while they are taken."""

import math

import numpy as np
import pytest
from scipy import stats

from studies import build_order
from tests import engines, journals
from timelift.analyse.runs.records import fact
from timelift.analyse.runs.results import load
from timelift.analyse.stats.first_calls import first_calls

NAMES = ("native", "fold_time", "loop_slice")


def run(path, seconds, settings=1, name="run"):
    """A run in which `seconds(setting, place of the rival, launch, built)` are first calls."""
    lines = [
        journals.line(
            journals.case(strategy, seq_len=setting + 1),
            launch,
            facts={"first_call_seconds": told, "trace_seconds": told / 2, "built": built},
        )
        for setting in range(settings)
        for launch in (1, 2, 3)
        for place, strategy in enumerate(NAMES)
        for built in [1 + (place + launch) % len(NAMES)]
        for told in [seconds(setting, place, launch, built)]
    ]
    return journals.write(path / f"{name}.jsonl", journals.header(), *lines, journals.END)


def test_the_interval_is_students_where_all_cases_vary_alike(tmp_path):
    """One case alone has its own variance and two degrees of freedom."""
    told = {1: 0.8, 2: 1.0, 3: 1.3}
    lines = [
        journals.line(journals.case(), launch, facts={"first_call_seconds": seconds})
        for launch, seconds in told.items()
    ]
    path = journals.write(tmp_path / "run.jsonl", journals.header(), *lines, journals.END)
    (measurement,) = load(path).measurements
    (found,) = first_calls([measurement]).values()
    logs = np.log(list(told.values()))
    reach = stats.t.ppf(0.975, 2) * logs.std(ddof=1) / math.sqrt(3)
    assert found.launches == 3
    assert found.seconds == pytest.approx(math.exp(logs.mean()))
    assert found.seconds == pytest.approx(fact(measurement, "first_call_seconds"))
    assert (found.low, found.high) == pytest.approx(
        (math.exp(logs.mean() - reach), math.exp(logs.mean() + reach))
    )


def test_a_single_launch_has_no_interval_and_no_launch_no_first_call(tmp_path):
    """Nothing is claimed that was not seen."""
    lines = [
        journals.line(journals.case("native"), 1, facts={"first_call_seconds": 0.5}),
        journals.line(journals.case("fold_time"), 1, facts={}),
    ]
    path = journals.write(tmp_path / "run.jsonl", journals.header(), *lines, journals.END)
    (found,) = first_calls(load(path).measurements).values()
    assert found.seconds == pytest.approx(0.5)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def even(setting, place, launch, _built):
    """First calls that do not depend on the order."""
    return (1 + place) * (1 + 0.01 * ((7 * setting + 3 * launch) % 5))


def test_the_study_passes_where_the_order_costs_nothing(tmp_path, capsys):
    """And says over how many settings."""
    assert build_order.main([str(run(tmp_path, even, settings=40))]) == 0
    assert "first_call_seconds                  40  1.000" in capsys.readouterr().out


def test_the_study_fails_where_the_first_pays_more_or_too_few_settings_tell(tmp_path, capsys):
    """Ten per cent more for whoever is built first, and 39 settings."""
    dear = run(tmp_path, lambda *at: even(*at) * (1.1 if at[3] == 1 else 1), settings=40)
    assert build_order.main([str(dear)]) == 1
    assert "expected at least 0.95 and at most 1.05, found 1.100" in capsys.readouterr().err
    assert build_order.main([str(run(tmp_path, even, settings=39, name="few"))]) == 1


CLOCKED = """
import json, random
from timelift.case import Backend, Phase, Setting
from pathlib import Path
from timelift.worker import engines, prepare
engines.load("tensorflow")
from timelift.worker.engines import open_engine
from timelift.worker.engines.tensorflow import TensorFlowCompiled
from timelift.worker.setting_under_test import SettingUnderTest
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
nodes = TensorFlowCompiled.nodes.func
TensorFlowCompiled.nodes = property(lambda self: (told.append("nodes"), nodes(self))[1])
setting = Setting("sensor", 3, 2, Phase.BACKWARD)
known = catalogue.workloads(Path("workloads"))["sensor"]
rivals = tuple(RivalSpec(one, f"strategies/{one}.py") for one in ("native", "fold_time"))
task = Task(setting, rivals, known.factory, known.features, 1, 1.0)
under_test = SettingUnderTest(open_engine(setting), task, WorkerChannel(lambda _: None))
facts = [under_test.prepare(one).facts["built"] for one in rivals]
print(json.dumps([told, facts]))
"""


def test_the_tracer_is_warm_before_the_first_rival_and_nodes_are_counted_off_the_clock():
    """A trace that no rival's clock surrounds comes first, and no count lies within a clock."""
    told, built = engines.told("tensorflow", CLOCKED)
    assert built == [1, 2]
    assert told[0] == "trace"
    of_one = ["clock", "clock", "clock", "trace", "clock", "clock", "nodes"]
    assert told[1:] == of_one * 2
