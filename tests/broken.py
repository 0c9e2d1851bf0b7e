"""Strategies that look right and are not, each with the phases it breaks and what must be said."""

_HEAD = '"""A wrong strategy."""\nimport keras\nfrom keras import ops\n'
_LAYER = """
class Wrong(keras.layers.Wrapper):
    def build(self, shape):
        super().build((shape[0], *shape[2:]))

    def compute_output_shape(self, shape):
        inner = self.layer.compute_output_shape((shape[0], *shape[2:]))
        return (shape[0], shape[1], *inner[1:])

    def call(self, x):
        steps = [self.layer(x[:, t]) for t in range(x.shape[1])]
        {body}

def build(layer, shape, dtype=None):
    inputs = keras.Input(shape, dtype=dtype)
    return keras.Model(inputs, Wrong(layer)(inputs))
"""
_CLOSURE = """
def build(layer, shape, dtype=None):
    inputs = keras.Input(shape, dtype=dtype)
    def loop(x):
        return ops.stack([layer(x[:, t]) for t in range(shape[0])], axis=1)
    units = layer.compute_output_shape((1, *shape[1:]))[1:]
    return keras.Model(inputs, keras.layers.Lambda(loop, output_shape=(shape[0], *units))(inputs))
"""


def _wrong(body: str) -> str:
    return _HEAD + _LAYER.format(body=body)


#: name -> (the file's text, {phase: a part of the sentence that must be said})
STRATEGIES = {
    "shifted": (
        _wrong("return ops.stack(steps[1:] + steps[:1], axis=1)"),
        {"forward": "outputs at step 0 differ", "backward": "input gradient at step 0 differs"},
    ),
    "last_step_wrong": (
        _wrong("return ops.stack([*steps[:-1], steps[-1] * 1.001], axis=1)"),
        {"forward": "outputs at step 4 differ", "backward": "input gradient at step 4 differs"},
    ),
    "leaks_time": (
        _wrong("return ops.stack(steps, axis=1) + 1e-6 * ops.mean(steps[0])"),
        {"forward": "outputs at step 0 differ", "backward": "differs"},
    ),
    "gradient_stopped": (
        _wrong("return ops.stack([*steps[:-1], ops.stop_gradient(steps[-1])], axis=1)"),
        {"backward": "input gradient at step 4 differs"},
    ),
    "time_lost": (
        _wrong("return ops.stack(steps[:-1], axis=1)"),
        {
            "forward": "returns shape (3, 4, 16) where the law wants (3, 5, 16)",
            "backward": "Shapes (3, 4, 16) and (3, 5, 16) are incompatible",
        },
    ),
    "closure_trains_nothing": (
        _HEAD + _CLOSURE,
        {"forward": "would not train the layer", "backward": "would not train the layer"},
    ),
}
