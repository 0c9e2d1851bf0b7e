"""Models written anew by the code that `advise --code` prints, in one backend."""

import contextlib
import re
import sys
import tempfile
from types import SimpleNamespace
from unittest import mock

import keras
import numpy as np
from keras import layers, ops

from tests.changed_models import BATCH, DATA, largest_error, named, outputs_of
from tests.lifted_models import _lift
from tests.projects import STRATEGIES
from timelift.advise.advice import Advice, LiftAdvice, ModelAdvice
from timelift.advise.advice_code import advice_code
from timelift.advise.user_model import Feeding, UserModel
from timelift.case import Backend
from timelift.source import read_source
from timelift.worker import find_lifts, model_data
from timelift.worker.describe import describe_model
from timelift.worker.reference import parts_of
from timelift.worker.user_code import find_model

#: The layer inside of a lift, in the code for it as written.
_INNER = re.compile(r"(?:TimeDistributed\(|stack\(\[)(.*?)(?:\(step\).*|\))$")


def masked():
    """A Sequential whose mask goes on behind its lifts, with a loss of its own."""
    encoder = keras.Sequential([layers.Dense(3, "tanh", kernel_regularizer="l2")], name="encoder")
    lifts = [_lift(encoder, "encoder_td"), _lift(layers.Dense(3), "dense_td")]
    parts = [layers.Masking(), *lifts, layers.LSTM(2), layers.Dense(2)]
    return keras.Sequential([keras.Input((4, 3)), *parts], name="masked")


def masked_data():
    inputs = np.random.default_rng(2).normal(size=(BATCH, 4, 3)).astype("float32")
    inputs[0, 2:] = 0
    return inputs, np.ones((BATCH, 2))


def pasted(name, strategy, *, stored, policy="float32"):
    """Write a model anew by the code that `advise --code` prints, and compare the two.

    The old model was trained, so its weights, and its optimiser's state, have to be carried over.
    """
    keras.config.set_dtype_policy(policy)
    model, source = named(name), DATA.get(name, "")
    if name == "masked":
        model, source = f"{__name__}:masked", f"{__name__}:masked_data"
    old, noise = find_model(model), np.random.default_rng(6)
    if not old.compiled:
        old.compile("adam", "mse")
    data = model_data.data_of(old, source, BATCH, 5, noise)
    data = model_data.make_ready(old, data, model_data.mode_of(old), noise)
    old.train_on_batch(data.inputs, data.labels)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        old.save("old.keras")
        old.save_weights("old.weights.h5")
        code = _code_for("old.keras" if stored else model, Feeding(source, BATCH, 5), strategy)
        names = {}
        exec(code, names)  # noqa: S102 - what is tested
        if not stored:
            names |= {
                "old_model": find_model(model),
                "new_model": _written_anew(model, code, names),
            }
            _carry_over(code, names, data)
            names["new_model"].compile("adam", old.loss)
        return _differences(old, names["new_model"], data)


def _code_for(factory, feeding, strategy):
    """Return what is printed where a strategy is advised for every lift of a model.

    Other lifts are made before and after, as in another process, and Keras counts on.
    """
    layers.TimeDistributed(layers.Dense(1))
    fields = describe_model(factory, feeding._asdict())
    model = UserModel.of(factory, feeding, Backend(keras.backend.backend()), fields)
    layers.TimeDistributed(layers.Dense(1))
    lifts = tuple(LiftAdvice(lift, Advice.CHANGE, strategy) for lift in model.lifts)
    pages = {strategy: read_source(STRATEGIES[strategy].path)}
    return "\n".join(advice_code(ModelAdvice(model, Advice.CHANGE, lifts), pages))


def _written_anew(model, code, names):
    """Make a model with what comes after in place of what was before, for each lift."""
    lifts = re.findall(r"\n# lift \d+, (\w+).*\n#   before: (.*)\n#   after:  (.*)", code)
    after = {name: line.replace(_INNER.match(before)[1], "layer") for name, before, line in lifts}

    def lift(layer, called):
        return eval(after[called], names | {"layer": layer})  # noqa: S307 - what is tested

    def loop(layer, steps):
        return eval(after[layer.name], names | {"layer": layer, "x": steps})  # noqa: S307

    home = sys.modules[model.partition(":")[0]]
    stacked = SimpleNamespace(**{**vars(ops), "stack": lambda called, axis: called})  # noqa: ARG005
    with mock.patch.multiple(home, create=True, _lift=lift, _called=loop, ops=stacked):
        return find_model(model)


def _carry_over(code, names, data):
    """Run the last three lines of the code, for the layer `looped` where they are for a layer."""
    for one in ("old", "new"):
        names[f"{one}_model"](data.inputs)
        by_name = {part.name: part for part in parts_of(names[f"{one}_model"])}
        names[f"{one}_layer"] = by_name.get("looped")
    exec("\n".join(code.split("\n#   ")[-3:]), names)  # noqa: S102 - what is tested


def _differences(old, new, data):
    """Return how far outputs, losses and weights differ, and whether the optimiser is the same."""
    both = []
    for model in (old, new):
        outputs = [*outputs_of(model, data), *map(np.float64, model.losses)]
        loss = np.ravel(model.test_on_batch(data.inputs, data.labels))[:1]
        both.append([*outputs, loss, *model.get_weights()])
    states = zip(old.optimizer.variables, new.optimizer.variables, strict=True)
    return {
        "lifts": len(find_lifts.find_lifts(new)),
        "error": largest_error(*both),
        "largest": float(np.abs(both[0][0]).max()),
        "keeps_state": all(bool(ops.all(before == now)) for before, now in states),
    }
