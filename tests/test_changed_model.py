"""In a notebook the answer has the changed model, and shows that it computes the same."""

import pytest

from tests.support import engines
from timelift.advise.advice import Advice
from timelift.advise.notebook import Answer
from timelift.errors import UserError

CHANGED = """
import tempfile
from dataclasses import replace
from pathlib import Path
from tests.support.advised import LIFT, WHOLE, advised, make_model
from timelift.advise.notebook import answer as told_of
from timelift.advise.races import pages
from timelift.project import Project

def make(noise=0.0, loss="mse"):
    lift = keras.layers.TimeDistributed(keras.layers.Dense(3), name="lift")
    parts = [lift, keras.layers.Dropout(noise), keras.layers.Dense(2, name="head")]
    model = keras.Sequential([keras.Input((4, 2)), *parts])
    model.compile(keras.optimizers.Adam(1e-3), loss)
    return model

def answer_of(model, strategy="fold_time", masked=False):
    lift = LIFT | {"access": ".get_layer('lift')", "masked": masked}
    times, described = {"time_distributed": 5.0, strategy: 1.0}, make_model(lifts=[lift])
    advice = advised(Path(tempfile.mkdtemp()), described, times, {"as_written": 3, "changed": 1})
    return told_of(advice, pages(Project(Path.cwd())), at_hand=model)

def wrong_of(answer):
    return replace(answer, code=answer.code.replace("y = self.layer(", "y = 1.5 * self.layer("))

x, y = ones(5, 4, 2), ones(5, 4, 2)
model = make()
model.train_on_batch(x, y)
before = [*model.get_weights(), *(v.numpy() for v in model.optimizer.variables)]
answer = answer_of(model)
table = answer.verify(x, y, steps=2)
after = [*model.get_weights(), *(v.numpy() for v in model.optimizer.variables)]
path = tempfile.mkdtemp() + "/new.keras"
answer.model.save(path)
loaded = keras.saving.load_model(path)  # in the safe mode
def apart(a, b):
    numpy = keras.ops.convert_to_numpy
    return float(np.abs(numpy(a) - numpy(b)).max())
every = [(name, masked) for name in ("native", "fold_time", "vectorized_map") for masked in (0, 1)]
found = {f"{name}{masked}": answer_of(make(), name, bool(masked)) for name, masked in every}
told = {
    "rows": list(table.index),
    "largest": float(table["difference"].max()),
    "loss": float(table["as written"]["loss of step 1"]),
    "wrong": float(wrong_of(answer).verify(x, y)["difference"]["outputs"]),
    "each": {name: float(one.verify(x, y)["difference"].max()) for name, one in found.items()},
    "lines": {name: one.code.count("\\n") for name, one in found.items()},
    "left": max(map(apart, before, after)),
    "names": [layer.name for layer in answer.model.layers],
    "kinds": [type(layer).__name__ for layer in loaded.layers],
    "loaded": apart(loaded(x), answer.model(x)),
    "optimiser": apart(answer.model.optimizer.variables[0], model.optimizer.variables[0]),
}
print(json.dumps(told))
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_the_changed_model_is_stored_and_computes_the_same(backend):
    told = engines.run(backend, engines.ENGINE + CHANGED)
    assert told["rows"] == ["outputs", "loss of step 1", "loss of step 2", "weights after 2 steps"]
    assert told["largest"] < 1e-4
    assert told["loss"] > 0
    assert told["wrong"] > 0.1
    assert max(told["each"].values()) < 1e-4
    assert len(told["each"]) == 6
    shorter = {
        name for name in told["lines"] if told["lines"][f"{name[:-1]}0"] < told["lines"][name]
    }
    assert shorter == {"fold_time1", "vectorized_map1"}  # what no mask reaches is shorter
    assert told["left"] == told["loaded"] == told["optimiser"] == 0
    assert told["names"] == ["lift", "dropout", "head"]
    assert told["kinds"] == ["FoldTime", "Dropout", "Dense"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(Advice.KEEP, "", "", {}, object()), "received keep; keep the model"),
        (Answer(Advice.CHANGE, "", "", {}), "timelift advise NAME --fix changes its source"),
    ],
)
def test_there_is_no_changed_model_without_a_change_or_a_model(answer, said):
    with pytest.raises(UserError, match=said):
        answer.model  # noqa: B018 - it is what raises
