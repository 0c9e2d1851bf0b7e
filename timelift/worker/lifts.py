"""The layers that a model lifts over time: found, seen at work, and changed in place.

A lift is a `TimeDistributed`, wherever it is in the model. One is changed by what its `call` does
alone, so the user's layers, weights, classes and train steps stay what they are.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from timelift.errors import nearest
from timelift.told_model import STEP
from timelift.worker.isolation import load_module

#: What takes one step out of a sequence in a functional model, and what puts steps together again.
_TAKES, _PUTS = frozenset({"GetItem", "Unstack"}), frozenset({"Stack", "Concatenate"})


@dataclass
class Lift:
    """A `TimeDistributed` by its path of names, with the (shape, dtype) that each call was given.

    Shapes are whole, (batch, time, *features).
    """

    path: str
    layer: Any
    calls: list[tuple[tuple[int, ...], str]] = field(default_factory=list)

    @property
    def inner(self) -> Any:
        return self.layer.layer


def find_lifts(model: Any) -> list[Lift]:
    """Return every lift of a model, in the order of its layers; one that is shared comes once.

    Lifts of the same path, which two models of one name would have, are told apart by a number.
    """
    found, count = list[Lift](), Counter[str]()
    for path, layer in _time_distributed(model, (), set()):
        name = STEP.join(path) or layer.name
        count[name] += 1
        found.append(Lift(name if count[name] == 1 else f"{name}_{count[name]}", layer))
    return found


def seen_at_work(model: Any, inputs: Any) -> list[Lift]:
    """Return the lifts of a model with what a call of it gives them.

    Some models make their layers in their first call; such a one is called twice.
    """
    known = find_lifts(model)
    with _watching(known):
        model(inputs, training=False)
    if len(found := find_lifts(model)) == len(known):
        return known
    with _watching(found):
        model(inputs, training=False)
    return found


def lift_at(model: Any, path: str) -> Lift:
    """Return the lift of a path, or of a place from 0; raises AttributeError where there is none.

    A path holds in one process: Keras numbers what has no name of its own.
    """
    found = find_lifts(model)
    known = {one.path: one for one in found} | {str(place): one for place, one in enumerate(found)}
    if path not in known:
        raise AttributeError(
            f"{model.name} has no TimeDistributed {path!r}; {nearest(path, known)}"
        )
    return known[path]


def lifts_around(lift: Lift, among: Iterable[Lift]) -> Iterator[Lift]:
    """Yield the lifts that were called and that another one is inside of."""
    return (one for one in among if one.calls and lift.path.startswith(one.path + STEP))


def _time_distributed(
    layer: Any, path: tuple[str, ...], seen: set[int]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    import keras  # noqa: PLC0415 - the backend is chosen by now

    if id(layer) in seen:
        return
    seen.add(id(layer))
    if isinstance(layer, keras.layers.TimeDistributed):
        yield path, layer
    for part in layer._layers:  # noqa: SLF001 - of a layer that is no model there is no other way
        yield from _time_distributed(part, (*path, part.name), seen)


@contextmanager
def _watching(lifts: Iterable[Lift]) -> Iterator[None]:
    """Note what every call inside gives to the lifts."""
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

    def call(inputs: Any, training: Any = None, mask: Any = None) -> Any:
        import keras  # noqa: PLC0415 - the backend is chosen by now

        shape = tuple(int(size) for size in inputs.shape)
        lift.calls.append((shape, keras.backend.standardize_dtype(inputs.dtype)))
        return usual(inputs, training=training, mask=mask)

    lift.layer.call = call


def change(lift: Lift, strategy: str, parameters: Mapping[str, Any]) -> None:
    """Let a lift compute what the strategy in a file builds of the very layer inside of it.

    It is built for each shape that the lift was seen to be given. Raises TypeError where the
    strategy makes weights of its own, since those that were trained or saved would be lost.
    """
    module, usual = load_module(strategy), lift.layer.call
    lifted = {
        (shape[1:], dtype): _build(module, lift, shape[1:], dtype, parameters)
        for shape, dtype in lift.calls
    }

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
    own = {id(one) for one in lift.inner.weights}
    if other := [one.path for one in model.weights if id(one) not in own]:
        raise TypeError(f"it makes weights of its own, such as {other[0]}")
    return model


def written_by_hand(model: Any) -> Iterator[tuple[str, int]]:
    """Yield the name of each layer that a functional model calls step by step, and how often.

    Its inputs are slices of one tensor or what one unstack returns, and what puts tensors together
    takes its outputs.
    """
    for layer in getattr(model, "operations", ()):
        nodes = [one for one in layer._inbound_nodes if len(one.input_tensors) == 1]  # noqa: SLF001
        before = [one.input_tensors[0]._keras_history for one in nodes]  # noqa: SLF001
        takes = [type(one.operation).__name__ in _TAKES for one in before]
        after = {type(one.operation).__name__ for one in layer._outbound_nodes}  # noqa: SLF001
        sources = {id(_taken_from(one)) for one in before}
        if len(nodes) > 1 and all(takes) and len(sources) == 1 and after & _PUTS:
            yield layer.name, len(nodes)


def _taken_from(history: Any) -> Any:
    """Return the first input of what made a tensor; None where that is an input of the model."""
    node = history.operation._inbound_nodes[history.node_index]  # noqa: SLF001
    return node.input_tensors[0] if node.input_tensors else None
