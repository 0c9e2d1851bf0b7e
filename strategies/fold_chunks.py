"""Time folded into the batch, k steps at a time.

When: `fold_time` is wanted but the activations of all steps do not fit in memory. With `remat` a
backward call keeps only what goes into each chunk and computes the rest again.
When not: memory suffices: each chunk is a smaller, less efficient call, and the graph holds one
copy of the layer a chunk, some of which TensorFlow may run at the same time. `remat` refuses noise
and batch statistics: what it computes again would draw other noise, and move statistics twice.

Source: keras.remat; Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".
"""

import functools
import numbers
from inspect import signature

import keras
from keras import ops, tree

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
        super().__init__(layer, dtype=dtype or layer.compute_dtype, **kwargs)
        self.takes_mask = "mask" in signature(layer.call).parameters
        self.k, self.remat = k, remat
        self.built, self.specs = True, None  # the layer builds itself when it is called

    def get_config(self):
        """Return what `from_config` makes an equal layer from."""
        return {**super().get_config(), "k": self.k, "remat": self.remat}

    def compute_output_spec(self, x, training=None, mask=None):
        """Call the layer on one step, and put time back behind the batch of its outputs."""
        step = tree.map_structure(lambda x: keras.KerasTensor(x.shape, x.dtype)[:, 0], x)
        y, sizes = self.layer(step), tree.flatten(x)[0].shape[:2]  # batch, time
        return tree.map_structure(lambda y: keras.KerasTensor((*sizes, *y.shape[1:]), y.dtype), y)

    def call(self, x, training=None, mask=None):
        """Cut time into chunks of `k` steps, the last one shorter; fold each; join them."""
        masks = tree.flatten(mask if self.takes_mask else None)
        own = {n: m for n, m in enumerate(masks) if m is not None and m.ndim > 2}
        cuts = list(range(self.k, tree.flatten(x)[0].shape[1], self.k))
        cut = [ops.split(one, cuts, axis=1) if cuts else [one] for one in tree.flatten((x, own))]
        chunks = [tree.pack_sequence_as((x, own), chunk) for chunk in zip(*cut, strict=True)]
        y = []  # of each chunk: batch, k, *outputs
        for steps, own in chunks:
            fold = functools.partial(self.fold, own, training)  # bound for recomputing too
            y.append((keras.remat(fold) if self.remat else fold)(steps))
        return tree.map_structure(lambda *y: ops.concatenate(y, axis=1), *y)

    def fold(self, own, training, x):
        """Call the layer once on the steps of one chunk; `own` has masks by number of a tensor."""
        batch, k = ops.shape(tree.flatten(x)[0])[:2]
        rows = batch * k
        x, own = tree.map_structure(lambda x: ops.reshape(x, (rows, *ops.shape(x)[2:])), (x, own))
        masks = tree.pack_sequence_as(x, [own.get(n) for n, _ in enumerate(tree.flatten(x))])
        y = self.layer(x, training=training, **({"mask": masks} if own else {}))
        return tree.map_structure(lambda y: ops.reshape(y, (batch, k, *ops.shape(y)[1:])), y)

    def compute_mask(self, x, mask):
        """Return a step's own mask for outputs that have its axes, (batch, time) for others."""
        self.specs = self.specs or tree.flatten(self.compute_output_spec(x))
        mask = max(tree.flatten(mask), key=lambda one: len(getattr(one, "shape", ())))
        own = tuple(getattr(mask, "shape", ())[2:])
        steps = ops.any(mask, axis=tuple(range(2, len(own) + 2))) if own else mask
        return [mask if y.shape[2:-1][: len(own)] in (own, (None,)) else steps for y in self.specs]


def refuses(layer, setting, *, remat=False):
    """Refuse an unknown number of chunks, and what training would assign once more with `remat`."""
    if setting.time_axis == "dynamic" and setting.mode != "eager":
        return "the number of chunks must be known when they are traced, and time is dynamic."
    if remat and setting.differentiates and assigns(layer):
        return "what is computed again would draw other noise, or move statistics once more."
    return None


def assigns(layer):
    """True if training assigns: to batch statistics, or to the seeds that noise is drawn from."""
    parts = layer._flatten_layers()  # noqa: SLF001
    rates = (getattr(part, name, 0) for part in parts for name in NOISE)  # elsewhere: weights
    noisy = any(isinstance(rate, numbers.Real) and rate > 0 for rate in rates)
    statistics = (part for part in parts if isinstance(part, keras.layers.BatchNormalization))
    return noisy or any(part.trainable for part in statistics)


def build(layer, shape, dtype=None, *, k=8, remat=False):
    """Lift `layer` by folding `k` steps at a time, recomputed when differentiated if `remat`."""
    specs = tree.map_shape_structure(keras.KerasTensor, shape)
    inputs = tree.map_structure(lambda x, kind: keras.Input(x.shape, dtype=kind), specs, dtype)
    return keras.Model(inputs, FoldChunks(layer, k, remat=remat)(inputs))  # batch, time, *outputs
