"""TensorFlow's calls: eager, `tf.function`, and `tf.function(jit_compile=True)` for xla."""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf
from tensorflow.python.eager import context

from timelift.case import Gradients, Mode, Phase, Setting, TimeAxis
from timelift.worker.engines import Feed
from timelift.worker.programs import Program, digest_of
from timelift.worker.programs.graph_def import optimised_program, traced_program
from timelift.worker.programs.hlo import hlo_program


class TensorFlowCompiled:
    """One model in one phase and mode; counts its traces from inside the traced Python."""

    def __init__(self, model: Any, setting: Setting, device: str, *, training: bool) -> None:
        self.traces = 0
        self._concrete: Any = None
        self._feed: Feed | None = None
        self._optimised_graphs: list[Any] = []
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
        self._feed = feed
        self._concrete = self._function.get_concrete_function(*specs)

    @functools.cached_property
    def nodes(self) -> int | None:
        """Return the nodes of the graph and of all functions inside it; None in eager mode."""
        if self._concrete is None:
            return None
        graph = self._concrete.graph.as_graph_def()
        return len(graph.node) + sum(len(inner.node_def) for inner in graph.library.function)

    @contextmanager
    def keeping_program(self) -> Iterator[None]:
        """Keep the graphs that TensorFlow optimises meanwhile, which costs about a millisecond."""
        if self._setting.mode is not Mode.GRAPH:
            yield
            return
        context.context().enable_graph_collection()
        try:
            yield
            ran = context.context().export_run_metadata().function_graphs
            self._optimised_graphs = [one.post_optimization_graph for one in ran]
        finally:
            context.context().disable_graph_collection()

    @functools.cached_property
    def traced_program(self) -> Program | None:
        if self._concrete is None or None in self._arguments:
            return None
        graph = self._concrete.graph
        names = [one.op.name for one in self._concrete.inputs]
        return traced_program(
            graph.as_graph_def(),
            dict(zip(names, map(str, self._arguments), strict=True)),
            [one.name for one in self._concrete.outputs],
            [one.name for one in graph.control_outputs],
        )

    @functools.cached_property
    def optimised_program(self) -> Program | None:
        if self._concrete is None or None in self._arguments:
            return None
        arguments = list(map(str, self._arguments))
        if self._setting.mode is Mode.XLA:
            return self._compiled_program(arguments)
        if len(self._optimised_graphs) != 1:
            return None
        (graph,), self._optimised_graphs = self._optimised_graphs, []
        return optimised_program(graph, arguments)

    def _compiled_program(self, arguments: Sequence[str]) -> Program:
        """Compile once more, and return the program of what XLA makes of it."""
        assert self._feed is not None
        text = self._function.experimental_get_compiler_ir(*self._feed.arguments)
        return hlo_program(text(stage="optimized_hlo"), arguments, self._constants)

    def _constants(self) -> list[bytes]:
        graph = self._concrete.graph.as_graph_def()
        bodies = [one.node_def for one in graph.library.function]
        nodes = [node for some in (graph.node, *bodies) for node in some if node.op == "Const"]
        return sorted(one.attr["value"].SerializeToString(deterministic=True) for one in nodes)

    @functools.cached_property
    def _arguments(self) -> list[str | None]:
        """What each input of the graph is, by place or by value; None where that is not known."""
        captured = self._concrete.captured_inputs
        variables = {id(one.value.handle): place for place, one in enumerate(self._model.variables)}
        inputs = len(self._concrete.inputs) - len(captured)
        return [f"input {place}" for place in range(inputs)] + [
            f"variable {variables[id(one)]}" if id(one) in variables else _value(one)
            for one in captured
        ]

    def _spec(self, tensor: Any) -> Any:
        if tensor is None or isinstance(tensor, tf.RaggedTensor):
            return None if tensor is None else tf.type_spec_from_value(tensor)
        shape = list(tensor.shape)
        if self._setting.time_axis is TimeAxis.DYNAMIC:
            shape[1] = None
        return tf.TensorSpec(shape, tensor.dtype)

    def bind(self, feed: Feed) -> Callable[[], Any]:
        return functools.partial(self._function, *feed.arguments)


def _value(tensor: Any) -> str | None:
    """Return a digest of a captured tensor; None where it is a resource."""
    if not hasattr(tensor, "numpy") or tensor.dtype in {tf.resource, tf.variant}:
        return None
    array = tensor.numpy()
    return f"{array.dtype} {array.shape} {digest_of(array.tobytes())}"


def _flat(value: Any) -> Any:
    return value.flat_values if isinstance(value, tf.RaggedTensor) else value
