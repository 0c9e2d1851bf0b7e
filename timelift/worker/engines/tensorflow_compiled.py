"""TensorFlow's calls: eager, `tf.function`, and `tf.function(jit_compile=True)` for xla."""

import functools
from collections import Counter
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from timelift.case import Gradients, Mode, Phase, Setting, TimeAxis
from timelift.worker.engines import Feed


class TensorFlowCompiled:
    """One model in one phase and mode; counts its traces from inside the traced Python."""

    def __init__(self, model: Any, setting: Setting, device: str, *, training: bool) -> None:
        self.traces = 0
        self._concrete: Any = None
        self._model, self._training, self._device = model, training, device
        self._setting = setting
        body = self._forward if setting.phase is Phase.FORWARD else self._backward
        self._function = self._wrapped(body)

    def _wrapped(self, body: Callable[..., Any]) -> Any:
        if self._setting.mode is Mode.EAGER:
            return body
        return tf.function(body, jit_compile=self._setting.mode is Mode.XLA, autograph=False)

    def _outputs(self, inputs: Any, mask: Any) -> Any:
        self.traces += self._setting.mode is not Mode.EAGER
        with tf.device(self._device):
            return self._model(inputs, training=self._training, mask=mask)

    def _forward(self, inputs: Any, mask: Any = None) -> Any:
        return self._outputs(inputs, mask)

    def _backward(self, inputs: Any, mask: Any, cotangent: Any) -> Any:
        sources = [weight.value for weight in self._model.trainable_weights]
        with tf.GradientTape() as tape:
            if self._setting.gradients is Gradients.INPUTS_AND_WEIGHTS:
                sources = [_flat(inputs), *sources]
                tape.watch(sources[0])
            outputs = _flat(self._outputs(inputs, mask))
            outputs.shape.assert_is_compatible_with(cotangent.shape)  # or they would broadcast
            loss = tf.reduce_sum(outputs * cotangent)
        return loss, tape.gradient(loss, sources)

    def trace(self, feed: Feed) -> None:
        """Trace the function for the feed's shapes, with time unknown on a dynamic time axis."""
        if self._setting.mode is Mode.EAGER:
            return
        specs = [self._spec(one) for one in feed.arguments]
        self._concrete = self._function.get_concrete_function(*specs)

    @functools.cached_property
    def operations(self) -> Counter[str] | None:
        """The nodes of the graph and of all functions inside it; None in eager mode."""
        if self._concrete is None:
            return None
        graph = self._concrete.graph.as_graph_def()
        bodies = (inner.node_def for inner in graph.library.function)
        return Counter(node.op for nodes in (graph.node, *bodies) for node in nodes)

    def _spec(self, tensor: Any) -> Any:
        if tensor is None or isinstance(tensor, tf.RaggedTensor):
            return None if tensor is None else tf.type_spec_from_value(tensor)
        shape = list(tensor.shape)
        if self._setting.time_axis is TimeAxis.DYNAMIC:
            shape[1] = None
        return tf.TensorSpec(shape, tensor.dtype)

    def bind(self, feed: Feed) -> Callable[[], Any]:
        return functools.partial(self._function, *feed.arguments)


def _flat(value: Any) -> Any:
    return value.flat_values if isinstance(value, tf.RaggedTensor) else value
