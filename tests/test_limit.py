"""How close to the limit: flops that are known, shares that are honest, and silence elsewhere."""

import math
import random
from types import SimpleNamespace

import pytest

from tests import journals
from tests.tensorflow_here import keras, tf
from timelift.analyse import costs
from timelift.analyse.findings import RunFindings
from timelift.analyse.runs import results
from timelift.case import Lengths, Phase, Setting
from timelift.messages import Task, WorkerChannel
from timelift.present.report import report
from timelift.worker import engines
from timelift.worker.setting_under_test import Playing

BEST = {"attainable_flops_per_second": 1e11, "attainable_bytes_per_second": 1e10}


def engine_and_setting(phase=Phase.FORWARD):
    """TensorFlow's engine on the CPU, and the setting that it was opened for."""
    setting = Setting("any", 1, 8, phase)
    return engines.open_engine(setting), setting


def count_work(layer, features, phase=Phase.FORWARD):
    """Return what the engine counts for 8 steps."""
    engine, setting = engine_and_setting(phase)
    return engine.count_work(layer, 8, features, setting)


def built(layer, *features):
    """The layer with its weights."""
    layer.build((None, *features))
    return layer


@pytest.mark.parametrize(
    ("layer", "features", "flops"),
    [
        (keras.layers.Dense(16), (32,), 8 * (2 * 32 * 16 + 16)),
        (keras.layers.Conv2D(4, 3, padding="same"), (6, 6, 3), 8 * 36 * (2 * 27 * 4 + 4)),
    ],
)
def test_the_work_of_a_layer_is_what_its_shapes_say(layer, features, flops):
    found = count_work(built(layer, *features), features)
    assert found["flops"] == flops
    outputs = math.prod(layer.compute_output_shape((8, *features)))
    weights = sum(math.prod(one.shape) for one in layer.weights)
    assert found["least_bytes"] == 4 * (8 * math.prod(features) + outputs + weights)


@pytest.mark.parametrize(
    ("layer", "features"),
    [(keras.layers.Dense(16), (32,)), (keras.layers.Conv2D(16, 3, padding="same"), (8, 8, 16))],
)
def test_gradients_by_the_weights_are_as_much_work_again(layer, features):
    layer = built(layer, *features)
    forward, backward = (count_work(layer, features, phase)["flops"] for phase in Phase)
    assert 1.9 * forward < backward < 2.2 * forward


@pytest.mark.parametrize(
    ("layer", "features"),
    [
        (keras.layers.LSTM(4), (10, 3)),
        (keras.layers.Lambda(lambda x: tf.einsum("ab,cb->ac", x, x)), (3,)),
    ],
)
def test_what_the_profiler_does_not_see_whole_is_not_claimed(layer, features):
    assert count_work(built(layer, *features), features) == {}


def test_a_device_attains_something(monkeypatch):
    monkeypatch.setitem(engines.SIZES, "cpu", (64, 1 << 10))
    found = engine_and_setting()[0].measure_attainable()
    assert sorted(found) == sorted(BEST)
    assert min(found.values()) > 0


def test_an_engine_that_lacks_a_method_cannot_be_made():
    with pytest.raises(TypeError, match="abstract method"):
        type("Half", (engines.Engine,), {"place": lambda *_: None})()


@pytest.mark.parametrize(("dtype", "counted"), [("", {"flops": 1}), ("int32", {})])
def test_no_work_is_claimed_of_a_layer_that_takes_whole_numbers(dtype, counted):
    setting = engine_and_setting()[1]
    task = Task(setting, (), "", (3,), 1, 0.0, dtype, 9, counts_work=True)
    engine = SimpleNamespace(count_work=lambda *_: {"flops": 1})
    playing = Playing(engine, task, WorkerChannel([].append), random.Random(0))
    assert playing._bounds_of_a_call(SimpleNamespace(layer=None)) == counted


def measured(tmp_path, facts, **axes):
    """One case of a millisecond with these facts."""
    cases = [journals.case(name, **axes) for name in ("native", "fold_time")]
    lines = [journals.line(one, launch, facts=facts) for launch in (1, 2, 3) for one in cases]
    path = journals.write(tmp_path / "run.jsonl", journals.header(), *lines, journals.END)
    return results.load(path)


def of_the_limit(run):
    """The share of the first case, as a ratio."""
    one = run.measurements[0]
    return costs.limit_share(one, 1e-3, costs.attainable(run.measurements))


def test_a_share_is_the_least_time_over_the_time(tmp_path):
    facts = BEST | {"flops": 2e7, "least_bytes": 1e6}
    assert of_the_limit(measured(tmp_path, facts)) == pytest.approx(0.2)


def test_memory_is_the_limit_only_where_no_cache_holds_it(tmp_path):
    facts = BEST | {"flops": 1.0, "least_bytes": 1e8}
    assert of_the_limit(measured(tmp_path, facts)) == pytest.approx(10)


@pytest.mark.parametrize(
    ("facts", "axes"),
    [
        ({}, {}),
        (BEST, {}),
        ({"flops": 1e6}, {}),
        (BEST | {"flops": "1e6"}, {}),
        (BEST | {"flops": 1e6, "attainable_flops_per_second": -1}, {}),
        (BEST | {"flops": 1e6}, {"lengths": Lengths.SKEWED}),
        (BEST | {"flops": 1e6}, {"dtype": "bfloat16"}),
    ],
)
def test_where_something_is_not_known_nothing_is_said(tmp_path, facts, axes):
    assert of_the_limit(measured(tmp_path, facts, **axes)) is None


def test_the_table_has_a_column_only_where_something_is_known(tmp_path):
    known = measured(tmp_path, BEST | {"flops": 2e7})
    (found,) = report(RunFindings(known)).tables
    (column,) = [one for one in found.table.columns if one.heading == "of the limit"]
    assert column.cells(found.table.rows) == ["20.0 %", "20.0 %"]
    unknown = measured(tmp_path, {})
    (found,) = report(RunFindings(unknown)).tables
    assert "of the limit" not in {one.heading for one in found.table.columns}
