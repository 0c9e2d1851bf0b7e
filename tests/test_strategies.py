"""The catalogue keeps its conventions, and its look-alikes differ."""

import ast
import inspect
import itertools
import re
from types import SimpleNamespace

import numpy as np
import pytest

from tests.support.projects import ROOT, STRATEGIES, WORKLOADS
from tests.support.tensorflow_here import keras
from timelift.axis_values import Backend, Lengths, Mode, Phase, TimeAxis
from timelift.case import Setting
from timelift.worker.user_code import load_module

pytestmark = pytest.mark.usefixtures("double_precision")
IMPORTS = {
    "functools",
    "importlib",
    "inspect",
    "itertools",
    "jax",
    "keras",
    "numbers",
    "tensorflow",
}
IMPORTS |= {"tf_keras"}
#: Each backend may have reasons of its own to refuse.
MOST_LINES_OF_CODE = 78
MEANINGS = ("DROPOUT", "BATCH_NORM", "INNER_LOSSES", "MASKS", "PADDED_STEPS")


def faults(text, *, meanings=MEANINGS):
    """Return the conventions that the text of a strategy or workload breaks."""
    tree = ast.parse(text)
    docstring = ast.get_docstring(tree) or ""
    title = docstring.partition("\n")[0]
    paragraphs = docstring.split("\n\n")
    wanted = ("When: ", "Source: ") if meanings else ("Source: ",)
    names = {node.targets[0].id for node in tree.body if isinstance(node, ast.Assign)}
    checks = {
        "a title that ends with a period": title.endswith(".") and len(title) <= 80,
        "When not": not meanings or "\nWhen not: " in docstring,
        **{start: any(p.startswith(start) for p in paragraphs) for start in wanted},
        "allowed imports": imported(tree) <= IMPORTS,
        "few lines": lines_of_code(text, tree) <= MOST_LINES_OF_CODE,
        **{name: name in names for name in meanings},
    }
    return [name for name, kept in checks.items() if not kept]


def imported(tree):
    packages = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            packages |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            packages.add((node.module or "").partition(".")[0])
    return packages


def lines_of_code(text, tree):
    prose = set()
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node):
            prose |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    lines = enumerate(text.splitlines(), start=1)
    return sum(bool(re.match(r"\s*[^\s#]", line)) and n not in prose for n, line in lines)


@pytest.mark.parametrize("kind", ["strategies", "workloads"])
def test_every_file_keeps_the_conventions(kind):
    meanings = MEANINGS if kind == "strategies" else ()
    found = {one: faults(one.read_text(), meanings=meanings) for one in ROOT.glob(f"{kind}/*.py")}
    assert found
    assert not {path.name: names for path, names in found.items() if names}


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("one call.\n", "one call\n", "a title that ends with a period"),
        ("When: ", "If ", "When: "),
        ("When not: ", "Else ", "When not"),
        ("Source: ", "From ", "Source: "),
        ("import keras\n", "import keras\nfrom timelift import case\n", "allowed imports"),
        ("import keras\n", "import keras\n" + "a = 1\n" * MOST_LINES_OF_CODE, "few lines"),
        ("MASKS = ", "MASK = ", "MASKS"),
    ],
)
def test_a_file_that_breaks_a_convention_is_caught(old, new, fault):
    text = (ROOT / "strategies/fold_time.py").read_text()
    assert old in text
    assert faults(text.replace(old, new, 1)) == [fault]


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_maps_the_shapes_that_its_docstring_says(name):
    module = load_module(str(ROOT / "workloads" / f"{name}.py"))
    made, other = module.make_layer(), module.make_layer()
    assert made is not other
    inputs = WORKLOADS[name].inputs.of_layer
    step = inputs.pack([(None, *tensor.shape) for tensor in inputs.tensors])
    taken, returned = module.make_layer.__doc__.split(" -> ")
    assert sorted(shapes_in(taken)) == sorted(tensor.shape for tensor in inputs.tensors)
    outputs = keras.tree.map_shape_structure(keras.KerasTensor, made.compute_output_shape(step))
    assert shapes_in(returned) == [output.shape[1:] for output in keras.tree.flatten(outputs)]


def shapes_in(text):
    """Shapes of one step as a docstring writes them, such as (batch, 12, 16), without the batch."""
    inside = re.findall(r"\(batch,([^)]*)\)", text)
    return [tuple(map(int, re.findall(r"\d+", sizes))) for sizes in inside]


def test_a_missing_package_is_refused_with_the_command_that_installs_it(monkeypatch):
    module = load_module(str(STRATEGIES["tf_keras_time_distributed"].path))
    absent = SimpleNamespace(util=SimpleNamespace(find_spec=lambda _: None))
    monkeypatch.setattr(module, "importlib", absent)
    assert module.refuses(None, None).endswith("pip install tf_keras")


