"""Models written anew by the code that `advise --code` prints, in one backend."""

import contextlib
import re
import sys
import tempfile
from dataclasses import replace
from types import SimpleNamespace
from unittest import mock

import keras
import numpy as np
from keras import layers, ops

import timelift
from examples import more_models  # noqa: F401 - for scripts
from tests.support.changed_models import BATCH, DATA, largest_error, named, outputs_of
from tests.support.projects import STRATEGIES
from timelift.advise import races
from timelift.advise.advice import Advice, LiftAdvice, decide
from timelift.advise.advice_code import advice_code
from timelift.advise.user_model import Feeding, UserModel
from timelift.axis_values import Backend
from timelift.source import read_source
from timelift.worker import find_lifts, model_data
from timelift.worker.describe import describe_model
from timelift.worker.making import parts_of
from timelift.worker.user_code import find_model

#: The layer inside of a lift, in the code for it as written.
_INNER = re.compile(r"(?:TimeDistributed\(|stack\(\[)(.*?)(?:\((?:step|\[|\{).*|\))$")


def pasted(name, strategy, form):
    """Write a model anew by the code that `advise --code` prints, and compare the two.

    The old model was trained, so its weights, and its optimiser's state, have to be carried over.
    """
    model, feeding = name if ":" in name else named(name), Feeding(DATA.get(name, ""), BATCH, 5)
    old, noise = find_model(model), np.random.default_rng(6)
    if not old.compiled:
        old.compile("adam", "mse")
    data = model_data.data_of(old, *feeding, noise)
    data = model_data.make_ready(old, data, model_data.mode_of(old), noise)
    old.train_on_batch(data.inputs, data.labels)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        old.save("old.keras")
        old.save_weights("old.weights.h5")
        if form == "in memory":
            with mock.patch.object(races, "find_advice", lambda _, seen, *__: _all(seen, strategy)):
                code = timelift.advise(old, batch=BATCH).code
        else:
            code = _code_for("old.keras" if form == "stored" else model, feeding, strategy)
        names = {"model": old}
        exec(code, names)  # noqa: S102 - what is tested
        if form == "by hand":
            names["old_model"] = find_model(model)
            names["new_model"] = _written_anew(model, code, names)
            for one in ("old", "new"):
                names[f"{one}_model"](data.inputs)
                parts = {part.name: part for part in parts_of(names[f"{one}_model"])}
                names[f"{one}_layer"] = parts.get("looped")
            exec("\n".join(code.split("\n#   ")[-3:]), names)  # noqa: S102 - as above
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
    pages = {strategy: read_source(STRATEGIES[strategy].path)}
    return "\n".join(advice_code(_all(model, strategy), pages))


def _all(model, strategy):
    lifts = tuple(LiftAdvice(lift, Advice.CHANGE, strategy) for lift in model.lifts)
    return replace(decide(model), lifts=lifts)


def _written_anew(model, code, names):
    """Make a model with what comes after in place of what was before, for each lift."""
    lifts = re.findall(r"\n# lift \d+, (\w+).*\n#   before: (.*)\n#   after:  (.*)", code)
    after = {name: line.replace(_INNER.match(before)[1], "layer") for name, before, line in lifts}

    def written(layer, steps=None, *, name="", **_):
        line, sequences = after[name or layer.name], {"layer": layer, "x": steps}
        if keras.tree.is_nested(steps):
            pairs = steps.items() if isinstance(steps, dict) else enumerate(steps, 1)
            sequences |= {f"x{n}" if isinstance(n, int) else n: each for n, each in pairs}
        return eval(line, names | sequences)  # noqa: S307 - what is tested

    home = sys.modules[model.partition(":")[0]]
    lifting = SimpleNamespace(**{**vars(layers), "TimeDistributed": written})
    stacked = SimpleNamespace(**{**vars(ops), "stack": lambda called, axis: called})  # noqa: ARG005
    with mock.patch.multiple(
        home, create=True, layers=lifting, _called=written, _stacked=list, ops=stacked
    ):
        return find_model(model)


def _differences(old, new, data):
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
