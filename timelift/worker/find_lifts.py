"""Find the layers that a model lifts over time, watch what reaches them, and change them in place.

A lift is a `TimeDistributed`, wherever it is in the model, or a loop over the steps of a sequence
in a functional model. A change replaces what a layer object does in its call and nothing else, so
the user's layers, weights, classes and train steps stay what they are.
"""

import inspect
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

#: Shape (batch, time, *features) and dtype of each tensor of the inputs of a call.
InputSpec = tuple[tuple[tuple[int, ...], str], ...]
#: Operations that take one step out of a sequence, with the strategy that does the same.
_STRATEGY_OF = {"GetItem": "loop_slice", "Unstack": "loop_unstack"}
_ALL = slice(None)
#: Axes of a mask that tells which steps are valid, (batch, time); one of the steps' own has more.
MASK_AXES = 2


@dataclass
class Lift:
    """A layer `inner` that a model calls at every step.

    `layer` is the `TimeDistributed` around it, or the operation that stacks the outputs of a loop.
    A loop has `takes`, the operations that take the first step: one for each tensor of the layer's
    inputs, whose `structure` it keeps. It also has `stacks`, the operations that stack outputs,
    each with its place among the layer's flat outputs. `trail` has the layers from the model to the
    `TimeDistributed`, or to the layer that a loop calls. `around` are the lifts that contain it.
    `watch_lifts` sets `calls`, what it `received` in them, the shape of the mask that came with it,
    and whether that mask `padded` it. `describe` sets `mask_fault`.
    """

    layer: Any
    inner: Any
    trail: tuple[Any, ...]
    around: tuple["Lift", ...] = ()
    takes: tuple[Any, ...] = ()
    structure: Any = 0
    stacks: tuple[tuple[Any, int], ...] = ()
    calls: list[InputSpec] = field(default_factory=list)
    received: list[Any] = field(default_factory=list)
    mask_shape: tuple[int, ...] = ()
    padded: bool = False
    mask_fault: str = ""

    @property
    def is_misread(self) -> bool:
        """True if TimeDistributed calls a quantised layer as if it were none.

        It calls `call`, and Keras quantises `quantized_call` alone: docs/upstream.md, 14.
        """
        return not self.takes and is_quantised(self.inner)

    @property
    def usual(self) -> str:
        """The strategy that computes the same as the model as written."""
        return _STRATEGY_OF[type(self.takes[0]).__name__] if self.takes else TIME_DISTRIBUTED

    @property
    def place(self) -> str:
        """Where it stands, such as `after LSTM(8) in 'encoder'`; '' outside of a graph."""
        *above, layer = self.trail
        calls = layer._inbound_nodes  # noqa: SLF001 - Keras has no other way
        after = ""
        if calls:
            tensors = calls[0].input_tensors[: len(self.sources)]  # a mask may follow
            if self.takes:  # the sequences that steps are taken of
                tensors = [source_of(tensor).input_tensors[0] for tensor in tensors]
            before = (in_words(tensor._keras_history.operation) for tensor in tensors)  # noqa: SLF001
            after = f"after {' and '.join(dict.fromkeys(before))}"
        inside = f"in {in_words(above[-1])}" if len(above) > 1 else ""
        return " ".join(filter(None, (after, inside)))

    @property
    def access(self) -> str:
        """How Python reaches it from the model, such as `.get_layer('encoder').frames`."""
        return "".join(_step_down(above, part) for above, part in pairwise(self.trail))

    @property
    def changed(self) -> tuple[Any, ...]:
        """The layers whose `call` a change replaces."""
        if not self.takes:
            return (self.layer,)
        return (*self.takes, self.inner, *(stack for stack, _ in self.stacks))

    @property
    def outputs(self) -> int:
        """How many tensors the layer returns at each step, as far as its graph tells."""
        calls = self.inner._inbound_nodes if self.takes else ()  # noqa: SLF001 - no other way
        return len(calls[0].output_tensors) if calls else 1

    @property
    def sources(self) -> tuple[Any, ...]:
        """The operations that receive its inputs: of a loop, one for each tensor of them."""
        return self.takes or (self.layer,)

    def note_mask(self, inputs: Any, mask: Any) -> None:
        """Note the mask that a tensor of its inputs comes with, if any."""
        mask = mask_of(inputs) if mask is None else mask
        if mask is None:
            return
        self.mask_shape = tuple(mask.shape)
        is_padded = True  # unknown while a framework traces: no values
        with suppress(Exception):
            is_padded = not ops.convert_to_numpy(mask).all()
        self.padded |= is_padded

    def change(self, strategy: ModuleType, parameters: Mapping[str, Any]) -> None:
        """Compute this lift by the strategy's model of its inner layer, as if pasted there.

        The inputs keep their dtype and mask, and the outputs have those of the strategy's model.
        The strategy builds a model for each shape and dtype, at once for those that `watch_lifts`
        has seen. Raises TypeError if the model loses a mask, has several outputs where a
        `TimeDistributed` was, or has weights of its own: trained or saved ones would be lost.
        """
        model_of = cache(partial(self._build, strategy, parameters))
        models = [model_of(call) for call in self.calls]
        if self.takes:
            LoopInPlace(self, models[0])  # its graph has one shape
            return

        def call(inputs: Any, training: Any = None, mask: Any = None) -> Any:
            model = model_of((_spec_of(inputs),))  # not as seen: TimeDistributed cast those
            return model.call(inputs, training=training, mask=mask)

        self.layer.call, self.layer.autocast = call, False
        self.layer.compute_mask = lambda *_: None  # the outputs keep what the model gave them

    def packed(self, values: Sequence[Any]) -> Any:
        """Return a value for each tensor of the inputs in the structure that the layer takes."""
        return keras.tree.pack_sequence_as(self.structure, values)

    def _build(self, strategy: ModuleType, parameters: Mapping[str, Any], spec: InputSpec) -> Any:
        shape = self.packed([shape[1:] for shape, _ in spec])
        dtype = self.packed([dtype for _, dtype in spec])
        extra = {} if dtype == keras.config.floatx() else {"dtype": dtype}
        model = strategy.build(self.inner, shape, **extra, **parameters)
        own = {id(weight) for weight in self.inner.weights}
        if other := [weight.path for weight in model.weights if id(weight) not in own]:
            raise TypeError(f"it makes weights of its own, such as {other[0]}")
        if not self.takes and len(model.outputs) > 1:
            raise TypeError(
                "TimeDistributed stacks outputs into one tensor, which no strategy does"
            )
        ends = [type(part).__name__ for part in model.layers[1:] if not part.supports_masking]
        if ends and self.mask_shape and self.layer._outbound_nodes:  # noqa: SLF001 - no other way
            # a graph has the mask from when it was made, and would hand it on all the same
            raise TypeError(f"the mask that layers behind it take ends at {ends[0]}")
        return model


