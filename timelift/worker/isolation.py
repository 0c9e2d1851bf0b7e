"""What keeps the files of strategies and layers apart: their modules, imports and switches."""

import contextlib
import importlib.util
import os
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from timelift.project import modules_in
from timelift.worker.engines import Engine, Switch

#: The modules that were found in each other tree, so that its files share them.
_FOUND_IN: dict[str, dict[str, ModuleType]] = {}


def load_module(path: str) -> ModuleType:
    """Import a Python file by its path, under a name that no package and no other path has."""
    name = f"timelift_file_{Path(path).stem}_{zlib.crc32(path.encode()):08x}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@contextmanager
def imports_from(home: str) -> Iterator[None]:
    """Search another tree first for imports: `home` is written like PYTHONPATH, or empty.

    What this process imported under such names is set aside meanwhile, so that two revisions of one
    package live side by side. timelift itself is never taken from the other tree.
    """
    if not home:
        yield
        return
    aside = _modules_in(home)
    _replace(aside, _FOUND_IN.get(home, {}))
    folders = home.split(os.pathsep)
    sys.path[:0] = folders
    try:
        yield
    finally:
        for folder in folders:  # the first of each name is the one put there
            with contextlib.suppress(ValueError):
                sys.path.remove(folder)
        _FOUND_IN[home] = _modules_in(home)
        _replace(_FOUND_IN[home], aside)


def _modules_in(home: str) -> dict[str, ModuleType]:
    """Return the imported modules whose top-level package or file is also in the tree `home`."""
    tops = modules_in(map(Path, home.split(os.pathsep))) - {"timelift"}
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] in tops}


def _replace(old: Iterable[str], new: Mapping[str, ModuleType]) -> None:
    for name in old:
        del sys.modules[name]
    sys.modules.update(new)


@contextmanager
def restore_process_state(engine: Engine) -> Iterator[None]:
    """Restore folder, environment and search path, and Keras's and the backend's switches.

    Seeds need no guard: everything that is drawn has a generator of its own.
    """
    folder, variables, path = Path.cwd(), dict(os.environ), list(sys.path)
    switches = [*_keras_switches(), *engine.switches()]
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


def _keras_switches() -> list[Switch]:
    import keras  # noqa: PLC0415 - the backend is chosen by now

    config = keras.config
    return [
        (config.set_floatx, config.floatx()),
        (config.set_dtype_policy, config.dtype_policy()),
        (config.set_image_data_format, config.image_data_format()),
        (config.set_epsilon, config.epsilon()),
    ]
