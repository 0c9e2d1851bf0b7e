"""Find the layers that a model lifts over time, watch what reaches them, and change them in place.

A lift is a `TimeDistributed`, wherever it is in the model, or a loop over the steps of a sequence
in a functional model. A change replaces the `call` of a layer object and nothing else, so the
user's layers, weights, classes and train steps stay what they are.

The graph of a loop has an operation that takes steps out of a sequence, a layer that is called for
each step, and an operation that stacks the outputs. After a change the layer returns its inputs,
and the stacking operation calls the lift once on the sequence that the first step was taken from.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from types import ModuleType
from typing import Any

import keras

from timelift.errors import nearest
from timelift.inner_layer import TIME_DISTRIBUTED

#: Shape (batch, time, *features) and dtype of the inputs of a call.
InputSpec = tuple[tuple[int, ...], str]
#: Operations that take one step out of a sequence, with the strategy that does the same.
_STRATEGY_OF = {"GetItem": "loop_slice", "Unstack": "loop_unstack"}
_ALL = slice(None)


@dataclass
class Loop:
    """A layer `inner` that is called at every step of a sequence; `stack` joins its outputs.

    `take` is the operation that takes the first step out of it; `strategy` computes the same.
    """

    inner: Any
    stack: Any
    take: Any
    strategy: str

    def change(self, lift: Callable[[Any], Any]) -> None:
        """Replace the loop by one call of `lift`, (batch, time, *features) to (batch, time, …)."""
        take, original = self.take.call, self.inner.call
        sequence, is_lifting = None, False

        def note_sequence(inputs: Any, *args: Any, **kwargs: Any) -> Any:
            nonlocal sequence
            sequence = inputs
            return take(inputs, *args, **kwargs)

        def return_inputs(inputs: Any, *args: Any, **kwargs: Any) -> Any:
            return original(inputs, *args, **kwargs) if is_lifting else inputs

        def call(_: Sequence[Any]) -> Any:
            nonlocal sequence, is_lifting
            is_lifting = True
            try:
                return lift(sequence)
            finally:
                sequence, is_lifting = None, False

        self.take.call, self.inner.call, self.stack.call = note_sequence, return_inputs, call


@dataclass
class Lift:
    """A layer `inner` that a model calls at every step, by its path of names.

    `layer` is the `TimeDistributed` around it, or the operation that stacks the outputs of its
    `loop`. `trail` has the layers on the way, from the model to the `TimeDistributed` or to the
    layer that a loop calls. `around` are the lifts that it is inside of. What `watch_lifts` has
    seen are its `calls`, the tensors that it `received` in them, and whether one was `masked`, and
    `padded` by that mask.
    """

    path: str
    layer: Any
    inner: Any
    trail: tuple[Any, ...]
    around: tuple["Lift", ...] = ()
    loop: Loop | None = None
    calls: list[InputSpec] = field(default_factory=list)
    received: list[Any] = field(default_factory=list)
    masked: bool = False
    padded: bool = False

    @property
    def usual(self) -> str:
        """The strategy that computes the same as the model as written."""
        return self.loop.strategy if self.loop else TIME_DISTRIBUTED

    @property
    def name(self) -> str:
        """The name that the user gave to the last layer of the trail, or ''."""
        return name_of_its_own(self.trail[-1])

    @property
    def place(self) -> str:
        """Where it stands, such as `after LSTM(8) in 'encoder'`; '' outside of a graph."""
        *above, layer = self.trail
        calls = layer._inbound_nodes  # noqa: SLF001 - Keras has no other way
        after = ""
        if calls:
            tensor = calls[0].input_tensors[0]
            if self.loop:
                tensor = source_of(tensor).input_tensors[0]  # the sequence that steps are taken of
            after = f"after {in_words(tensor._keras_history.operation)}"  # noqa: SLF001
        inside = f"in {in_words(above[-1])}" if len(above) > 1 else ""
        return " ".join(filter(None, (after, inside)))

    @property
    def access(self) -> str:
        """How Python reaches it from the model, such as `.get_layer('encoder').get_layer('td')`."""
        return "".join(
            ".layer"
            if isinstance(above, keras.layers.Wrapper)
            else f".get_layer({str(part.name)!r})"
            for above, part in pairwise(self.trail)
        )

    @property
    def changed(self) -> tuple[Any, ...]:
        """The layers whose `call` a change replaces."""
        return (self.loop.take, self.inner, self.layer) if self.loop else (self.layer,)

    def change(self, strategy: ModuleType, parameters: Mapping[str, Any]) -> None:
        """Compute this lift by what a strategy builds of its inner layer, as if pasted there.

        So the inputs keep their dtype and mask, and the outputs have those of the strategy's model.
        It builds a model for each shape and dtype, for those that `watch_lifts` has seen here.
        Raises TypeError if the model has weights of its own: those that were trained or saved would
        be lost; or if it loses a mask.
        """
        models = {
            (shape[1:], dtype): self._build(strategy, shape[1:], dtype, parameters)
            for shape, dtype in self.calls
        }
        if self.loop:
            (only,) = models.values()  # its graph has one shape
            self.loop.change(only)
            return

        def call(inputs: Any, training: Any = None, mask: Any = None) -> Any:
            (_, *shape), dtype = _spec_of(inputs)
            key = tuple(shape), dtype
            if key not in models:  # TimeDistributed cast the inputs that were seen
                models[key] = self._build(strategy, *key, parameters)
            return models[key].call(inputs, training=training, mask=mask)

        self.layer.call, self.layer.autocast = call, False
        self.layer.compute_mask = lambda *_: None  # the outputs keep what the model gave them

    def _build(
        self,
        strategy: ModuleType,
        shape: tuple[int, ...],
        dtype: str,
        parameters: Mapping[str, Any],
    ) -> Any:
        extra = {} if dtype == keras.config.floatx() else {"dtype": dtype}
        model = strategy.build(self.inner, shape, **extra, **parameters)
        own = {id(weight) for weight in self.inner.weights}
        if other := [weight.path for weight in model.weights if id(weight) not in own]:
            raise TypeError(f"it makes weights of its own, such as {other[0]}")
        ends = [type(part).__name__ for part in model.layers[1:] if not part.supports_masking]
        if ends and self.masked and self.layer._outbound_nodes:  # noqa: SLF001 - no other way
            # a graph has the mask from when it was made, and would hand it on all the same
            raise TypeError(f"the mask that layers behind it take ends at {ends[0]}")
        return model


def find_lifts(model: Any) -> list[Lift]:
    """Return every lift of a model once, in the order of its layers.

    Layers of one name lead to lifts of one path: the second and later ones get a number.
    """
    by_path: dict[str, Lift] = {}
    for lift in _lifts(model, (), (), set()):
        path, number = lift.path, 1
        while lift.path in by_path:
            number += 1
            lift.path = f"{path}_{number}"
        by_path[lift.path] = lift
    return list(by_path.values())


def watch_lifts(model: Any, inputs: Any) -> list[Lift]:
    """Return the lifts of a model with their inputs in a call of the model."""
    if not model.built:
        model(inputs, training=False)  # some make their layers then, and Keras traces others
    lifts = find_lifts(model)
    watched = [_watch(lift) for lift in lifts]
    try:
        model(inputs, training=False)
    finally:
        for operation in watched:  # so that it is again its class's; two loops may share one
            vars(operation).pop("call", None)
    return lifts


@contextmanager
def other_weights(model: Any) -> Iterator[None]:
    """Change all trainable weights for a while: those that are zero as made hide what they do."""
    weights = model.get_weights()
    for weight in model.trainable_weights:
        weight.assign(1.1 * weight.numpy() + 0.01)
    yield
    model.set_weights(weights)


def _watch(lift: Lift) -> Any:
    """Note what reaches a lift; return the operation whose `call` does so."""
    watched = lift.loop.take if lift.loop else lift.layer
    original = watched.call

    def call(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        lift.calls.append(_spec_of(inputs))
        lift.received.append(inputs)
        mask = getattr(inputs, "_keras_mask", kwargs.get("mask"))
        if mask is not None:
            lift.masked = is_padded = True  # unknown while a framework traces, without values
            with suppress(Exception):
                is_padded = not keras.ops.convert_to_numpy(mask).all()
            lift.padded |= is_padded
        return original(inputs, *args, **kwargs)

    watched.call = call
    return watched


def _spec_of(inputs: Any) -> InputSpec:
    return tuple(inputs.shape), keras.backend.standardize_dtype(inputs.dtype)


def lift_at(model: Any, path: str) -> Lift:
    """Return the lift of a path, or of a number from 1; raises AttributeError if there is none.

    A path is of use in one process alone, since Keras numbers layers that have no name.
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
    if id(layer) in seen:
        return
    seen.add(id(layer))
    trail = (*above, layer)
    if isinstance(layer, keras.layers.TimeDistributed):
        lift = Lift(_path(trail), layer, layer.layer, trail, around)
        around = (*around, lift)
        yield lift
    looped: dict[int, Lift] = {}
    for looped_layer, nodes in _called_by_step(layer):
        loop = _loop(layer, looped_layer, nodes)
        if loop and id(loop.stack) not in seen:  # of two models of one graph
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
    """Return the name that a user gave to a layer; '' for one of Keras's, such as `dense_3`."""
    usual = re.sub(r"_\d+$", "", layer.name).replace("_", "")
    return "" if usual == type(layer).__name__.lower() else str(layer.name)


