"""In a notebook the answer has the changed model, and shows that it computes the same."""

import pytest

from tests.support import engines
from timelift.advise.advice import Advice
from timelift.advise.notebook import Answer
from timelift.errors import UserError
from timelift.inner_layer import Factory

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
    code = answer.instead.replace("y = self.layer(", "y = 1.5 * self.layer(")
    return replace(answer, instead=code)

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


@pytest.mark.parametrize(
    "backend", ["tensorflow", pytest.param("jax", marks=pytest.mark.whole), "torch"]
)
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


def test_there_is_no_changed_model_without_a_change():
    keep = Answer(Advice.KEEP, "", "", {}, Factory("a", "b"), "", object())
    with pytest.raises(UserError, match="received keep; keep the model"):
        keep.model  # noqa: B018 - it is what raises


OWN = """
import keras
from keras import layers

class Mine(keras.Model):
    def __init__(self, inner):
        super().__init__(name="mine")
        self.first = layers.Dense(3)
        self.lift = inner
        self.blocks = [layers.TimeDistributed(layers.Dense(3)), layers.BatchNormalization()]
        self.head = Head()

    def call(self, x, training=False):
        x = self.lift(self.first(x), training=training)
        return self.head(self.blocks[1](self.blocks[0](x), training=training))

class Head(layers.Layer):
    def __init__(self):
        super().__init__()
        self._own = layers.TimeDistributed(layers.TimeDistributed(layers.Dense(1)))
        self.by_name = {"td": layers.TimeDistributed(layers.Dense(1))}

    def call(self, x):
        return self.by_name["td"](self._own(x[..., None])[..., 0])

def make(inner=layers.TimeDistributed):
    model = Mine(inner(layers.Dense(4)))
    model.compile("sgd", "mse")
    return model

def built():
    model = make()
    model(keras.ops.ones((5, 4, 2)))
    return model

def within():
    lift = layers.TimeDistributed
    return make(lambda layer: keras.Sequential([keras.Input((4, 3)), lift(layer)], name="within"))

def graph():
    steps = keras.Input((4, 2))
    model = keras.Model(steps, layers.TimeDistributed(layers.Dense(1))(steps))
    model.compile("sgd", "mse")
    return model

def around():
    steps = keras.Input((4, 2))
    inner = layers.TimeDistributed(layers.Dense(1))
    model = keras.Model(steps, inner(Head()(steps)))
    model.compile("sgd", "mse")
    return model

class Held(Mine):
    def __init__(self):
        super().__init__(layers.TimeDistributed(layers.Dense(4)))
        self.compile("sgd", "mse")
"""
IN_PLACE = """
from timelift.errors import UserError
from timelift.worker.find_lifts import find_lifts, layers_of

path = Path(tempfile.mkdtemp(), "own.py")
path.write_text(OWN)

def named(name):
    model = made_by(Factory(str(path), name), ())
    lifts = [LIFT | {"access": lift.access, "inner": "Dense"} for lift in find_lifts(model)]
    described = replace(make_model(lifts=lifts), factory=f"{path}:{name}")
    times, whole = {"time_distributed": 5.0, "fold_time": 1.0}, {"as_written": 3, "changed": 1}
    advice = advised(Path(tempfile.mkdtemp()), described, times, whole)
    return told_of(advice, pages(Project(Path.cwd()))), [lift["access"] for lift in lifts]

def shown(name):
    answer, access = named(name)
    try:
        table = answer.verify(ones(5, 4, 2), ones(5, 4, 1))
    except UserError as error:
        return str(error)
    wrong = wrong_of(answer)
    return {
        "access": access,
        "kinds": [kind for kind, _ in layers_of(answer.model)],
        "differs": float(table["difference"].max()),
        "wrong": float(wrong.verify(ones(5, 4, 2), ones(5, 4, 1))["difference"]["outputs"]),
        "compiled": answer.model.compiled,
    }

print(json.dumps({name: shown(name) for name in NAMES}))
"""


@pytest.mark.parametrize("backend", ["tensorflow", "torch"])
def test_a_model_of_a_class_of_its_own_is_changed_where_its_lifts_stand(backend):
    head = CHANGED.partition("x, y = ones")[0].replace(
        "answer as told_of",
        "answer as told_of\n"
        "from timelift.advise.in_place import made_by\nfrom timelift.inner_layer import Factory",
    )
    names = "NAMES = 'make', 'built', 'Held', 'within', 'graph', 'around'"
    told = engines.run(backend, f"{engines.ENGINE}{head}\nOWN = {OWN!r}\n{names}\n{IN_PLACE}")
    for name in ("make", "built", "Held", "graph"):
        assert told[name]["differs"] < 1e-4
        assert told[name]["wrong"] > 0.1
        assert told[name]["compiled"]
        assert "TimeDistributed" not in told[name]["kinds"]
    access = [".lift", ".blocks[0]", ".head._layers[0]", ".head._layers[0].layer"]
    assert told["make"]["access"] == told["built"]["access"] == [*access, ".head._layers[1]"]
    assert told["make"]["kinds"].count("FoldTime") == 5
    assert told["make"]["kinds"] == told["built"]["kinds"]
    for name in ("within", "around"):
        assert "its lifts cannot be changed here: " in told[name]
        assert told[name].endswith("; timelift advise NAME --fix changes its source")


def test_a_loop_and_a_model_that_is_not_made_here_are_sentences():
    loop = {"advice": "change", "usual": "loop_slice", "after": "FoldTime(step)(x)"}
    answer = Answer(Advice.CHANGE, "", "", {"lifts": [loop]}, Factory("nowhere", "make"), "")
    with pytest.raises(UserError, match=r"write FoldTime\(step\)\(x\) for it where it stands"):
        answer.model  # noqa: B018 - it is what raises
    answer = Answer(Advice.CHANGE, "", "", {"lifts": []}, Factory("nowhere", "make"), "")
    with pytest.raises(UserError, match="nowhere:make makes in this process, too, but ModuleNot"):
        answer.model  # noqa: B018 - as above
