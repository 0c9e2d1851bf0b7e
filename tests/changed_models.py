"""Models of the examples and of `lifted_models`, changed as a worker does it, in one backend."""

import json
import tempfile
from pathlib import Path
from unittest import mock

import keras
import numpy as np
from keras import ops

from examples import published_models
from tests import lifted_models
from timelift.advise.advice import LiftAdvice, ModelAdvice
from timelift.advise.advice_words import advice_code, advice_json
from timelift.advise.user_model import Feeding, UserModel
from timelift.case import Backend, Mode, Phase, Setting
from timelift.inner_layer import LayerInputs
from timelift.measurement import CaseInLaunch
from timelift.messages import RivalSpec, Task, WorkerChannel
from timelift.project import Project
from timelift.source import read_source
from timelift.worker import find_lifts, whole_model
from timelift.worker.describe import describe_lift, describe_model
from timelift.worker.measure_setting import measure_setting
from timelift.worker.reference import parts_of
from timelift.worker.user_code import find_layer, find_model, load_module  # noqa: F401 - for scripts

ROOT = Path(__file__).parent.parent
BATCH = 2
#: Where the data come from of the models that do not tell the shapes of their inputs.
DATA = {
    **{name: f"examples.published_models:{name}_data" for name in ("agent", "speech")},
    **{name: f"tests.lifted_models:{name}_data" for name in ("late", "towers")},
}
FOLD = str(ROOT / "strategies" / "fold_time.py")
#: Strategies that must not be put in place.
WRONG = {
    "doubles": "    return keras.Model(x, 2 * FoldTime(layer)(x))\n",
    "own_weights": "    return keras.Model(x, FoldTime(keras.layers.Dense(64))(x))\n",
}


def named(model):
    """The name of a model, or of a lift in it, for `find_model`."""
    home = published_models if hasattr(published_models, model.partition("#")[0]) else lifted_models
    return f"{home.__name__}:{model}"


def folded(name):
    """The paths of a model's lifts, how far its outputs move when all are folded, and its loss."""
    model, noise = find_model(named(name)), np.random.default_rng(0)
    data = whole_model.data_of(model, DATA.get(name, ""), BATCH, 5, noise)
    found = find_lifts.watch_lifts(model, data.inputs)
    by_hand = [loop for part in parts_of(model) for loop in find_lifts.unsupported_loops(part)]
    before = _outputs(model, data)
    data = whole_model.make_ready(model, data, whole_model.mode_of(model), noise)
    for lift in reversed(found):
        lift.change(load_module(FOLD), {})
    after = _outputs(model, data)
    call = whole_model.call_of(model, data, Phase.BACKWARD)
    losses = [float(np.ravel(call())[0]) for _ in range(2)]
    return {
        "paths": [lift.path for lift in found],
        "moved": _off(after, before),
        "doubled": _off(_doubled(model, found, data), before),
        "losses": losses,
        "by_hand": by_hand,
        "told": [describe_lift(lift) for lift in found],
    }


def refused_with_code():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/coded.keras"
        keras.Sequential([keras.Input((3, 4)), keras.layers.Lambda(lambda x: -x)]).save(path)
        try:
            find_model(path)
        except ValueError as error:
            return str(error)


def trained(name):
    """How far a folded model's outputs move from call to call, in training and else."""
    model, noise = find_model(named(name)), np.random.default_rng(0)
    data = whole_model.data_of(model, "", BATCH, 5, noise)
    found = find_lifts.watch_lifts(model, data.inputs)
    for lift in found:
        lift.change(load_module(FOLD), {})
    return {
        word: _off(*(ops.convert_to_numpy(model(data.inputs, training=which)) for _ in range(2)))
        for word, which in (("in_training", True), ("else", False))
    }


def _doubled(model, found, data):
    """The outputs of a model once its first lift is changed to what doubles them."""
    with tempfile.TemporaryDirectory() as folder:
        for lift in found[:1]:
            for changed in lift.changed:
                del changed.call
            lift.change(load_module(wrong_files(folder)["doubles"]), {})
        return _outputs(model, data)


