"""The inner layer: its file loaded, its global state set, its weights drawn."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from timelift.case import Setting
from timelift.measure.wire import Task


def load_module(path: str) -> ModuleType:
    """Import a Python file by its path, under a name that no package has."""
    name = f"timelift_file_{Path(path).stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def set_global_state(setting: Setting, seed: int) -> None:
    """Seed Keras and make the setting's dtype the default of every layer."""
    import keras  # noqa: PLC0415 - the backend is chosen by now

    keras.utils.set_random_seed(seed % 2**31)
    keras.config.set_floatx(setting.dtype)
    keras.config.set_dtype_policy(str(setting.dtype))


def make_layer(task: Task) -> Any:
    """Make and build the inner layer, with no weight left at a zero that could hide a mistake."""
    import keras  # noqa: PLC0415

    where, _, name = task.factory.rpartition(":")
    module = load_module(where) if where.endswith(".py") else importlib.import_module(where)
    layer = getattr(module, name)()
    _check_one_tensor(layer, f"{where}:{name}")
    if not layer.built:
        layer.build((None, *task.features))
    for weight in layer.trainable_weights:
        weight.assign(weight + keras.random.normal(weight.shape, stddev=0.05, dtype=weight.dtype))
    return layer


def _check_one_tensor(layer: Any, factory: str) -> None:
    """Refuse what maps anything else than one tensor to one tensor, in a sentence."""
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


class State:
    """The inner layer's weights that training changes without gradients, to be put back."""

    def __init__(self, layer: Any) -> None:
        self._kept = [(weight, weight.numpy()) for weight in layer.non_trainable_variables]

    def restore(self) -> None:
        """Undo what the calls since have done to batch statistics and random seeds."""
        for weight, value in self._kept:
            weight.assign(value)