class LoopInPlace:
    """A loop that its model computes by one call of `lift`, of sequences (batch, time, …).

    The graph of a loop has operations that take steps out of sequences, a layer that is called for
    each step, and an operation that stacks each of its outputs. Now the layer returns its inputs,
    and the first stacking operation calls the lift once. Outside of that, where no sequence was
    taken, a call of the layer is what it was.
    """

    def __init__(self, loop: Lift, lift: Callable[[Any], Any]) -> None:
        self._loop, self._lift, self._call_inner = loop, lift, loop.inner.call
        self._sequences, self._outputs = dict[Any, Any](), dict[Any, Any]()
        for take in dict.fromkeys(loop.takes):
            take.call = partial(self._take, take, take.call)
        loop.inner.call = self._return_inputs
        for stack, _ in loop.stacks:
            stack.call = partial(self._stack, stack)

    def _take(self, take: Any, call: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        self._outputs.clear()  # of a call that failed
        self._sequences[take] = inputs
        return call(inputs, *args, **kwargs)

    def _return_inputs(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if not self._sequences:
            return self._call_inner(inputs, *args, **kwargs)
        first, *_ = keras.tree.flatten(inputs)
        count = self._loop.outputs
        return [first] * count if count > 1 else first

    def _stack(self, stack: Any, _: Sequence[Any]) -> Any:
        if not self._outputs:
            in_order = [self._sequences[take] for take in self._loop.takes]
            self._sequences.clear()
            flat = keras.tree.flatten(self._lift(self._loop.packed(in_order)))
            self._outputs.update((stack, flat[place]) for stack, place in self._loop.stacks)
        return self._outputs.pop(stack)


def find_lifts(model: Any) -> list[Lift]:
    """Return every lift of a model once, in the order of its layers."""
    return list(_lifts(model, (), (), set()))


def layers_of(model: Any, lifts: Sequence[Lift] = ()) -> list[tuple[str, int]]:
    """Return the class of each layer of a model, and the number of the lift that it is, or 0."""
    numbers = {id(lift.layer): number for number, lift in enumerate(lifts, 1)}
    layers = model._flatten_layers()  # noqa: SLF001 - Keras has no other way
    return [(type(layer).__name__, numbers.get(id(layer), 0)) for layer in layers]


def watch_lifts(model: Any, inputs: Any) -> list[Lift]:
    """Return the lifts of a model with their inputs in a call of the model."""
    if not model.built:
        model(inputs, training=False)  # some make their layers then, and Keras traces others
    lifts = find_lifts(model)

    taken = [dict[Any, Any]() for _ in lifts]

    def note(operation: Any, call: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        for lift, sequences in zip(lifts, taken, strict=True):
            if operation not in lift.sources:  # two loops may share one
                continue
            lift.note_mask(inputs, kwargs.get("mask"))
            sequences[operation] = inputs
            if len(sequences) == len({*lift.sources}):
                in_order = [sequences.pop(source) for source in lift.sources]
                lift.calls.append(tuple(map(_spec_of, in_order)))
                lift.received.append(lift.packed(in_order))
        return call(inputs, *args, **kwargs)

    with intercepted([source for lift in lifts for source in lift.sources], note):
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


def takes_mask(layer: Any) -> bool:
    return "mask" in inspect.signature(layer.call).parameters


def _spec_of(inputs: Any) -> tuple[tuple[int, ...], str]:
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
    for lift in _loops(layer, trail, around):
        if id(lift.layer) not in seen:  # of two models of one graph
            seen.add(id(lift.layer))
            looped[id(lift.inner)] = lift
            yield lift
    for part in layer._layers:  # noqa: SLF001 - of a layer that is no model there is no other way
        loops = (looped[id(part)],) if id(part) in looped else ()
        yield from _lifts(part, trail, (*around, *loops), seen)


def is_quantised(layer: Any) -> bool:
    """Return whether a layer's own weights are quantised; a layer of an old Keras may not tell."""
    return getattr(layer, "quantization_mode", None) is not None


def name_of_its_own(layer: Any) -> str:
    """Return the name that a user gave to a layer; '' for one of Keras's, such as `dense_3`."""
    usual = re.sub(r"_\d+$", "", layer.name).replace("_", "")
    return "" if usual == type(layer).__name__.lower() else str(layer.name)


def _step_down(above: Any, part: Any) -> str:
    """Return how Python reaches a part of a layer; Keras numbers its names anew in each process."""
    if isinstance(above, keras.Model) and name_of_its_own(part):
        return f".get_layer({str(part.name)!r})"
    names = [*vars(above), *getattr(above, "_modules", ())]  # where PyTorch keeps parts
    for name in names:
        value = getattr(above, name)
        if value is part and not name.startswith("_"):
            return f".{name}"
        if isinstance(value, list) and not name.startswith("_"):
            places = [place for place, one in enumerate(value) if one is part]
            if places:
                return f".{name}[{places[0]}]"
    parts = "layers" if isinstance(above, keras.Model) else "_layers"
    return f".{parts}[{[*map(id, getattr(above, parts))].index(id(part))}]"


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


def _loops(model: Any, trail: tuple[Any, ...], around: tuple[Lift, ...]) -> Iterator[Lift]:
    """Yield each loop in the graph of a model that can be changed in place.

    Such a loop takes every step of its sequences in order, and stacks the outputs along time. It
    calls the layer for nothing else, and with no other argument, such as training=True. A layer
    with an activity regulariser is left out, since its loss would be lost.
    """
    by_depth = getattr(model, "_nodes_by_depth", {})  # its layers may have nodes in other graphs
    graph = [node for _, nodes in sorted(by_depth.items(), reverse=True) for node in nodes]
    stacks_of: dict[Any, list[Any]] = {}
    for node in graph:
        if type(node.operation).__name__ == "Stack":
            inner = source_of(node.input_tensors[0]).operation
            stacks_of.setdefault(inner, []).append(node)
    for inner, stacks in stacks_of.items():
        calls = [source_of(tensor) for tensor in stacks[0].input_tensors]
        places = [_stacked(stack, calls) for stack in stacks]
        other_nodes = [node.input_tensors for node in graph if node not in stacks]
        read = {id(tensor) for tensors in (*other_nodes, model.outputs) for tensor in tensors}
        is_read = any(id(tensor) in read for call in calls for tensor in call.output_tensors)
        adds_loss = getattr(inner, "activity_regularizer", None) is not None
        is_all = 1 < len(calls) == len(inner._inbound_nodes)  # noqa: SLF001 - no other way
        if is_all and None not in places and not is_read and not adds_loss and _in_order(calls):
            structure = _structure_of(calls[0])
            stacked = zip((stack.operation for stack in stacks), places, strict=True)
            yield Lift(
                stacks[0].operation,
                inner,
                (*trail, inner),
                around,
                takes=tuple(source_of(tensor).operation for tensor in calls[0].input_tensors),
                structure=[*structure] if isinstance(structure, tuple) else structure,
                stacks=tuple(stacked),
            )


def _stacked(stack: Any, calls: Sequence[Any]) -> Any:
    """Return which output of some calls, all of one layer, is stacked in this order; or None."""
    (inner, *others), _, places = zip(*(x._keras_history for x in stack.input_tensors), strict=True)  # noqa: SLF001
    is_over_time = stack.operation.axis % len(stack.output_tensors[0].shape) == 1
    is_one = all(other is inner for other in others) and len({*places}) == 1
    are_these = [*map(source_of, stack.input_tensors)] == [*calls]
    return places[0] if is_over_time and is_one and are_these else None


def _in_order(calls: Sequence[Any]) -> bool:
    """True if calls take every step of the same sequences in order, and nothing else."""
    structure = _structure_of(calls[0])
    inner = structure.values() if isinstance(structure, Mapping) else structure or ()
    if any(map(keras.tree.is_nested, inner)) or not all(
        _is_plain(call, structure) for call in calls
    ):
        return False
    for tensors in zip(*(call.input_tensors for call in calls), strict=True):
        (sequence, *others), steps = zip(*map(_taken, tensors), strict=True)
        if sequence is None or any(other is not sequence for other in others):
            return False
        shape = sequence.shape[1:]
        if None in shape or list(steps) != [*range(shape[0])]:
            return False
    return True


def _is_plain(call: Any, structure: Any) -> bool:
    """True if a call takes tensors of the graph in this structure, and nothing else."""
    others = [*call.arguments.args[1:], *call.arguments.kwargs.values()]
    takes_these = len(keras.tree.flatten(structure)) == len(call.input_tensors)
    is_alone = takes_these and all(value is None for value in keras.tree.flatten(others))
    return is_alone and bool(_structure_of(call) == structure)


def source_of(tensor: Any) -> Any:
    """Return the node whose output a tensor is."""
    operation, index, _ = tensor._keras_history  # noqa: SLF001 - Keras has no other way
    return operation._inbound_nodes[index]  # noqa: SLF001


def _structure_of(call: Any) -> Any:
    """Return the structure of the first argument of a call, of zeros."""
    return keras.tree.map_structure(lambda _: 0, call.arguments.args[0])


def _taken(tensor: Any) -> tuple[Any, int | None]:
    """Return the sequence that a tensor is a step of, and the step; None for both if it is none."""
    operation, _, place = tensor._keras_history  # noqa: SLF001
    take = source_of(tensor)
    if type(operation).__name__ == "Unstack" and operation.axis == 1:
        return take.input_tensors[0], int(place)
    if type(operation).__name__ != "GetItem":
        return None, None
    key = take.arguments.args[1]
    whole, step, *others = key if isinstance(key, tuple) and len(key) > 1 else (None, None)
    is_step = whole == _ALL and isinstance(step, int) and all(part == _ALL for part in others)
    return take.input_tensors[0], step if is_step else None
