"""Find the layers that a model lifts over time, watch what reaches them, and change them in place.

A lift is a `TimeDistributed`, wherever it is in the model, or a loop over the steps of a sequence
in a functional model. A change replaces what a layer object does in its call and nothing else, so
the user's layers, weights, classes and train steps stay what they are.

The graph of a loop has an operation that takes steps out of a sequence, a layer that is called for
each step, and an operation that stacks the outputs. After a change the layer returns its inputs,
and the stacking operation calls the lift once on the sequence that the first step was taken from.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import pairwise
from types import ModuleType
from typing import Any

import keras
from keras import ops

from timelift.inner_layer import TIME_DISTRIBUTED

#: Shape (batch, time, *features) and dtype of the inputs of a call.
InputSpec = tuple[tuple[int, ...], str]
#: Operations that take one step out of a sequence, with the strategy that does the same.
_STRATEGY_OF = {"GetItem": "loop_slice", "Unstack": "loop_unstack"}
_ALL = slice(None)


@dataclass
class Lift:
    """A layer `inner` that a model calls at every step.

    `layer` is the `TimeDistributed` around it, or the operation that stacks the outputs of a loop,
    and `take` is None or the operation that takes the first step out of the loop's sequence.
    `trail` has the layers on the way, from the model to the `TimeDistributed` or to the layer that
    a loop calls. `around` are the lifts that it is inside of. What `watch_lifts` has seen are its
    `calls`, the tensors that it `received` in them, and whether one was `masked`, and `padded` by
    that mask.
    """

    layer: Any
    inner: Any
    trail: tuple[Any, ...]
    around: tuple["Lift", ...] = ()
    take: Any = None
    calls: list[InputSpec] = field(default_factory=list)
    received: list[Any] = field(default_factory=list)
    masked: bool = False
    padded: bool = False

    @property
    def usual(self) -> str:
        """The strategy that computes the same as the model as written."""
        return _STRATEGY_OF[type(self.take).__name__] if self.take else TIME_DISTRIBUTED

    @property
    def place(self) -> str:
        """Where it stands, such as `after LSTM(8) in 'encoder'`; '' outside of a graph."""
        *above, layer = self.trail
        calls = layer._inbound_nodes  # noqa: SLF001 - Keras has no other way
        after = ""
        if calls:
            tensor = calls[0].input_tensors[0]
            if self.take:
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
        return (self.take, self.inner, self.layer) if self.take else (self.layer,)

    def change(self, strategy: ModuleType, parameters: Mapping[str, Any]) -> None:
        """Compute this lift by what a strategy builds of its inner layer, as if pasted there.

        So the inputs keep their dtype and mask, and the outputs have those of the strategy's model.
        It builds a model for each shape and dtype, for those that `watch_lifts` has seen here.
        Raises TypeError if the model has weights of its own: those that were trained or saved would
        be lost; or if it loses a mask.
        """
        model_of = cache(partial(self._build, strategy, parameters))
        models = [model_of(shape[1:], dtype) for shape, dtype in self.calls]
        if self.take:
            self._change_loop(models[0])  # its graph has one shape
            return

        def call(inputs: Any, training: Any = None, mask: Any = None) -> Any:
            shape, dtype = _spec_of(inputs)  # not as seen: TimeDistributed cast those
            return model_of(shape[1:], dtype).call(inputs, training=training, mask=mask)

        self.layer.call, self.layer.autocast = call, False
        self.layer.compute_mask = lambda *_: None  # the outputs keep what the model gave them

    def _change_loop(self, lift: Callable[[Any], Any]) -> None:
        """Replace a loop by one call of `lift`, (batch, time, *features) to (batch, time, …)."""
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

        self.take.call, self.inner.call, self.layer.call = note_sequence, return_inputs, call

    def _build(
        self,
        strategy: ModuleType,
        parameters: Mapping[str, Any],
        shape: tuple[int, ...],
        dtype: str,
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
    """Return every lift of a model once, in the order of its layers."""
    return list(_lifts(model, (), (), set()))


def watch_lifts(model: Any, inputs: Any) -> list[Lift]:
    """Return the lifts of a model with their inputs in a call of the model."""
    if not model.built:
        model(inputs, training=False)  # some make their layers then, and Keras traces others
    lifts = find_lifts(model)

    def note(operation: Any, call: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        for lift in lifts:
            if lift.changed[0] is operation:  # two loops may share one
                lift.calls.append(_spec_of(inputs))
                lift.received.append(inputs)
                mask = kwargs.get("mask")
                mask = mask_of(inputs) if mask is None else mask
                if mask is not None:
                    lift.masked = is_padded = True  # unknown while a framework traces: no values
                    with suppress(Exception):
                        is_padded = not ops.convert_to_numpy(mask).all()
                    lift.padded |= is_padded
        return call(inputs, *args, **kwargs)

    with intercepted([lift.changed[0] for lift in lifts], note):
        model(inputs, training=False)
    return lifts


@contextmanager
def intercepted(operations: Iterable[Any], around: Callable[..., Any]) -> Iterator[None]:
    """Let `around(operation, call, inputs, ...)` stand for calls of these layers inside."""
    each_once = {id(operation): operation for operation in operations}.values()
    for operation in each_once:
        operation.call = partial(around, operation, operation.call)
    try:
        yield
    finally:
        for operation in each_once:
            del operation.call  # so that it is again its class's


def mask_of(tensor: Any) -> Any:
    """Return the mask that a tensor hands on, wherever Keras keeps it; None without one."""
    return keras.layers.Lambda(lambda _, mask=None: mask)(tensor)


def _spec_of(inputs: Any) -> InputSpec:
    return tuple(inputs.shape), keras.backend.standardize_dtype(inputs.dtype)


def lift_at(model: Any, number: str) -> Lift:
    """Return the lift of a number from 1; raises AttributeError if there is none."""
    lifts = dict(enumerate(find_lifts(model), 1))
    if not number.isdecimal() or int(number) not in lifts:
        raise AttributeError(f"{model.name} has no lift {number!r}; number 1 to {len(lifts)}")
    return lifts[int(number)]


def _lifts(
    layer: Any, above: tuple[Any, ...], around: tuple[Lift, ...], seen: set[int]
) -> Iterator[Lift]:
    if id(layer) in seen:
        return
    seen.add(id(layer))
    trail = (*above, layer)
    if isinstance(layer, keras.layers.TimeDistributed):
        lift = Lift(layer, layer.layer, trail, around)
        around = (*around, lift)
        yield lift
    looped: dict[int, Lift] = {}
    for inner, take, stack in _loops(layer):
        if id(stack) not in seen:  # of two models of one graph
            seen.add(id(stack))
            looped[id(inner)] = lift = Lift(stack, inner, (*trail, inner), around, take)
            yield lift
    for part in layer._layers:  # noqa: SLF001 - of a layer that is no model there is no other way
        loops = (looped[id(part)],) if id(part) in looped else ()
        yield from _lifts(part, trail, (*around, *loops), seen)


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


def _loops(model: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yield inner layer, take and stack of each loop in a graph that can be changed in place.

    That is a loop that takes every step of one sequence in order, calls the layer for nothing else
    and with no other argument, such as training=True, and stacks its outputs along time. A layer
    with an activity regulariser is left out, whose loss would be lost.
    """
    by_depth = getattr(model, "_nodes_by_depth", {})  # its layers may have nodes in other graphs
    graph = [node for _, nodes in sorted(by_depth.items(), reverse=True) for node in nodes]
    for stack in graph:
        calls = [source_of(tensor) for tensor in stack.input_tensors]
        if type(stack.operation).__name__ != "Stack" or len(calls) == 1:
            continue
        inner = calls[0].operation
        is_over_time = stack.operation.axis % len(stack.output_tensors[0].shape) == 1
        calls_of_it = inner._inbound_nodes  # noqa: SLF001 - Keras has no other way
        is_all = len(calls) == len(calls_of_it) == sum(call.operation is inner for call in calls)
        other_nodes = [node.input_tensors for node in graph if node is not stack]
        read = {id(tensor) for tensors in (*other_nodes, model.outputs) for tensor in tensors}
        is_read = any(id(tensor) in read for tensor in stack.input_tensors)
        adds_loss = getattr(inner, "activity_regularizer", None) is not None
        if not is_over_time or not is_all or is_read or adds_loss:
            continue
        (sequence, *others), steps = zip(*map(_taken, calls), strict=True)
        if sequence is None or any(other is not sequence for other in others):
            continue
        shape = sequence.shape[1:]
        if None not in shape and list(steps) == [*range(shape[0])]:
            yield inner, source_of(calls[0].input_tensors[0]).operation, stack.operation


def source_of(tensor: Any) -> Any:
    """Return the node whose output a tensor is."""
    operation, index, _ = tensor._keras_history  # noqa: SLF001 - Keras has no other way
    return operation._inbound_nodes[index]  # noqa: SLF001


def _taken(call: Any) -> tuple[Any, int | None]:
    """Return the sequence that the only input of a call is a step of, and the step; else None."""
    arguments = *call.arguments.args[1:], *call.arguments.kwargs.values()
    if len(call.input_tensors) != 1 or any(value is not None for value in arguments):
        return None, None
    operation, _, place = call.input_tensors[0]._keras_history  # noqa: SLF001
    take = source_of(call.input_tensors[0])
    if type(operation).__name__ == "Unstack" and operation.axis == 1:
        return take.input_tensors[0], int(place)
    if type(operation).__name__ != "GetItem":
        return None, None
    key = take.arguments.args[1]
    whole, step, *others = key if isinstance(key, tuple) and len(key) > 1 else (None, None)
    is_step = whole == _ALL and isinstance(step, int) and all(part == _ALL for part in others)
    return take.input_tensors[0], step if is_step else None
