"""In a notebook the answer has the changed model, and shows that it computes the same."""

import pytest

from tests.support import engines
from timelift.advise.advice import Advice
from timelift.advise.notebook import Answer
from timelift.errors import UserError

CHANGED = """
import tempfile
from dataclasses import replace
from tests.support.advised import make_model
from tests.support.projects import STRATEGIES
from timelift.advise.advice import Advice
from timelift.advise.advice_code import _cloned
from timelift.advise.notebook import Answer
from timelift.source import read_source

def make(noise=0.0, loss="mse"):
    lift = keras.layers.TimeDistributed(keras.layers.Dense(3), name="lift")
    parts = [lift, keras.layers.Dropout(noise), keras.layers.Dense(2, name="head")]
    model = keras.Sequential([keras.Input((4, 2)), *parts])
    model.compile(keras.optimizers.Adam(1e-3), loss)
    return model

def answer_of(model, page):
    lift = replace(make_model().lifts[0], access=".get_layer('lift')")
    code = [page, *_cloned("", {lift: "fold_time"}, {"fold_time": source})]
    return Answer(Advice.CHANGE, "", "\\n".join(code), {}, model)

source = read_source(STRATEGIES["fold_time"].path)
x, y = ones(5, 4, 2), ones(5, 4, 2)
model = make()
model.train_on_batch(x, y)
before = [*model.get_weights(), *(v.numpy() for v in model.optimizer.variables)]
answer = answer_of(model, source.text)
table = answer.verify(x, y, steps=2)
after = [*model.get_weights(), *(v.numpy() for v in model.optimizer.variables)]
path = tempfile.mkdtemp() + "/new.keras"
answer.model.save(path)
loaded = keras.saving.load_model(path)  # in the safe mode
def apart(a, b):
    numpy = keras.ops.convert_to_numpy
    return float(np.abs(numpy(a) - numpy(b)).max())
wrong = answer_of(make(), source.text.replace("y = self.layer(", "y = 1.5 * self.layer("))
told = {
    "rows": list(table.index),
    "largest": float(table["difference"].max()),
    "loss": float(table["as written"]["loss of step 1"]),
    "wrong": float(wrong.verify(x, y)["difference"]["outputs"]),
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