def kind_and_size(layer: Any) -> str:
    """Return the class of a layer, and its units or filters if it has them: `Dense(32)`."""
    widths = (getattr(layer, name, None) for name in ("units", "filters"))
    width = next((width for width in widths if isinstance(width, int)), None)
    return type(layer).__name__ + (f"({width})" if width else "")


def in_words(layer: Any) -> str:
    """Return the user's name of a layer in quotes, or else its class, without Keras's number."""
    if name := name_of_its_own(layer):
        return repr(name)
    return "the input" if type(layer).__name__ == "InputLayer" else kind_and_size(layer)


# Loops in the graph of a functional model --------------------------------------------------------


def _called_by_step(model: Any) -> Iterator[tuple[Any, list[Any]]]:
    """Yield each layer that is called on steps of one tensor, with the nodes of its calls."""
    graph = _graph_of(model)
    for layer in {id(node.operation): node.operation for node in graph}.values():
        nodes = [node for node in graph if node.operation is layer]
        if len(nodes) < 2 or any(len(node.input_tensors) != 1 for node in nodes):  # noqa: PLR2004
            continue
        sources = [source_of(node.input_tensors[0]) for node in nodes]
        takes_steps = all(type(source.operation).__name__ in _STRATEGY_OF for source in sources)
        if takes_steps and len({id(source.input_tensors[0]) for source in sources}) == 1:
            yield layer, nodes


