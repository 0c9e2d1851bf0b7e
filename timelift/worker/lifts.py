"""The layers that a model lifts over time: found, seen at work, and changed in place.

A lift is a `TimeDistributed`, wherever it is in the model, or a loop over the steps of a sequence
in a functional model. One is changed by what its `call` does alone, so the user's layers, weights,
classes and train steps stay what they are.

The graph of a loop has what takes steps out of a sequence, a layer that is called for each, and
what stacks its outputs again. It is changed in place: the layer hands its inputs on, and what
stacked its outputs stacks those, and calls at once what lifts the layer.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from timelift.errors import nearest
from timelift.inner_layer import TIME_DISTRIBUTED
from timelift.worker.isolation import load_module

#: (batch, time, *features) of a call, and its dtype.
Given = tuple[tuple[int, ...], str]
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


@dataclass
class Lift:
    """A layer `inner` that a model calls at every step, by its path of names.

    `layer` is the `TimeDistributed` around it, or what stacks the outputs of its `loop`. `trail`
    are the layers from the model to the one to look for: the `TimeDistributed`, or the layer that a
    loop calls. It is inside of the lifts `around` it. `calls` has what each call was given.
    """

    path: str
    layer: Any
    inner: Any
    trail: tuple[Any, ...]
    around: tuple["Lift", ...] = ()
    loop: Loop | None = None
    calls: list[Given] = field(default_factory=list)

    @property
    def usual(self) -> str:
        """The strategy that computes what is written."""
        return self.loop.strategy if self.loop else TIME_DISTRIBUTED

    @property
    def name(self) -> str:
        """The name that the user gave to the layer to look for; empty where Keras numbers it."""
        return name_of_its_own(self.trail[-1])

    @property
    def place(self) -> str:
        """Where it stands, such as `after LSTM(8) in 'encoder'`; empty where nothing is known."""
        *above, layer = self.trail
        calls = layer._inbound_nodes  # noqa: SLF001 - Keras has no other way
        given = calls[0].input_tensors[0] if calls else None
        if given is not None and self.loop:
            given = source_of(given).input_tensors[0]  # the sequence that steps are taken from
        feeding = given._keras_history.operation if given is not None else None  # noqa: SLF001
        after = f"after {_in_words(feeding)}" if feeding else ""
        inside = f"in {_in_words(above[-1])}" if len(above) > 1 else ""
        return " ".join(filter(None, (after, inside)))

    @property
    def access(self) -> str:
        """How Python reaches it from the model, such as `.get_layer('encoder').get_layer('td')`."""
        import keras  # noqa: PLC0415 - the backend is chosen by now

        return "".join(
            ".layer"
            if isinstance(above, keras.layers.Wrapper)
            else f".get_layer({str(part.name)!r})"
            for above, part in pairwise(self.trail)
        )

    @property
    def changed(self) -> tuple[Any, ...]:
        """The layers whose `call` is another one once it is changed."""
        return (self.layer, self.inner) if self.loop else (self.layer,)


def find_lifts(model: Any) -> list[Lift]:
    """Return every lift of a model, in the order of its layers; one that is shared comes once.

    Lifts of the same path, which two models of one name would have, are told apart by a number.
    """
    by_path: dict[str, Lift] = {}
    for lift in _lifts(model, (), (), set()):
        path, number = lift.path, 1
        while lift.path in by_path:
            number += 1
            lift.path = f"{path}_{number}"
        by_path[lift.path] = lift
    return list(by_path.values())


def seen_at_work(model: Any, inputs: Any) -> list[Lift]:
    """Return the lifts of a model with what reaches them in a call of it."""
    if not model.built:
        model(inputs, training=False)  # some make their layers then, and Keras traces others
    lifts = find_lifts(model)
    with _watching(lifts):
        model(inputs, training=False)
    return lifts


def lift_at(model: Any, path: str) -> Lift:
    """Return the lift of a path, or of a number from 1; raises AttributeError for another.

    A path holds in one process: Keras numbers what has no name of its own.
    """
    lifts = find_lifts(model)
    by_name = {lift.path: lift for lift in lifts}
    by_name |= {str(number): lift for number, lift in enumerate(lifts, 1)}
    if path not in by_name:
        raise AttributeError(f"{model.name} has no lift {path!r}; {nearest(path, by_name)}")
    return by_name[path]


def _lifts(
    layer: Any, above: tuple[Any, ...], around: tuple[Lift, ...], seen: set[int]
) -> Iterator[Lift]:
    import keras  # noqa: PLC0415 - the backend is chosen by now

    if id(layer) in seen:
        return
    seen.add(id(layer))
    trail = (*above, layer)
    if isinstance(layer, keras.layers.TimeDistributed):
        lift = Lift(_path(trail), layer, layer.layer, trail, around)
        around = (*around, lift)
        yield lift
    looped: dict[int, Lift] = {}
    for loop in loops_in(layer):
        if id(loop.stack) not in seen:  # of two models of one graph
            seen.add(id(loop.stack))
            to_inner = (*trail, loop.inner)
            lift = Lift(_path(to_inner), loop.stack, loop.inner, to_inner, around, loop)
            looped[id(loop.inner)] = lift
            yield lift
    for part in layer._layers:  # noqa: SLF001 - of a layer that is no model there is no other way
        loops = (looped[id(part)],) if id(part) in looped else ()
        yield from _lifts(part, trail, (*around, *loops), seen)


def _path(trail: Sequence[Any]) -> str:
    return "/".join(layer.name for layer in trail[1:]) or str(trail[0].name)


def name_of_its_own(layer: Any) -> str:
    """Return the name that a user gave to a layer; empty where it is Keras's: `dense_3`."""
    usual = re.sub(r"_\d+$", "", layer.name).replace("_", "")
    return "" if usual == type(layer).__name__.lower() else str(layer.name)


