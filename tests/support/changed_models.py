"""Models of the examples and of `lifted_models`, changed as in a worker, in one backend."""

import random
import tempfile
from functools import partial
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops  # noqa: F401 - for scripts

from examples import published_models
from tests.support import lifted_models
from tests.support.projects import STRATEGIES
from timelift.axis_values import Backend, Mode, Phase
from timelift.case import Setting
from timelift.errors import UserError
from timelift.inner_layer import LayerInputs
from timelift.measurement import CaseInLaunch
from timelift.messages import LiftChange, RivalSpec, Task, WorkerChannel
from timelift.worker import find_lifts, model_data
from timelift.worker.describe import (
    added_by_training,
    describe_model,
    other_weights,
)
from timelift.worker.measure_setting import measure_setting
from timelift.worker.repeated import repeated_calls
from timelift.worker.user_code import find_layer, find_model, load_module  # noqa: F401 - for scripts

BATCH = 2
#: Sources of data for the models whose inputs have unknown shapes.
DATA = {
    **{name: f"examples.published_models:{name}_data" for name in ("agent", "speech")},
    **{name: f"tests.support.lifted_models:{name}_data" for name in ("late", "towers")},
}
FOLD, NATIVE = (str(STRATEGIES[name].path) for name in ("fold_time", "native"))
#: Strategies that a model must reject, but for one that rounds where there is no mask.
WRONG = {
    "doubles": "tree.map_structure(lambda y: 2 * y, FoldTime(layer)(inputs))",
    "rounds": "FoldTime(layer)(inputs / 0.3) / (1 / 0.3)",
    "own_weights": "FoldTime(keras.layers.Dense(64))(inputs)",
}


def named(model):
    """Return the name of a model, or of a lift in it, for `find_model`."""
    home = published_models if hasattr(published_models, model.partition("#")[0]) else lifted_models
    return f"{home.__name__}:{model}"


def drawn(name):
    """Make a model whose weights and noise are those of every run: Keras seeds them from Python."""
    random.seed(1)
    return find_model(named(name))


def described(name):
    """Describe a model by a call of 2 sequences, of 6 steps where it leaves that open."""
    return describe_model(named(name), {"source": DATA.get(name, ""), "batch": BATCH, "seq_len": 6})


def misled(what):
    lifted_models.made = partial(lifted_models.misled, what)
    return described("made")


def folded(name):
    """Fold all lifts of a model; return their paths, how far outputs move, and losses."""
    model, noise = drawn(name), np.random.default_rng(0)
    data = model_data.data_of(model, DATA.get(name, ""), BATCH, 5, noise)
    lifts = find_lifts.watch_lifts(model, data.inputs)
    again = repeated(model, data.inputs)
    before = outputs_of(model, data)
    data = model_data.make_ready(model, data, model_data.mode_of(model), noise)
    for lift in reversed(lifts):
        lift.change(load_module(FOLD), {})
    after = outputs_of(model, data)
    call = model_data.call_of(model, data, Phase.TRAIN)
    losses = [float(np.ravel(call())[0]) for _ in range(2)]
    return {
        "paths": [
            "/".join(layer.name for layer in lift.trail[1:]) or lift.trail[0].name for lift in lifts
        ],
        "moved": largest_error(after, before),
        "doubled": largest_error(_doubled(model, lifts, data), before),
        "losses": losses,
        "repeated": again,
        "added": [
            added_by_training(lift.layer, lift.received[0]) for lift in lifts if not lift.takes
        ],
    }


def repeated(model, inputs):
    lifts = find_lifts.watch_lifts(model, inputs)
    with other_weights(model):
        again = repeated_calls(model, inputs, lifts)
    return [f"{one['layer']} {one['calls']}{' in turn' * one['depends']}" for one in again]


def refused_with_code():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/coded.keras"
        keras.Sequential([keras.Input((3, 4)), keras.layers.Lambda(lambda x: -x)]).save(path)
        try:
            find_model(path)
        except UserError as error:
            return str(error)


def _doubled(model, lifts, data):
    """Return the outputs of a model once a strategy that doubles is its first lift."""
    with tempfile.TemporaryDirectory() as folder:
        for lift in lifts[:1]:
            for changed in lift.changed:
                del changed.call
            lift.change(load_module(wrong_files(folder)["doubles"]), {})
        return outputs_of(model, data)


def wrong_files(folder):
    page = Path(FOLD).read_text(encoding="utf-8")
    for name, outputs in WRONG.items():
        wrong = page.replace("(inputs, FoldTime(layer)(inputs))", f"(inputs, {outputs})")
        Path(folder, f"{name}.py").write_text(wrong, encoding="utf-8")
    return {name: str(Path(folder, f"{name}.py")) for name in WRONG}


def outputs_of(model, data):
    outputs = keras.tree.flatten(model(data.inputs, training=False))
    return [ops.convert_to_numpy(output) for output in outputs]


def raced(name, backend, ways, *, peak=False, phase=Phase.TRAIN):
    """Return how each way of changing a model ends in a worker: status, reason and facts."""
    with tempfile.TemporaryDirectory() as folder:
        files = wrong_files(folder) | {"fold_time": FOLD, "native": NATIVE}
        rivals = tuple(
            RivalSpec(
                way,
                ".",
                changes=tuple(
                    LiftChange(int(place), files[name], {}) for place, name in changes.items()
                ),
            )
            for way, changes in ways.items()
        )
        setting = Setting(name, 4, BATCH, Phase(phase), Mode.GRAPH, backend=Backend(backend))
        how = {"is_model": True, "reads_peak_memory": peak, "data": DATA.get(name, "")}
        task = Task(setting, rivals, named(name), LayerInputs(), 3, 0.0, **how)
        events = []
        measure_setting(task, WorkerChannel(events.append))
    ends = [event for event in events if isinstance(event, CaseInLaunch)]
    return {end.case.strategy: (end.status, end.reason, end.facts.fields()) for end in ends}


def largest_error(outputs, wanted):
    pairs = zip(outputs, wanted, strict=True)
    return max(float(np.abs(output - want).max()) for output, want in pairs)