def wrong_files(folder):
    """The files of the strategies that must not be put in place, by name."""
    head = Path(FOLD).read_text(encoding="utf-8")
    head = head[: head.index("\ndef build")] + "\ndef build(layer, shape, dtype=None):\n"
    head += "    x = keras.Input(shape, dtype=dtype)\n"
    for name, body in WRONG.items():
        Path(folder, f"{name}.py").write_text(head + body, encoding="utf-8")
    return {name: str(Path(folder, f"{name}.py")) for name in WRONG}


def _outputs(model, data):
    outputs = keras.tree.flatten(model(data.inputs, training=False))
    return [ops.convert_to_numpy(one) for one in outputs]


def raced(name, backend, ways, *, peak=False):
    """How each way of changing a model ends in a worker, with its facts or the reason."""
    with tempfile.TemporaryDirectory() as folder:
        files = wrong_files(folder) | {"fold_time": FOLD}
        rivals = tuple(
            RivalSpec(way, ".", {place: (files[one], {}) for place, one in changes.items()})
            for way, changes in ways.items()
        )
        setting = Setting(name, 4, BATCH, Phase.BACKWARD, Mode.GRAPH, backend=Backend(backend))
        task = Task(
            setting,
            rivals,
            named(name),
            LayerInputs(),
            3,
            0.0,
            is_model=True,
            reads_peak_memory=peak,
        )
        events = []
        measure_setting(task, WorkerChannel(events.append))
    ended = [one for one in events if isinstance(one, CaseInLaunch)]
    return {one.case.strategy: (one.status, one.reason, one.facts.fields()) for one in ended}


def pasted(name, strategy, *, stored):
    """Write a model anew by the code that `advise --code` prints, and compare the two.

    Weights are other ones in every model, so that they have to be carried over.
    """
    with tempfile.TemporaryDirectory() as folder:
        old, noise = find_model(named(name)), np.random.default_rng()
        data = whole_model.data_of(old, "", BATCH, 5, noise)
        old(data.inputs)
        old.set_weights([noise.uniform(high=0.1, size=one.shape) for one in old.get_weights()])
        factory = f"{folder}/model.keras" if stored else named(name)
        if stored:
            old.save(factory)
        feeding = Feeding("", BATCH, 5)
        told = describe_model(factory, feeding._asdict())
        told = UserModel.of(factory, feeding, Backend(keras.backend.backend()), told)
        found = ModelAdvice(told, tuple(LiftAdvice(lift, strategy) for lift in told.lifts))
        pages = {strategy: read_source(Project(ROOT).strategies[strategy])}
        code = "\n".join(advice_code(found, pages))
        namespace = {}
        exec(code, namespace)  # noqa: S102 - what is tested
        if not stored:
            lines = json.loads(advice_json(found, pages))["lifts"]
            namespace |= {"old_model": old, "new_model": _written_anew(name, lines, namespace)}
            exec(code.rpartition("\n#   ")[2], namespace)  # noqa: S102 - what is tested
        new = namespace["new_model"]
        return {
            "lifts": len(find_lifts.find_lifts(new)),
            "off": _off(_outputs(new, data), _outputs(old, data)),
            "largest": max(float(np.abs(one).max()) for one in _outputs(old, data)),
        }


def _written_anew(name, lines, namespace):
    """Make a model in which what follows a lift is written in its place."""
    line_of = {one["name"]: one for one in lines}

    def lift(layer, called):
        inner = line_of[called]["before"].removeprefix("TimeDistributed(").removesuffix(")")
        kind, is_call, _ = inner.partition("(")
        given = {kind: (lambda *_: layer) if is_call else layer}
        return eval(line_of[called]["after"], namespace | given)  # noqa: S307 - as above

    with (
        mock.patch.object(lifted_models, "_lift", lift),
        mock.patch.object(published_models, "_lift", lift),
    ):
        return find_model(named(name))


def _off(found, wanted):
    return max(float(np.abs(one - two).max()) for one, two in zip(found, wanted, strict=True))
