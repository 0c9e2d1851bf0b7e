"""Loops over the steps of a sequence, as they are written by hand in a functional model.

Its graph has what takes steps out of a sequence, a layer that is called for each, and what stacks
its outputs again. Such a loop is changed in place: the layer hands its inputs on, and what stacked
its outputs stacks those, and calls at once what lifts the layer.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

#: What takes one step out of a sequence, with the strategy that does so, and what puts steps
#: together again.
_TAKES = {"GetItem": "loop_slice", "Unstack": "loop_unstack"}
_PUTS = frozenset({"Stack", "Concatenate"})
_ALL = slice(None)


@dataclass
class Loop:
    """A layer `inner` that is called for every step of a sequence, and `stack` for its outputs.

    It is given (batch, time, *features) of a dtype, `shape` without the batch.
    """

    inner: Any
    stack: Any
    strategy: str
    shape: tuple[int, ...]
    dtype: str

    def given(self, outputs: Sequence[Any]) -> tuple[tuple[int, ...], str]:
        """Return the shape and dtype of the sequence whose steps have these outputs."""
        return (int(outputs[0].shape[0]), *self.shape), self.dtype

    def change(self, lift: Callable[[Any], Any]) -> None:
        """Let a call of all steps at once, (batch, time, …) to the same, take the loop's place."""
        import keras  # noqa: PLC0415 - the backend is chosen by now

        one_step = self.inner.call
        is_lifting = False

        def hand_on(inputs: Any, *args: Any, **kwargs: Any) -> Any:
            return one_step(inputs, *args, **kwargs) if is_lifting else inputs

        def call(inputs: Sequence[Any]) -> Any:
            nonlocal is_lifting
            is_lifting = True
            try:
                return lift(keras.ops.stack(inputs, axis=1))
            finally:
                is_lifting = False

        self.inner.call, self.stack.call = hand_on, call


def loops_in(model: Any) -> Iterator[Loop]:
    """Yield the loops of a functional model that can be changed in place; of another one none.

    A loop takes every step of one sequence in order, calls the layer for nothing else, and stacks
    its outputs along time. What the layer adds to the loss of its own outputs would be lost.
    """
    for layer, nodes in _called_by_step(model):
        if loop := _loop(model, layer, nodes):
            yield loop


def named_alone(model: Any) -> Iterator[tuple[str, int]]:
    """Yield the name of each layer that is called step by step in another way, and how often."""
    for layer, nodes in _called_by_step(model):
        after = {type(one.operation).__name__ for one in layer._outbound_nodes}  # noqa: SLF001
        if after & _PUTS and not _loop(model, layer, nodes):
            yield layer.name, len(nodes)


def _called_by_step(model: Any) -> Iterator[tuple[Any, list[Any]]]:
    """Yield each layer that is called on steps of one tensor, with the nodes of its calls."""
    graph = _graph_of(model)
    for layer in {id(one.operation): one.operation for one in graph}.values():
        nodes = [one for one in graph if one.operation is layer]
        if len(nodes) < 2 or any(len(one.input_tensors) != 1 for one in nodes):  # noqa: PLR2004
            continue
        sources = [source_of(one.input_tensors[0]) for one in nodes]
        takes = all(type(one.operation).__name__ in _TAKES for one in sources)
        if takes and len({id(one.input_tensors[0]) for one in sources}) == 1:
            yield layer, nodes


def _graph_of(model: Any) -> list[Any]:
    """Return the calls in the graph of a functional model, of no other graph of its layers."""
    by_depth = getattr(model, "_nodes_by_depth", {})
    return [node for _, nodes in sorted(by_depth.items(), reverse=True) for node in nodes]


def source_of(tensor: Any) -> Any:
    """Return the node of a graph that makes a tensor."""
    operation, index, _ = tensor._keras_history  # noqa: SLF001 - Keras has no other way
    return operation._inbound_nodes[index]  # noqa: SLF001


def _loop(model: Any, layer: Any, nodes: Sequence[Any]) -> Loop | None:
    """Return the loop of these calls; None where it is none, or is more than one."""
    if getattr(layer, "activity_regularizer", None) is not None:
        return None
    outputs = [one.output_tensors[0] for one in nodes]
    known = {id(one) for one in outputs}
    takers = [
        one for one in _graph_of(model) if known & {id(tensor) for tensor in one.input_tensors}
    ]
    is_output = known & {id(tensor) for tensor in model.outputs}
    is_called_elsewhere = len(nodes) != len(layer._inbound_nodes)  # noqa: SLF001 - no other way
    if len(takers) != 1 or is_output or is_called_elsewhere or any(map(_is_told_more, nodes)):
        return None
    (taker,) = takers
    rank = len(outputs[0].shape) + 1
    is_stack = type(taker.operation).__name__ == "Stack" and taker.operation.axis % rank == 1
    source = source_of(nodes[0].input_tensors[0])
    sequence = source.input_tensors[0]
    shape = tuple(sequence.shape[1:])
    if not is_stack or None in shape:
        return None
    step_of = {id(one.output_tensors[0]): _step(one.input_tensors[0]) for one in nodes}
    if [step_of.get(id(one)) for one in taker.input_tensors] != [*range(shape[0])]:
        return None
    strategy = _TAKES[type(source.operation).__name__]
    return Loop(layer, taker.operation, strategy, shape, sequence.dtype)


def _is_told_more(node: Any) -> bool:
    """True if a call has other arguments than its inputs, such as `training=True`."""
    more = (*node.arguments.args[1:], *node.arguments.kwargs.values())
    return any(one is not None for one in more)


def _step(tensor: Any) -> int | None:
    """Return the step of its sequence that a tensor is; None where it is another part."""
    operation, _, place = tensor._keras_history  # noqa: SLF001
    if type(operation).__name__ == "Unstack":
        return int(place) if operation.axis == 1 else None
    key = source_of(tensor).arguments.args[1]
    whole, step, *others = key if isinstance(key, tuple) and len(key) > 1 else (None, None)
    is_step = whole == _ALL and isinstance(step, int) and all(one == _ALL for one in others)
    return step if is_step else None
