"""What a device attains at best, and what an inner layer asks of it, by TensorFlow."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from timelift.case import Phase
from timelift.worker.engines.rates import SIZES, fastest, rates

#: What the profiler does not look into, or counts as nothing although it is work.
_UNCOUNTED = frozenset(
    {"While", "StatelessWhile", "If", "StatelessIf", "Case", "StatelessCase", "Einsum"}
    | {"PartitionedCall", "StatefulPartitionedCall", "Conv3D", "CudnnRNN", "CudnnRNNV3"}
)


def attainable(device: str) -> dict[str, float]:
    """Measure a float32 product of squares and a copy; return what a second does at best.

    `device` is TensorFlow's name of it.
    """
    side, many = SIZES["gpu" if "gpu" in device else "cpu"]
    with tf.device(device):
        square, long = tf.ones((side, side)), tf.ones((many,))
        product = fastest(tf.function(lambda: tf.matmul(square, square)), _wait)
        copy = fastest(tf.function(lambda: long + 1.0), _wait)
    return rates(side, many, product, copy)


def _wait(_: object) -> None:
    tf.test.experimental.sync_devices()


def work(
    layer: Any, rows: int, features: Sequence[int], dtype: str, phase: Phase
) -> dict[str, int]:
    """Count what the inner layer must do for `rows` steps: `flops`, and the `least_bytes` moved.

    Nothing is claimed of integer inputs, or of layers whose graph the profiler does not see whole,
    such as loops over an axis of their own and einsum.
    """
    if not tf.as_dtype(dtype).is_floating:
        return {}
    body = _forward(layer) if phase is Phase.FORWARD else _backward(layer)
    graph = _needed(tf.function(body), tf.TensorSpec((rows, *features), dtype))
    outputs = layer.compute_output_shape((rows, *features))
    unseen = any(operation.type in _UNCOUNTED for operation in graph.get_operations())
    if unseen or None in outputs:
        return {}
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    found = tf.compat.v1.profiler.profile(graph, options=options | {"output": "none"})
    floats = rows * int(np.prod(features)) + int(np.prod(outputs))
    floats += sum(int(np.prod(weight.shape)) for weight in layer.weights)
    passes = 1 if phase is Phase.FORWARD else 2
    return {
        "flops": int(found.total_float_ops),
        "least_bytes": passes * floats * tf.as_dtype(dtype).size,
    }


def _needed(function: Any, inputs: Any) -> Any:
    """Trace a function and keep what its outputs need: unused gradients are traced too.

    The executor drops them too, before anything runs.
    """
    traced = function.get_concrete_function(inputs).graph
    names = [output.op.name for output in traced.outputs]
    kept = tf.compat.v1.graph_util.extract_sub_graph(traced.as_graph_def(add_shapes=True), names)
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(kept, name="")
    return graph


def _forward(layer: Any) -> Callable[[Any], Any]:
    return lambda inputs: layer(inputs, training=False)


def _backward(layer: Any) -> Callable[[Any], Any]:
    def gradients(inputs: Any) -> Any:
        values = [weight.value for weight in layer.trainable_weights]
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(inputs, training=True))
        return loss, tape.gradient(loss, values)

    return gradients
