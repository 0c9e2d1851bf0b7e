"""A model that a function makes, in this process, with its lifts changed where they stand.

The process has Keras, since it is a notebook's or a program's own; nothing here imports it.
"""

import importlib
import runpy
import sys
from collections.abc import Callable, Iterator
from typing import Any

from timelift.errors import UserError, one_line
from timelift.inner_layer import Factory

_FIX = "--fix changes its source"


def made_by(factory: Factory) -> Any:
    """Return the model that a function makes, or that is there, in a module, a file or a store."""
    if factory.is_stored:
        if (keras := sys.modules.get("keras")) is None:
            raise UserError("expected Keras in this process, received none; import keras first")
        return keras.saving.load_model(factory.where)
    if factory.is_file:
        made = runpy.run_path(factory.where)[factory.name]
    else:
        made = getattr(importlib.import_module(factory.where), factory.name)
    is_function = callable(made) and not hasattr(made, "get_weights")
    return made() if is_function else made


def is_graph(model: Any) -> bool:
    """True if Keras clones it: a functional model, or a Sequential."""
    return hasattr(model, "_nodes_by_depth") or hasattr(model, "pop")


def change_in_place(model: Any, code: str) -> None:
    """Put what the `INSTEAD` of some code says in the place of a model's lifts.

    A new layer has the inner layer of the old one, its name, its attribute and its place among the
    layers, so weights keep their order. Raises UserError where a lift is not an attribute.
    """
    names: dict[str, Any] = {"model": model}
    try:
        exec(code, names)  # noqa: S102 - the code that is printed
    except (AttributeError, ValueError, IndexError) as error:
        raise UserError(
            "expected a model whose lifts are there before its first call, but "
            f"{one_line(error)}; make them in its __init__, or {_FIX}"
        ) from error
    instead: dict[Any, Callable[..., Any]] = names["INSTEAD"]
    owners = [*_owners(model, set())]
    for old in reversed(instead):  # a lift inside of another one comes after it
        new = instead[old](old.layer, name=old.name)
        for owner in owners:
            if any(part is old for part in owner._layers):  # noqa: SLF001 - Keras has no other way
                _replace(owner, old, new)


def _owners(layer: Any, seen: set[int]) -> Iterator[Any]:
    if id(layer) not in seen:
        seen.add(id(layer))
        yield layer
        for part in layer._layers:  # noqa: SLF001
            yield from _owners(part, seen)


def _replace(owner: Any, old: Any, new: Any) -> None:
    """Give the attribute of a layer another layer, in the same place among its parts."""
    if is_graph(owner):
        raise UserError(
            f"expected lifts that are attributes, but {old.name!r} stands in the graph of "
            f"{owner.name!r} inside of the model; {_FIX}"
        )
    parts = owner._layers  # noqa: SLF001
    owner._tracker.unlock()  # noqa: SLF001 - that of a layer which is built takes no parts
    for name, value in list(vars(owner).items()):
        if value is old:
            setattr(owner, name, new)
        elif isinstance(value, list) and value is not parts:
            for place, one in enumerate(value):
                if one is old:
                    value[place] = new
    parts[:] = [new if part is old else part for part in parts if part is not new]
    if owner.built:
        owner._tracker.lock()  # noqa: SLF001
