"""A layer of several inputs and outputs, one with a mask of its own, and lifts with a line each."""

from dataclasses import replace

import keras
import numpy as np
from keras import ops, tree

from tests.support import law_cover
from tests.support.law_cases import ends_of
from timelift.axis_values import Backend, Gradients, Lengths, Mode, Phase, TimeAxis
from timelift.case import Setting
from timelift.errors import UserError
from timelift.inner_layer import read_inputs
from timelift.messages import RivalSpec, Task
from timelift.worker.inputs import draw_shared, layers_behind

INPUTS = "extra=float32[6],token=int32[]<5,words=float32[7,4]+mask"


class Scorer(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.read, self.dense = keras.layers.Dense(6), keras.layers.Dense(6)
        self.embed = keras.layers.Embedding(5, 6)

    def call(self, x, mask=None):
        own = (mask or {}).get("words")
        valid = 1.0 if own is None else ops.cast(own, x["words"].dtype)[..., None]
        read = ops.sum(self.read(x["words"]) * valid, axis=1)
        token = self.embed(x["token"]) * self.dense(x["extra"])
        return {"best": ops.argmax(read, -1), "read": read, "token": token}


class NestedScorer(Scorer):
    """Returns a tuple with a dictionary in it; `tf.vectorized_map` knows no argmax."""

    def call(self, x, mask=None):
        y = super().call(x, mask)
        return y["token"], {"next": x["token"] + 1, "read": y["read"]}


class Lift(keras.layers.Layer):
    """Evaluates a line of the inputs `x`, the words' mask `own`, and `lift`, a right lift."""

    def __init__(self, layer, line):
        super().__init__()
        self.layer, self.line = layer, line

    def call(self, x, mask=None):
        own = (mask or {}).get("words")
        own = ops.ones_like(x["words"][..., 0], dtype="bool") if own is None else own
        lifted = {"lift": self.lift} if "lift" in self.line else {"y": self.lift(x, own)}
        names = {"x": x, "own": own, **lifted}
        return eval(self.line, globals() | names)  # noqa: S307 - a line of the tests

    def lift(self, x, own):
        outputs = []
        for step in range(x["words"].shape[1]):
            inputs = {name: each[:, step] for name, each in x.items()}
            mask = None if own is None else {"words": own[:, step]}
            outputs.append(self.layer(inputs, mask=mask))
        return tree.map_structure(lambda *each: ops.stack(each, axis=1), *outputs)


def build(layer, shape, dtype, line):
    specs = tree.map_shape_structure(keras.KerasTensor, shape)
    inputs = tree.map_structure(lambda x, kind: keras.Input(x.shape, dtype=kind), specs, dtype)
    return keras.Model(inputs, Lift(layer, line)(inputs))


def ends(backend, lines):
    rivals = tuple(RivalSpec(line, __file__, {"line": line}) for line in lines)
    by_phase = {}
    for phase in (Phase.FORWARD, Phase.BACKWARD):
        usual = "nests", 5, 3, phase, Mode.EAGER, Lengths.UNIFORM
        setting = Setting(*usual, Gradients.INPUTS_AND_WEIGHTS, backend=Backend(backend))
        factory, inputs = f"{__file__}:Scorer", read_inputs(INPUTS)
        by_phase[phase] = ends_of(Task(setting, rivals, factory, inputs, 7, 0.0, warms=False))
    return by_phase


def ends_of_strategies(backend, row, inputs, names, path=""):
    """Hold strategies, or the one at `path`, to the law of a phase, mode, time axis and lengths."""
    phase, mode, time_axis, lengths = row
    rivals = [
        replace(one, path=path or one.path, parameters=dict.fromkeys(one.parameters, 2))
        for one in law_cover.rivals(names)
    ]  # with chunks and groups of two
    row = Phase(phase), (Mode(mode), TimeAxis(time_axis)), 3, 4, Lengths(lengths)
    setting = law_cover.setting(Backend(backend), "nests", row)
    factory, inputs = f"{__file__}:NestedScorer", read_inputs(inputs)
    return ends_of(Task(setting, tuple(rivals), factory, inputs, 7, 0.0, warms=False, law_steps=9))


def drawn(text, *layers):
    """Draw the inputs of layers in a row, and their masks; return why if they do not fit."""
    inputs, layer = read_inputs(text), keras.Sequential(layers)
    task = Task(Setting("any", 6, 4, Phase.FORWARD), (), "", inputs, 7, 0.0)
    try:
        behind = layers_behind(layer, inputs)
    except UserError as error:
        return str(error)
    shared = draw_shared(task, behind, (), np.random.default_rng(7))
    return [None if each is None else each.tolist() for each in (*shared.tensors, *shared.masks)]
