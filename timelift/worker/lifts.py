"""The layers that a model lifts over time: found, seen at work, and changed in place.

A lift is a `TimeDistributed`, wherever it is in the model, or a loop over the steps of a sequence
in a functional model (`loops`). One is changed by what its `call` does alone, so the user's layers,
weights, classes and train steps stay what they are.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from timelift.errors import nearest
from timelift.told_model import STEP, USUAL
from timelift.worker.isolation import load_module
from timelift.worker.loops import Loop, loops_in

#: (batch, time, *features) of a call, and its dtype.
Given = tuple[tuple[int, ...], str]


@dataclass
class Lift:
    """A layer `inner` that a model calls at every step, by its path of names.

    `layer` is the `TimeDistributed` around it, or what stacks the outputs of its `loop`. It is
    inside of the lifts `around` it. `calls` has what each call was given.
    """

    path: str
    layer: Any
    inner: Any
    around: tuple["Lift", ...] = ()
    loop: Loop | None = None
    calls: list[Given] = field(default_factory=list)

    @property
    def usual(self) -> str:
        """The strategy that computes what is written."""
        return self.loop.strategy if self.loop else USUAL

    @property
    def name(self) -> str:
        """The name of the layer to look for in the model."""
        return str((self.inner if self.loop else self.layer).name)

    @property
    def changed(self) -> tuple[Any, ...]:
        """The layers whose `call` is another one once it is changed."""
        return (self.layer, self.inner) if self.loop else (self.layer,)


def find_lifts(model: Any) -> list[Lift]:
    """Return every lift of a model, in the order of its layers; one that is shared comes once.

    Lifts of the same path, which two models of one name would have, are told apart by a number.
    """
    found: dict[str, Lift] = {}
    for lift in _lifts(model, (), (), set()):
        path, number = lift.path, 1
        while lift.path in found:
            number += 1
            lift.path = f"{path}_{number}"
        found[lift.path] = lift
    return list(found.values())


def seen_at_work(model: Any, inputs: Any) -> list[Lift]:
    """Return the lifts of a model with what a call of it gives them."""
    if not model.built:
        model(inputs, training=False)  # some make their layers then, and Keras traces others
    found = find_lifts(model)
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
        raise AttributeError(f"{model.name} has no lift {path!r}; {nearest(path, known)}")
    return known[path]


def _lifts(
    layer: Any, path: tuple[str, ...], around: tuple[Lift, ...], seen: set[int]
) -> Iterator[Lift]:
    import keras  # noqa: PLC0415 - the backend is chosen by now

    if id(layer) in seen:
        return
    seen.add(id(layer))
    if isinstance(layer, keras.layers.TimeDistributed):
        lift = Lift(STEP.join(path) or layer.name, layer, layer.layer, around)
        around = (*around, lift)
        yield lift
    looped: dict[int, Lift] = {}
    for loop in loops_in(layer):
        if id(loop.stack) not in seen:  # of two models of one graph
            seen.add(id(loop.stack))
            lift = Lift(STEP.join((*path, loop.inner.name)), loop.stack, loop.inner, around, loop)
            looped[id(loop.inner)] = lift
            yield lift
    for part in layer._layers:  # noqa: SLF001 - of a layer that is no model there is no other way
        loops = (looped[id(part)],) if id(part) in looped else ()
        yield from _lifts(part, (*path, part.name), (*around, *loops), seen)


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
    own = {id(one) for one in lift.inner.weights}
    if other := [one.path for one in model.weights if id(one) not in own]:
        raise TypeError(f"it makes weights of its own, such as {other[0]}")
    return model
