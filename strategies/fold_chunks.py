"""Time folded into the batch, k steps at a time.

When: `fold_time` is wanted but the activations of all steps do not fit in memory. With `remat` a
backward call keeps only what goes into each chunk and computes the rest again.
When not: memory suffices: each chunk is a smaller, less efficient call, and the graph holds one
copy of the layer a chunk, some of which TensorFlow may run at the same time. Or with `remat`, where
TensorFlow draws noise anew for what it computes again, so that its gradients are of other noise.

Source: keras.remat; Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".
"""

import functools
import numbers

import keras
from keras import ops

DEFAULT = False
VARIANTS = ({"k": 8}, {"k": 8, "remat": True})

DROPOUT = "independent"
BATCH_NORM = "per_chunk"
INNER_LOSSES = "averaged_per_chunk"
MASKS = "passed"
PADDED_STEPS = "computed"

#: Attributes of Keras's layers that hold the rate or size of noise in training.
NOISE = ("rate", "stddev", "dropout", "recurrent_dropout")


@keras.saving.register_keras_serializable(package="fold_chunks")
class FoldChunks(keras.layers.Wrapper):
    """Calls the layer once for each `k` steps of all sequences."""

    def __init__(self, layer, k=8, *, remat=False, dtype=None, **kwargs):
        super().__init__(layer, dtype=dtype or layer.dtype_policy, **kwargs)
        self.k, self.remat = k, remat
        self.supports_masking = True

    def get_config(self):
        """Return what `from_config` makes an equal layer from."""
        return {**super().get_config(), "k": self.k, "remat": self.remat}

    def build(self, shape):
        """Let the layer build itself, by a call on one step."""
        self.layer(keras.KerasTensor((shape[0], *shape[2:])))

    def compute_output_spec(self, x, training=None, mask=None):
        """Put time back behind the batch of the layer's own outputs."""
        y = self.layer.compute_output_spec(keras.KerasTensor((x.shape[0], *x.shape[2:]), x.dtype))
        return keras.KerasTensor((*x.shape[:2], *y.shape[1:]), y.dtype)

    def call(self, x, training=None, mask=None):
        """Cut time into chunks of `k` steps, the last one shorter; fold each; join them."""
        fold = functools.partial(self.fold, training=training)  # bound for recomputing too
        fold = keras.remat(fold) if self.remat else fold
        cuts = list(range(self.k, x.shape[1], self.k))
        chunks = ops.split(x, cuts, axis=1) if cuts else [x]  # each: batch, k, *features
        return ops.concatenate([fold(chunk) for chunk in chunks], axis=1)  # batch, time, *outputs

    def fold(self, x, training):
        """Call the layer once on the steps of one chunk."""
        batch, k, *features = ops.shape(x)
        y = self.layer(ops.reshape(x, (batch * k, *features)), training=training)
        return ops.reshape(y, (batch, k, *ops.shape(y)[1:]))  # batch, k, *outputs


def refuses(layer, setting, *, remat=False):
    """Refuse an unknown number of chunks, and what JAX cannot assign when it recomputes one."""
    if setting.time_axis == "dynamic" and setting.mode != "eager":
        return "the number of chunks must be known when they are traced, and time is dynamic."
    if remat and setting.backend == "jax" and setting.phase == "backward" and assigns(layer):
        return "JAX takes nothing that the layer assigns out of what is computed again."
    return None


def assigns(layer):
    """True if training assigns: to batch statistics, or to the seeds that noise is drawn from."""
    parts = layer._flatten_layers()  # noqa: SLF001
    statistics = keras.layers.BatchNormalization
    return any(noisy(one) or (isinstance(one, statistics) and one.trainable) for one in parts)


def noisy(part):
    """True if a layer draws noise in training."""
    rates = (getattr(part, name, 0) for name in NOISE)  # in other layers these are weights
    return any(isinstance(rate, numbers.Real) and rate > 0 for rate in rates)


def build(layer, shape, dtype=None, *, k=8, remat=False):
    """Lift `layer` by folding `k` steps at a time, recomputed when differentiated if `remat`."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, *features
    return keras.Model(inputs, FoldChunks(layer, k, remat=remat)(inputs))  # batch, time, *outputs