def kind_and_size(layer: Any) -> str:
    """Return the class of a layer with its width, where it has one: `Dense(32)`."""
    widths = (getattr(layer, name, None) for name in ("units", "filters"))
    width = next((width for width in widths if isinstance(width, int)), None)
    return type(layer).__name__ + (f"({width})" if width else "")


def _in_words(layer: Any) -> str:
    """Name a layer as its user did, in quotes, or else by its class: Keras numbers anew."""
    if name := name_of_its_own(layer):
        return repr(name)
    return "the input" if type(layer).__name__ == "InputLayer" else kind_and_size(layer)


@contextmanager
def _watching(lifts: Iterable[Lift]) -> Iterator[None]:
    """Note what reaches the lifts in every call inside."""
    watched = list(lifts)
    for lift in watched:
        _watch(lift)
    try:
        yield
    finally:
        for lift in watched:
            del lift.layer.call  # what its class does


def _watch(lift: Lift) -> None:
    usual = lift.layer.call

    def call(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        lift.calls.append(lift.loop.given(inputs) if lift.loop else _given(inputs))
        return usual(inputs, *args, **kwargs)

    lift.layer.call = call


def _given(inputs: Any) -> Given:
    import keras  # noqa: PLC0415 - the backend is chosen by now

    shape = tuple(int(size) for size in inputs.shape)
    return shape, keras.backend.standardize_dtype(inputs.dtype)


def change(lift: Lift, strategy: str, parameters: Mapping[str, Any]) -> None:
    """Let a lift compute what the strategy in a file builds of the very layer inside of it.

    It is built for each shape that the lift was seen to be given. Raises TypeError where the
    strategy makes weights of its own, since those that were trained or saved would be lost.
    """
    module = load_module(strategy)
    lifted = {
        (shape[1:], dtype): _build(module, lift, shape[1:], dtype, parameters)
        for shape, dtype in lift.calls
    }
    if lift.loop:
        (only,) = lifted.values()  # its graph has one shape
        lift.loop.change(only.call)
        return
    usual = lift.layer.call

    def call(inputs: Any, training: Any = None, mask: Any = None) -> Any:
        import keras  # noqa: PLC0415 - the backend is chosen by now

        given = tuple(inputs.shape[1:]), keras.backend.standardize_dtype(inputs.dtype)
        if given not in lifted:  # a length that was not seen
            return usual(inputs, training=training, mask=mask)
        return lifted[given].call(inputs, training=training)  # the mask goes on by the lift itself

    lift.layer.call = call


def _build(
    module: Any, lift: Lift, shape: Sequence[int], dtype: str, parameters: Mapping[str, Any]
) -> Any:
    import keras  # noqa: PLC0415 - the backend is chosen by now

    given = {} if dtype == keras.config.floatx() else {"dtype": dtype}
    model = module.build(lift.inner, tuple(shape), **given, **parameters)
    own = {id(weight) for weight in lift.inner.weights}
    if other := [weight.path for weight in model.weights if id(weight) not in own]:
        raise TypeError(f"it makes weights of its own, such as {other[0]}")
    return model


# Loops in the graph of a functional model --------------------------------------------------------


def loops_in(model: Any) -> Iterator[Loop]:
    """Yield the loops of a functional model that can be changed in place; of another one none.

    A loop takes every step of one sequence in order, calls the layer for nothing else, and stacks
    its outputs along time. What the layer adds to the loss of its own outputs would be lost.
    """
    for layer, nodes in _called_by_step(model):
        if loop := _loop(model, layer, nodes):
            yield loop


def unsupported_loops(model: Any) -> Iterator[tuple[str, int]]:
    """Yield the layers of loops that cannot be changed in place: name, and number of calls."""
    for layer, nodes in _called_by_step(model):
        after = {type(node.operation).__name__ for node in layer._outbound_nodes}  # noqa: SLF001
        if after & _PUTS and not _loop(model, layer, nodes):
            yield layer.name, len(nodes)


def _called_by_step(model: Any) -> Iterator[tuple[Any, list[Any]]]:
    """Yield each layer that is called on steps of one tensor, with the nodes of its calls."""
    graph = _graph_of(model)
    for layer in {id(node.operation): node.operation for node in graph}.values():
        nodes = [node for node in graph if node.operation is layer]
        if len(nodes) < 2 or any(len(node.input_tensors) != 1 for node in nodes):  # noqa: PLR2004
            continue
        sources = [source_of(node.input_tensors[0]) for node in nodes]
        takes = all(type(source.operation).__name__ in _TAKES for source in sources)
        if takes and len({id(source.input_tensors[0]) for source in sources}) == 1:
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
    """Return the loop that these calls are; None where they are more, less, or something else."""
    if getattr(layer, "activity_regularizer", None) is not None:
        return None
    outputs = [node.output_tensors[0] for node in nodes]
    made = {id(output) for output in outputs}
    takers = [
        node for node in _graph_of(model) if made & {id(tensor) for tensor in node.input_tensors}
    ]
    is_output = made & {id(tensor) for tensor in model.outputs}
    is_called_elsewhere = len(nodes) != len(layer._inbound_nodes)  # noqa: SLF001 - no other way
    is_told_more = any(map(_has_other_arguments, nodes))
    if len(takers) != 1 or is_output or is_called_elsewhere or is_told_more:
        return None
    (taker,) = takers
    rank = len(outputs[0].shape) + 1
    is_stack = type(taker.operation).__name__ == "Stack" and taker.operation.axis % rank == 1
    source = source_of(nodes[0].input_tensors[0])
    sequence = source.input_tensors[0]
    shape = tuple(sequence.shape[1:])
    if not is_stack or None in shape:
        return None
    step_of = {id(node.output_tensors[0]): _step(node.input_tensors[0]) for node in nodes}
    if [step_of.get(id(tensor)) for tensor in taker.input_tensors] != [*range(shape[0])]:
        return None
    strategy = _TAKES[type(source.operation).__name__]
    return Loop(layer, taker.operation, strategy, shape, sequence.dtype)


def _has_other_arguments(node: Any) -> bool:
    """True if a call has other arguments than its inputs, such as `training=True`."""
    others = (*node.arguments.args[1:], *node.arguments.kwargs.values())
    return any(value is not None for value in others)


def _step(tensor: Any) -> int | None:
    """Return the step of its sequence that a tensor is; None where it is another part."""
    operation, _, place = tensor._keras_history  # noqa: SLF001
    if type(operation).__name__ == "Unstack":
        return int(place) if operation.axis == 1 else None
    key = source_of(tensor).arguments.args[1]
    whole, step, *others = key if isinstance(key, tuple) and len(key) > 1 else (None, None)
    is_step = whole == _ALL and isinstance(step, int) and all(part == _ALL for part in others)
    return step if is_step else None
