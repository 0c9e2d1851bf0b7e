"""One small model written in several ways, for tests of which of their programs are equal.

A script runs `said` where a backend is imported: it builds each variant, compares its program with
that of the first one, as a launch does, and returns the facts that this leaves, by name.
"""

import numpy as np

from tests import engines

SCRIPT = """
import json
from tests.program_variants import said
from timelift.case import Mode, Phase, Setting
setting = Setting("any", 5, 2, Phase.{phase}, Mode.{mode}, backend="{backend}")
print(json.dumps([said(setting, {names}), said(setting, ["other sum"], "sum")]))
"""


def told(backend, mode, phase, *names, before=""):
    """The facts of variants beside the first, and of a sum in another order beside a sum."""
    script = SCRIPT.format(backend=backend, mode=mode, phase=phase, names=[*names])
    found, sums = engines.told(backend, before + script)
    return found | sums


def same_in(found):
    """The variants that would not be timed."""
    return {name for name, facts in found.items() if facts.get("same_program")}


STEPS = np.arange(20.0).reshape(5, 4).astype("float32")
OTHER_STEPS = STEPS + (STEPS[-1, -1] == STEPS)


def _variants():
    import keras
    from keras import ops

    def combined(h, constant=STEPS, *, late=False):
        if late:
            b = ops.relu(h * constant)
            a = ops.tanh(h)
        else:
            a = ops.tanh(h)
            b = ops.relu(h * constant)
        return ops.concatenate([a, b], axis=-1)

    def summed(h, first, second):
        once = ops.sum(h, axis=first, keepdims=True)
        return h + ops.sum(ops.tanh(once), axis=second, keepdims=True)

    class Work(keras.layers.Layer):
        def __init__(self, work, **named):
            super().__init__(**named)
            self.work = work

        def call(self, x):
            return self.work(x)

    def model(work, name=None):
        def build(layer):
            inputs = keras.Input((5, 3), name=name and f"{name}_in")
            outputs = Work(work, name=name and f"{name}_work")(layer(inputs))
            return keras.Model(inputs, outputs, name=name)

        return build

    return {
        "first": model(combined),
        "again": model(combined),
        "renamed": model(combined, "renamed"),
        "reordered": model(lambda h: combined(h, late=True)),
        "cast": model(lambda h: combined(ops.cast(1.1 * ops.cast(h, "float16"), "float32"))),
        "copy": model(lambda h: combined(ops.roll(ops.roll(h, 1, axis=1), -1, axis=1))),
        "constant": model(lambda h: combined(h, OTHER_STEPS)),
        "sum": model(lambda h: combined(summed(h, 1, 2))),
        "other sum": model(lambda h: combined(summed(h, 2, 1))),
        "identities": model(lambda h: combined(_chain(h))),
        "python": model(lambda h: combined(_in_python(h))),
    }


def _chain(h):
    import tensorflow as tf

    for _ in range(20):
        h = tf.identity(h)
    return h


def _in_python(h):
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.pure_callback(lambda t: t, h, h)
    import tensorflow as tf

    return tf.ensure_shape(tf.py_function(lambda t: t, [h], h.dtype), h.shape)


def said(setting, names, base="first"):
    """Compare each variant with the base; its facts by name."""
    import keras

    from timelift.case import Phase
    from timelift.messages import RivalSpec
    from timelift.worker.engines import Feed, open_engine
    from timelift.worker.equal_programs import compare_programs
    from timelift.worker.inputs import call_once
    from timelift.worker.prepare import PreparedRival

    engine = open_engine(setting)
    layer = keras.layers.Dense(4)
    layer.build((3, 3))
    backward = setting.phase is Phase.BACKWARD
    inputs = np.linspace(-1, 1, 30).reshape(2, 5, 3).astype("float32")

    def prepared(name, build):
        model = build(layer)
        compiled = engine.compile(model, setting, training=backward)
        cotangent = np.ones((2, *model.output_shape[1:]), "float32")
        feed = Feed(engine.place(inputs), None, engine.place(cotangent) if backward else None)
        with compiled.keeping_program():
            compiled.trace(feed)
            call_once(engine, compiled, feed)
        return PreparedRival(RivalSpec(name, "", pair="pair"), compiled, feed)

    variants = _variants()
    first = prepared("first", variants[base])
    return {
        name: compare_programs(
            [first, prepared(name, variants[name])], ["pair"], engine, lambda _: None
        )[name]
        for name in names
    }
