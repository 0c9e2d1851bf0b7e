"""The inner layer: its file loaded, its global state set, its weights drawn."""

import contextlib
import importlib
import importlib.util
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from timelift.case import Setting
from timelift.escape import without_codes
from timelift.worker.engines import Engine

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
    """Search another tree first for imports; an empty `home` changes nothing.

    What this process imported under such names is put aside meanwhile, so that two revisions of one
    package live side by side. timelift itself is never taken from the other tree.
    """
    if not home:
        yield
        return
    aside = _standing_in(home)
    _replace(aside, _FOUND_IN.get(home, {}))
    places = [str(place) for place in _places(Path(home))]
    sys.path[:0] = places
    try:
        yield
    finally:
        sys.path[:] = [place for place in sys.path if place not in places]
        _FOUND_IN[home] = _standing_in(home)
        _replace(_FOUND_IN[home], aside)


def _standing_in(home: str) -> dict[str, ModuleType]:
    """Return the imported modules whose top-level package or file is also in the tree `home`."""
    found = {path.stem for place in _places(Path(home)) for path in place.iterdir()}
    tops = found - {"timelift"}
    return {name: one for name, one in sys.modules.items() if name.partition(".")[0] in tops}


def _places(root: Path) -> list[Path]:
    return [place for place in (root, root / "src") if place.is_dir()]


def _replace(old: Iterable[str], new: Mapping[str, ModuleType]) -> None:
    for name in old:
        del sys.modules[name]
    sys.modules.update(new)


def set_global_state(engine: Engine, setting: Setting, seed: int) -> None:
    import keras  # noqa: PLC0415 - the backend is chosen by now

    engine.seed(seed % 2**31)
    keras.config.set_floatx(setting.dtype)
    keras.config.set_dtype_policy(str(setting.dtype))


def make_layer(factory: str, features: Sequence[int], seed: int = 0) -> Any:
    """Make and build the inner layer, with no weight left at a zero that could hide a mistake.

    `factory` is `path.py:function` or `module:function`, `features` the shape of one step, and
    `seed` what is added to the weights is drawn from.
    """
    import keras  # noqa: PLC0415

    where, _, name = factory.rpartition(":")
    module = load_module(where) if where.endswith(".py") else importlib.import_module(where)
    layer = getattr(module, name)()
    _check_one_tensor(layer, f"{where}:{name}")
    if not layer.built:
        layer.build((None, *features))
    noise = keras.random.SeedGenerator(seed)
    for weight in layer.trainable_weights:
        drawn = keras.random.normal(weight.shape, stddev=0.05, dtype=weight.dtype, seed=noise)
        weight.assign(weight + drawn)
    return layer


def _check_one_tensor(layer: Any, factory: str) -> None:
    import keras  # noqa: PLC0415

    if not isinstance(layer, keras.Layer):
        raise TypeError(f"{factory} must return a Keras layer, got {type(layer).__name__}")
    for side in ("input", "output"):
        try:
            structure = getattr(layer, side)
        except (AttributeError, ValueError):
            continue
        if isinstance(structure, dict) or (isinstance(structure, list) and len(structure) > 1):
            raise TypeError(
                f"{factory} returns a layer with {len(structure)} {side}s; only layers with one "
                "can be lifted; wrap it in a layer that takes and returns one tensor"
            )


def warming_model(layer: Any, shape: Sequence[int], dtype: Any) -> Any:
    """Make a model that lifts the layer as rivals do: folded into the batch, and step by step.

    (batch, time, *features) to ((time + 2) * batch, *outputs): all steps, and two again.
    """
    import keras  # noqa: PLC0415 - the backend is chosen by now

    inputs = keras.Input(tuple(shape), dtype=str(dtype))
    folded = layer(keras.ops.reshape(inputs, (-1, *shape[1:])))
    first, *_, last = keras.ops.unstack(inputs, shape[0], axis=1) * 2
    steps = keras.ops.stack([layer(first), layer(last)], axis=1)
    unfolded = keras.ops.reshape(steps, (-1, *steps.shape[2:]))
    return keras.Model(inputs, keras.ops.concatenate([folded, unfolded], axis=0))


class LayerState:
    """The inner layer's weights that training changes without gradients, to be put back."""

    def __init__(self, layer: Any) -> None:
        self._kept = [(weight, weight.numpy()) for weight in layer.non_trainable_variables]

    def has_changed(self) -> bool:
        return not all((weight.numpy() == value).all() for weight, value in self._kept)

    def restore(self) -> None:
        """Undo the changes of later calls to batch statistics and random seeds."""
        for weight, value in self._kept:
            weight.assign(value)


def sentence(error: Exception, most: int = 400) -> str:
    """Return the kind of an exception and the start of its text, on one line.

    TensorFlow puts a stack before the text of an error in a graph: there the last paragraph counts.
    """
    text = without_codes(str(error))
    if text.startswith("Graph execution error"):
        text = text.rstrip().rpartition("\n\n")[2]
    text = " ".join(text.split())
    return f"{type(error).__name__}: {text[:most]}" + ("…" if len(text) > most else "")


@contextlib.contextmanager
def restore_process_state(engine: Engine) -> Iterator[None]:
    """Put back folder, environment and search path, and Keras's and the backend's switches.

    Seeds need no guard: everything that is drawn has a generator of its own.
    """
    folder, variables, path = Path.cwd(), dict(os.environ), list(sys.path)
    put_back = (_keras(), engine.save_switches())
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.chdir(folder)
        if dict(os.environ) != variables:  # writing it is not safe beside the backend's threads
            os.environ.clear()
            os.environ.update(variables)
        sys.path[:] = path
        for action in put_back:
            action()


def _keras() -> Callable[[], None]:
    """Note Keras's defaults; calling the result puts them back."""
    import keras  # noqa: PLC0415 - the backend is chosen by now

    config = keras.config
    kept = (
        (config.set_floatx, config.floatx()),
        (config.set_dtype_policy, config.dtype_policy()),
        (config.set_image_data_format, config.image_data_format()),
        (config.set_epsilon, config.epsilon()),
    )

    def put_back() -> None:
        for setter, value in kept:
            setter(value)

    return put_back
