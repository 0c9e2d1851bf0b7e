"""Find the layer that a user names, and what its inputs are where it brings them.

A name stands for a function or a class that makes the layer, or for the layer itself.
"""

import importlib
from collections.abc import Iterator, Sequence
from typing import Any

from timelift.errors import nearest
from timelift.worker.isolation import load_module


def find_layer(factory: str) -> Any:
    """Return what `path.py:name` or `module:name` makes or is; raises whatever the module does."""
    import keras  # noqa: PLC0415 - the backend is chosen by now

    where, _, name = factory.rpartition(":")
    module = load_module(where) if where.endswith(".py") else importlib.import_module(where)
    if not hasattr(module, name):
        known = [one for one in vars(module) if not one.startswith("_")]
        raise AttributeError(f"{where} has no {name!r}; {nearest(name, known)}")
    found = getattr(module, name)
    return found if isinstance(found, keras.Layer) else found()


def input_shape(layer: Any) -> tuple[int | None, ...] | None:
    """Return the shape of the layer's input, batch first; None where it has none yet.

    A functional model has it by its inputs, another layer once it is built.
    """
    inputs = _inputs(layer)
    if inputs:
        return tuple(inputs[0].shape) if len(inputs) == 1 else None
    built = (layer.get_build_config() or {}) if layer.built else {}
    shape = built.get("input_shape")
    plain = isinstance(shape, list | tuple) and all(
        size is None or isinstance(size, int) for size in shape
    )
    return tuple(shape) if plain and shape else None


def _inputs(layer: Any) -> list[Any]:
    """Return the inputs of a functional model or a built Sequential; none of another layer."""
    try:
        return list(layer.inputs or ())
    except (AttributeError, ValueError):  # ValueError: an unbuilt Sequential before Keras 3.6
        return []


def check_features(layer: Any, features: Sequence[int]) -> None:
    """Raise ValueError where a layer that is built for one shape of a step is given another."""
    shape = input_shape(layer)
    if shape is None:
        return
    own = shape[1:]
    fits = len(own) == len(features) and all(
        size in {None, given} for size, given in zip(own, features, strict=True)
    )
    if not fits:
        raise ValueError(
            f"the layer is built for steps of {_written(own)}, and --features says "
            f"{_written(features)}; leave --features out"
        )


def _written(shape: Sequence[int | None]) -> str:
    return ",".join("any" if size is None else str(size) for size in shape) or "no axis"


def whole_numbers(layer: Any) -> tuple[str, int]:
    """Return the dtype of whole-number inputs and the number below which they lie.

    They are empty and 0 for floats; 0 where no Embedding, as the first layer, tells the number.
    """
    import keras  # noqa: PLC0415

    first = next(_first_layers(layer), None)
    high = int(first.input_dim) if isinstance(first, keras.layers.Embedding) else 0
    inputs = _inputs(layer)
    dtype = str(inputs[0].dtype) if inputs else ""
    whole = dtype if "int" in dtype else "int32" if high else ""
    return whole, high


def check_input_dtype(layer: Any, input_dtype: str) -> None:
    """Raise ValueError where a layer that takes whole numbers would be fed with others."""
    whole, high = whole_numbers(layer)
    if whole and not input_dtype:
        raise ValueError(
            f"the layer takes whole numbers; say so with --input-dtype {whole} --input-high "
            f"{high or 1000}, or with INPUT_DTYPE and INPUT_HIGH in a workload's file"
        )


def _first_layers(layer: Any) -> Iterator[Any]:
    """Yield the first layer of a model, or the layer itself, skipping what only names an input."""
    import keras  # noqa: PLC0415

    # the layers of a subclassed model are in the order of its attributes
    in_order = isinstance(layer, keras.Sequential) or (
        isinstance(layer, keras.Model) and _inputs(layer)
    )
    if not in_order or not layer.layers:
        yield layer
        return
    for part in layer.layers:
        if not isinstance(part, keras.layers.InputLayer):
            yield from _first_layers(part)
