"""Each model of `lifted_models` with its lifts folded, as a worker does it, in one backend."""

import tempfile
from pathlib import Path

import keras
import numpy as np
from keras import ops

from tests.lifted_models import BATCH, DATA
from timelift.case import Backend, Mode, Phase, Setting
from timelift.messages import Ended, RivalSpec, Task, WorkerChannel
from timelift.told_model import TRUSTED
from timelift.worker import lifts, loops, models
from timelift.worker.describe import describe_model  # noqa: F401 - for scripts
from timelift.worker.find_layer import find_layer, find_model
from timelift.worker.setting_under_test import measure_setting

ROOT = Path(__file__).parent.parent
FOLD = str(ROOT / "strategies" / "fold_time.py")
#: Strategies that must not be put in place.
WRONG = {
    "doubles": "    return keras.Model(x, 2 * FoldTime(layer)(x))\n",
    "own_weights": "    return keras.Model(x, FoldTime(keras.layers.Dense(3))(x))\n",
}


def named(model):
    """The name of a model for `find_model`."""
    return f"tests.lifted_models:{model}"


def folded(name):
    """The paths of a model's lifts, how far its outputs move when all are folded, and its loss."""
    model, noise = find_model(named(name)), np.random.default_rng(0)
    data = models.data_of(model, DATA.get(name, ""), BATCH, 5, noise)
    found = lifts.seen_at_work(model, data.inputs)
    by_hand = [one for part in model._flatten_layers() for one in loops.named_alone(part)]
    before = _outputs(model, data)
    data = models.make_ready(model, data, models.mode_of(model), noise)
    for lift in reversed(found):
        lifts.change(lift, FOLD, {})
    after = _outputs(model, data)
    call = models.call_of(model, data, Phase.BACKWARD)
    losses = [float(np.ravel(call())[0]) for _ in range(2)]
    return {
        "paths": [lift.path for lift in found],
        "moved": _off(after, before),
        "doubled": _off(_doubled(model, found, data), before),
        "losses": losses,
        "by_hand": by_hand,
        "told": [models.told_of(lift) for lift in found],
    }


def loaded_with_code():
    """What loading a model with a lambda says, and what it loads where the file is trusted."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/coded.keras"
        inner = keras.layers.TimeDistributed(keras.layers.Dense(2), name="dense_td")
        coded = keras.Sequential([keras.Input((3, 4)), keras.layers.Lambda(lambda x: -x), inner])
        coded.save(path)
        try:
            find_model(path)
        except ValueError as error:
            said = str(error)
        return {"said": said, "inner": type(find_layer(f"{path}{TRUSTED}#dense_td")).__name__}


def trained(name):
    """How far a folded model's outputs move from call to call, in training and else."""
    model, noise = find_model(named(name)), np.random.default_rng(0)
    data = models.data_of(model, "", BATCH, 5, noise)
    found = lifts.seen_at_work(model, data.inputs)
    for lift in found:
        lifts.change(lift, FOLD, {})
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
            lifts.change(lift, wrong_files(folder)["doubles"], {})
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
        task = Task(setting, rivals, named(name), (), 3, 0.0, is_model=True, reads_peak_memory=peak)
        events = []
        measure_setting(task, WorkerChannel(events.append))
    ended = [one for one in events if isinstance(one, Ended)]
    return {one.rival: (one.status, one.reason, dict(one.facts)) for one in ended}


def rewritten(name, text):
    """What becomes of a model that is changed by the module of `--write`: saved and loaded too."""
    with tempfile.TemporaryDirectory() as folder:
        module: dict = {}
        exec(compile(text, "better", "exec"), module)  # noqa: S102 - what is tested
        model, noise = find_model(named(name)), np.random.default_rng(0)
        data = models.data_of(model, "", BATCH, 4, noise)
        data = models.make_ready(model, data, models.mode_of(model), noise)
        model.train_on_batch(data.inputs, data.labels)
        model.save_weights(Path(folder, "before.weights.h5"))
        steps, before = int(model.optimizer.iterations), _outputs(model, data)
        module["change"](model)
        changed = _outputs(model, data)
        kept = int(model.optimizer.iterations) == steps
        model.train_on_batch(data.inputs, data.labels)
        after = _outputs(model, data)
        model.save(Path(folder, "after.keras"))
        loaded = keras.saving.load_model(Path(folder, "after.keras"))
        stored = _outputs(loaded, data)
        loaded.load_weights(Path(folder, "before.weights.h5"))
        old = _outputs(loaded, data)
        return {
            "changed": _off(changed, before),
            "stored": _off(stored, after),
            "old_weights": _off(old, before),
            "trained": _off(after, before),
            "kept": kept,
        }


def _off(found, wanted):
    return max(float(np.abs(one - two).max()) for one, two in zip(found, wanted, strict=True))