@pytest.mark.parametrize(
    ("version", "refused"),
    [("3.9.2", False), ("3.13.2", False), ("3.14.0", True), ("3.15.0.dev0", True), ("4.0", True)],
)
def test_versions_of_keras_are_compared_as_numbers(monkeypatch, version, refused):
    module = load_module(str(STRATEGIES["time_distributed"].path))
    monkeypatch.setattr(module.keras, "version", lambda: version)
    setting = Setting("probe", 5, 3, Phase.FORWARD, time_axis=TimeAxis.DYNAMIC)
    assert bool(module.refuses(keras.layers.Dense(2), setting)) == refused


def refusals_of(strategy, layer, **axes):
    """Return whether a strategy refuses a layer in each phase, at the values of other axes."""
    module = load_module(str(strategy.path))
    known = {"shape": (5, 4, 3), "masked": False, **strategy.parameters}
    if not hasattr(module, "refuses"):
        return dict.fromkeys(Phase)
    wanted = inspect.signature(module.refuses).parameters.keys() & known.keys()
    words = {name: known[name] for name in wanted}
    settings = {phase: Setting("probe", 5, 3, phase, **axes) for phase in Phase}
    return {phase: bool(module.refuses(layer, at, **words)) for phase, at in settings.items()}


@pytest.mark.parametrize("backend", Backend)
def test_a_served_call_is_refused_as_a_prediction_is(
    backend,
):
    trained = keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)
    made = [
        keras.Sequential([keras.Input((4, 3)), *one]) for one in (trained, [keras.layers.LSTM(2)])
    ]
    named = {name: one for name, one in STRATEGIES.items() if backend in one.backends}
    differ = set()
    for name, layer, mode, time_axis, lengths in itertools.product(
        named, made, Mode, TimeAxis, (Lengths.FULL, Lengths.UNIFORM)
    ):
        axes = {"mode": mode, "time_axis": time_axis, "lengths": lengths, "backend": backend}
        refused = refusals_of(named[name], layer, **axes)
        assert refused[Phase.SERVE] is refused[Phase.FORWARD], (name, axes)
        assert refused[Phase.TRAIN] is refused[Phase.BACKWARD], (name, axes)
        differ |= {name} if refused[Phase.BACKWARD] is not refused[Phase.FORWARD] else set()
    assert {"vectorized_map", "fold_chunks[k=8,remat=True]"} <= differ


def lift(name, layer, *shape):
    layer.build((None, *shape[1:]))
    return load_module(str(STRATEGIES[name].path)).build(layer, shape)


def draw(*shape):
    return np.random.default_rng(2).standard_normal(shape)


def by_steps(layer, x):
    """The law: the layer called on each step of (batch, time, *features)."""
    return np.stack([layer(x[:, t]) for t in range(x.shape[1])], axis=1)


def positions_that_see_step_two(model):
    """Count the positions along axis 1 of the output that change with the inputs of step 2."""
    x, other = draw(2, 5, 3), draw(2, 5, 3)
    other[:, 2] += 1
    y = np.abs(model(x) - model(other))
    return int((np.moveaxis(y, 1, 0).reshape(y.shape[1], -1).max(axis=1) > 0).sum())


@pytest.mark.parametrize("name", [name for name, one in STRATEGIES.items() if one.differs])
def test_a_look_alike_lets_a_step_see_other_steps(name):
    assert positions_that_see_step_two(lift(name, keras.layers.Dense(4), 5, 3)) > 1
    assert positions_that_see_step_two(lift("fold_time", keras.layers.Dense(4), 5, 3)) == 1


def test_a_simple_rnn_without_recurrence_is_the_lift():
    layer, x = keras.layers.Dense(4, activation="tanh", bias_initializer="normal"), draw(2, 5, 3)
    model = lift("simple_rnn", layer, 5, 3)
    recurrent = model.layers[-1].cell.recurrent_kernel
    assert not np.allclose(model(x), by_steps(layer, x), atol=1e-3)
    recurrent.assign(np.zeros(recurrent.shape))
    np.testing.assert_allclose(model(x), by_steps(layer, x), rtol=1e-12)


def test_the_convolution_per_feature_is_a_lift_over_features():
    x = draw(2, 10, 3)
    model = lift("conv_per_feature", keras.layers.Dense(16, activation="relu"), 10, 3)
    kernel, bias = model.get_weights()
    series = keras.layers.Conv1D(16, 3, padding="same", activation="relu")
    over_features = keras.layers.TimeDistributed(series)
    y = over_features(np.swapaxes(x, 1, 2)[..., None])  # batch, features, time, outputs
    series.set_weights([kernel[:, 0], bias])
    y = over_features(np.swapaxes(x, 1, 2)[..., None])
    np.testing.assert_allclose(model(x), np.swapaxes(y, 1, 2), rtol=1e-10, atol=1e-12)
