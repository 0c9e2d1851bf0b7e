"""A model that a function makes, in this process, with its lifts changed where they stand.

The process has Keras, since it is a notebook's or a program's own; nothing here imports it.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from timelift.errors import UserError, one_line
from timelift.inner_layer import Factory

_FIX = "timelift advise NAME --fix changes its source"


def made_by(factory: Factory, folders: Sequence[Path]) -> Any:
    """Return the model that a function or class makes, or that is there, or that a file stores.

    Modules are found in `folders`, too. Raises UserError where that fails.
    """
    try:
        if factory.is_stored:
            return sys.modules["keras"].saving.load_model(factory.where)
        made = getattr(_module(factory, folders), factory.name)
        return made() if isinstance(made, type) or not hasattr(made, "get_weights") else made
    except Exception as error:
        raise UserError(
            f"expected a model that {factory} makes in this process, too, but {one_line(error)}"
        ) from error


def _module(factory: Factory, folders: Sequence[Path]) -> ModuleType:
    """Import a module, or a file under the name that its folder's programs import it by."""
    added = [str(folder) for folder in folders if str(folder) not in sys.path]
    sys.path += added
    try:
        if not factory.is_file:
            return importlib.import_module(factory.where)
        name, own = Path(factory.where).stem, factory.where
        known = sys.modules.get(name)
        if known and Path(getattr(known, "__file__", None) or "") == Path(own):
            return known
        spec = importlib.util.spec_from_file_location(name, own)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules.setdefault(name, module)
        spec.loader.exec_module(module)
        return module
    finally:
        for folder in added:
            sys.path.remove(folder)


def changed(model: Any, code: str, cloning: str, *, at_hand: bool) -> Any:
    """Return a model with what the `INSTEAD` of some code says in the place of its lifts.

    A new layer has the inner layer of the old one, its name, its attribute and its place among the
    layers, so weights keep their order. A model `at_hand`, or one whose lifts stand in a graph, is
    cloned by the code `cloning`. Raises UserError where a lift would be left.
    """
    names: dict[str, Any] = {"model": model}
    try:
        exec(code, names)  # noqa: S102 - the code that is printed
        lifts = [*names["INSTEAD"]]
        owners = [(lift, owner) for lift in lifts for owner in _owners(model, lift, set())]
        is_cloned = at_hand or any(_is_graph(owner) for _, owner in owners)
        if is_cloned:
            exec(cloning, names)  # noqa: S102 - as above
        else:
            _change_in_place(owners, names["INSTEAD"])
    except Exception as error:
        raise UserError(f"its lifts cannot be changed here: {one_line(error)}; {_FIX}") from error
    new = names["new_model"] if is_cloned else model
    left = {part.name for part in new._flatten_layers() if type(part) in {*map(type, lifts)}}  # noqa: SLF001 - Keras has no other way
    if type(new) is not type(model) or left & {lift.name for lift in lifts}:
        raise UserError(
            "its lifts cannot be changed here: Keras clones a graph, and a class of your own "
            f"stands around a lift; {_FIX}"
        )
    return new


def _is_graph(layer: Any) -> bool:
    return hasattr(layer, "_nodes_by_depth") or hasattr(layer, "pop")


def _owners(layer: Any, lift: Any, seen: set[int]) -> Iterator[Any]:
    """Yield every layer that has a lift among its parts, once."""
    if id(layer) not in seen:
        seen.add(id(layer))
        parts = layer._layers  # noqa: SLF001
        if any(part is lift for part in parts):
            yield layer
        for part in parts:
            yield from _owners(part, lift, seen)


def _change_in_place(
    owners: Sequence[tuple[Any, Any]], instead: dict[Any, Callable[..., Any]]
) -> None:
    new = {lift: instead[lift](lift.layer, name=lift.name) for lift in reversed(instead)}
    for lift, owner in owners:
        if not _replace(owner, lift, new[lift]):
            raise ValueError(f"{lift.name!r} is no attribute, nor in a list or a dictionary of one")
    for lift in instead:  # inside of other lifts, whose inner layers are those of the new ones
        for owner in new.values():
            if any(part is lift for part in owner._layers):  # noqa: SLF001
                _replace(owner, lift, new[lift])


def _replace(owner: Any, old: Any, new: Any) -> bool:
    """Give the attributes of a layer that hold a part another one; True if there were any."""
    parts, places = owner._layers, list[tuple[Any, Any]]()  # noqa: SLF001
    held = {name: getattr(owner, name) for name in [*vars(owner), *getattr(owner, "_modules", ())]}
    for value in held.values():
        if isinstance(value, list) and value is not parts:
            places += [(value, place) for place, one in enumerate(value) if one is old]
        elif isinstance(value, dict) and value is not held.get("_modules"):
            places += [(value, key) for key, one in value.items() if one is old]
    names = [name for name, value in held.items() if value is old]
    owner._tracker.unlock()  # noqa: SLF001 - that of a layer which is built takes no parts
    for name in names:
        setattr(owner, name, new)
    for holder, key in places:
        holder[key] = new
    parts[:] = [new if part is old else part for part in parts if part is not new]
    if owner.built:
        owner._tracker.lock()  # noqa: SLF001
    return bool(names or places)
