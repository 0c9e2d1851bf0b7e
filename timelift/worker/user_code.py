"""The code of users: find what they name, import their files, and undo what these change.

A name stands for a function or class that makes a layer or model, or for the layer or model itself.
"""

import contextlib
import importlib
import importlib.util
import os
import pkgutil
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any

from timelift.errors import UserError, nearest, one_line
from timelift.inner_layer import Factory
from timelift.project import modules_in
from timelift.worker.edited import is_users, spec_of
from timelift.worker.engines import Array, Engine

#: Modules that were imported from each other tree: rivals of one tree share them.
_IMPORTED_FROM: dict[str, dict[str, ModuleType]] = {}


def find_layer(factory: str) -> Any:
    """Return the layer that a `Factory` makes or is; raises whatever the user's module raises."""
    import keras  # noqa: PLC0415 - the backend is chosen by now

    parts = Factory.of(factory)
    if parts.lift:
        from timelift.worker.find_lifts import lift_at  # noqa: PLC0415 - imports Keras

        return lift_at(find_model(str(replace(parts, lift=""))), parts.lift).inner
    named = find_named(factory)
    if isinstance(named, keras.Layer):
        return named
    try:
        return named()
    except TypeError as error:
        if error.__traceback__ and error.__traceback__.tb_next:  # it was called
            raise
        raise UserError(f"{error}; name a function without arguments that makes it") from None


def find_named(text: str) -> Any:
    """Return what `path.py:name` or `module:name` names; raises whatever the module does."""
    parts = Factory.of(text)
    where, name = parts.where, parts.name
    try:
        module = load_module(where) if parts.is_file else importlib.import_module(where)
    except ModuleNotFoundError as error:
        package, _, last = (error.name or "").rpartition(".")
        if not f"{where}.".startswith(f"{error.name}."):  # one that it imports
            raise
        folders = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        known = pkgutil.iter_modules(getattr(sys.modules.get(package), "__path__", folders))
        near = nearest(last, [module.name for module in known])
        why = f"there is no module {error.name!r} for {sys.executable}"
        raise UserError(f"{why}, with {', '.join(folders)}; {near}") from None
    if not hasattr(module, name):
        public = [other for other in vars(module) if not other.startswith("_")]
        raise UserError(f"{where} has no {name!r}; {nearest(name, public)}")
    return getattr(module, name)


def find_model(name: str) -> Any:
    """Return the model that `module:name` or `path.py:name` makes or is, or a `.keras` file holds.

    Raises UserError if it is no model, and whatever the user's module raises.
    """
    import keras  # noqa: PLC0415 - the backend is chosen by now

    load = keras.saving.load_model if Factory.of(name).is_stored else find_layer
    try:
        model = load(name)
    except (TypeError, ValueError) as error:
        whys = {
            "safe_mode": "it holds Python code of its own (a Lambda), which Keras's safe mode does "
            "not run",
            "Could not locate": "it has a class or function of its own, which Keras does not know",
        }
        why = next((why for words, why in whys.items() if words in str(error)), "")
        if load is find_layer or not why:
            raise
        instead = "write a function that loads it, and name that instead"
        raise UserError(f"{why}; {instead}") from error
    if not isinstance(model, keras.Model):
        raise UserError(f"{name} must give a model of Keras 3, got {type(model)}")
    return model


def with_place(error: Exception) -> str:
    """Return an error in a line, with the last line of the user's that was executed."""
    frames = [each for each in extract_tb(error.__traceback__) if is_users(each.filename)]
    places = [f" ({Path(each.filename).name}:{each.lineno})" for each in frames]
    return f"{one_line(error)}{''.join(places[-1:])}"


def load_module(path: str) -> ModuleType:
    """Import a Python file by its path, under a name that no package and no other path has."""
    name = f"timelift_file_{Path(path).stem}_{zlib.crc32(path.encode()):08x}"
    spec = spec_of(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@contextmanager
def imports_from(home: str) -> Iterator[None]:
    """Import from another tree first; `home` has its folders, like PYTHONPATH, or is ''.

    Meanwhile modules of the same names leave `sys.modules`, so that two revisions of one package
    live side by side. timelift itself never comes from the other tree.
    """
    if not home:
        yield
        return
    own = _modules_in(home)
    _replace(own, _IMPORTED_FROM.get(home, {}))
    folders = home.split(os.pathsep)
    sys.path[:0] = folders
    try:
        yield
    finally:
        for folder in folders:  # the first of each name is the one put there
            with contextlib.suppress(ValueError):
                sys.path.remove(folder)
        _IMPORTED_FROM[home] = _modules_in(home)
        _replace(_IMPORTED_FROM[home], own)


def _modules_in(home: str) -> dict[str, ModuleType]:
    """Return the imported modules whose top-level name is also one of the tree `home`."""
    tops = modules_in(map(Path, home.split(os.pathsep))) - {"timelift"}
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] in tops}


def _replace(old: Iterable[str], new: Mapping[str, ModuleType]) -> None:
    for name in old:
        del sys.modules[name]
    sys.modules.update(new)


@contextmanager
def restore_process_state(engine: Engine) -> Iterator[None]:
    """Restore folder, environment and search path, and Keras's and the backend's switches.

    Seeds are not restored, since every draw of ours has a generator of its own.
    """
    import keras  # noqa: PLC0415 - the backend is chosen by now

    folder, variables, path = Path.cwd(), dict(os.environ), list(sys.path)
    config = keras.config
    switches = [
        (config.set_floatx, config.floatx()),
        (config.set_dtype_policy, config.dtype_policy()),
        (config.set_image_data_format, config.image_data_format()),
        (config.set_epsilon, config.epsilon()),
        *engine.switches(),
    ]
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.chdir(folder)
        if dict(os.environ) != variables:  # writing it is not safe beside the backend's threads
            os.environ.clear()
            os.environ.update(variables)
        sys.path[:] = path
        for switch, value in switches:
            switch(value)


@contextmanager
def restored(variables: Iterable[Any]) -> Iterator[list[tuple[Any, Array]]]:
    """Yield variables with their values, and restore these."""
    before = [(variable, variable.numpy()) for variable in variables]
    try:
        yield before
    finally:
        for variable, value in before:
            variable.assign(value)


@contextmanager
def changed(attributes: Sequence[tuple[Any, str, Any]]) -> Iterator[None]:
    """Give attributes of objects other values inside."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in attributes]
    try:
        for each in attributes:
            setattr(*each)
        yield
    finally:
        for each in before:
            setattr(*each)


@contextmanager
def revalued(variables: Iterable[Any], change: Callable[[Array], Array]) -> Iterator[None]:
    """Give variables inside what `change` makes of their values, in the same dtype."""
    with restored(variables) as before:
        for variable, value in before:
            variable.assign(change(value).astype(value.dtype))
        yield