def _graph_of(model: Any) -> list[Any]:
    """Return the nodes of a functional model; its layers may also have nodes in other graphs."""
    by_depth = getattr(model, "_nodes_by_depth", {})
    return [node for _, nodes in sorted(by_depth.items(), reverse=True) for node in nodes]


def source_of(tensor: Any) -> Any:
    """Return the node whose output a tensor is."""
    operation, index, _ = tensor._keras_history  # noqa: SLF001 - Keras has no other way
    return operation._inbound_nodes[index]  # noqa: SLF001


def _loop(model: Any, layer: Any, nodes: Sequence[Any]) -> Loop | None:
    """Return the loop that these calls of a layer are; None if it cannot be changed in place.

    A change is possible if the loop takes every step of one sequence in order, calls the layer for
    nothing else, and stacks its outputs along time, and if the layer has no activity regulariser,
    whose loss would be lost.
    """
    if getattr(layer, "activity_regularizer", None) is not None:
        return None
    outputs = [node.output_tensors[0] for node in nodes]
    ids = {id(output) for output in outputs}
    consumers = [
        node for node in _graph_of(model) if ids & {id(tensor) for tensor in node.input_tensors}
    ]
    is_output = ids & {id(tensor) for tensor in model.outputs}
    is_called_elsewhere = len(nodes) != len(layer._inbound_nodes)  # noqa: SLF001 - no other way
    calls = [node.arguments for node in nodes]
    others = [value for call in calls for value in (*call.args[1:], *call.kwargs.values())]
    has_other_arguments = any(value is not None for value in others)  # such as training=True
    if len(consumers) != 1 or is_output or is_called_elsewhere or has_other_arguments:
        return None
    (consumer,) = consumers
    rank = len(outputs[0].shape) + 1
    is_stack = type(consumer.operation).__name__ == "Stack" and consumer.operation.axis % rank == 1
    source = source_of(nodes[0].input_tensors[0])
    sequence = source.input_tensors[0]
    shape = tuple(sequence.shape[1:])
    if not is_stack or None in shape:
        return None
    step_of = {id(node.output_tensors[0]): _step(node.input_tensors[0]) for node in nodes}
    if [step_of.get(id(tensor)) for tensor in consumer.input_tensors] != [*range(shape[0])]:
        return None
    strategy = _STRATEGY_OF[type(source.operation).__name__]
    return Loop(layer, consumer.operation, source.operation, strategy)


def _step(tensor: Any) -> int | None:
    """Return the step of its sequence that a tensor is, or None for any other slice."""
    operation, _, place = tensor._keras_history  # noqa: SLF001
    if type(operation).__name__ == "Unstack":
        return int(place) if operation.axis == 1 else None
    key = source_of(tensor).arguments.args[1]
    whole, step, *others = key if isinstance(key, tuple) and len(key) > 1 else (None, None)
    is_step = whole == _ALL and isinstance(step, int) and all(part == _ALL for part in others)
    return step if is_step else None
