"""A ragged tensor: call the layer on its flat values.

When: sequences arrive ragged: their steps already lie in memory one after another, so there is no
padding, no mask, nothing to gather, and one call.
When not: what follows needs a rectangle; another backend than TensorFlow.

Source: tf.RaggedTensor.with_flat_values; keras.Input(ragged=True).
"""

import keras
from keras import KerasTensor, tree

DEFAULT = False
BACKENDS = ("tensorflow",)
TAKES = "ragged"

DROPOUT = "independent"
BATCH_NORM = "pooled"
INNER_LOSSES = "averaged"
MASKS = "row_lengths"
PADDED_STEPS = "none"


@keras.saving.register_keras_serializable(package="ragged_flat_values")
class FlatValues(keras.layers.Wrapper):
    """Calls the layer once on the steps of all sequences, which have no padding."""

    def __init__(self, layer, dtype=None, **kwargs):
        super().__init__(layer, dtype=dtype or layer.compute_dtype, **kwargs)
        self.built = True  # the layer builds itself when it is called

    def compute_output_spec(self, x, training=None, mask=None):
        """Call the layer on one step, and put time back behind the batch of its outputs."""
        batch, time = tree.flatten(x)[0].shape[:2]
        y = self.layer(tree.map_structure(lambda x: KerasTensor((None, *x.shape[2:]), x.dtype), x))
        return tree.map_structure(lambda y: KerasTensor((batch, time, *y.shape[1:]), y.dtype), y)

    def call(self, x, training=None, mask=None):
        """Keep the row lengths, replace the values."""
        steps = tree.map_structure(lambda x: x.flat_values, x)  # steps of all sequences, *features
        y = self.layer(steps, training=training)  # steps of all sequences, *outputs
        return tree.map_structure(tree.flatten(x)[0].with_flat_values, y)  # batch, (time), *outputs


def refuses(layer, setting, *, masked=False):  # noqa: ARG001
    """Refuse a mask of the step's own."""
    if any(tree.flatten(masked)):
        return "a ragged tensor comes without a mask, and the step has one of its own."
    return None


def build(layer, shape, dtype=None):
    """Lift `layer` over ragged inputs."""
    specs = tree.map_shape_structure(KerasTensor, shape)
    inputs = tree.map_structure(
        lambda x, kind: keras.Input((None, *x.shape[1:]), dtype=kind, ragged=True), specs, dtype
    )
    return keras.Model(inputs, FlatValues(layer)(inputs))  # batch, (time), *outputs
