"""Find the layer that a user names, and what its inputs are where it brings them.

A name stands for a function or a class that makes the layer, or for the layer itself.
"""

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from timelift.errors import nearest
from timelift.inner_layer import Factory, LayerInputs
from timelift.worker.find_lifts import lift_at
from timelift.worker.isolation import load_module


def find_layer(factory: str) -> Any:
    """Return what `path.py:name` or `module:name` makes or is; raises whatever the module does.

    `module:name#path` is the layer inside of a model's lift, and a model may be a `.keras` file.
    """
    import keras  # noqa: PLC0415 - the backend is chosen by now

    made = Factory.of(factory)
    if made.lift:
        return lift_at(find_model(str(replace(made, lift=""))), made.lift).inner
    found = find_named(factory)
    return found if isinstance(found, keras.Layer) else found()


def find_named(text: str) -> Any:
    """Return what `path.py:name` or `module:name` names; raises whatever the module does."""
    made = Factory.of(text)
    module = load_module(made.where) if made.is_file else importlib.import_module(made.where)
    if not hasattr(module, made.name):
        public = [name for name in vars(module) if not name.startswith("_")]
        raise AttributeError(f"{made.where} has no {made.name!r}; {nearest(made.name, public)}")
    return getattr(module, made.name)


def find_model(name: str) -> Any:
    """Return the model that `module:name` or `path.py:name` makes or is, or a `.keras` file holds.

    Raises TypeError for what is no model, and whatever the user's module raises.
    """
    import keras  # noqa: PLC0415 - the backend is chosen by now

    model = _load(name) if Factory.of(name).is_stored else find_layer(name)
    if not isinstance(model, keras.Model):
        raise TypeError(f"{name} must give a Keras model, got {type(model).__name__}")
    return model


def _load(name: str) -> Any:
    import keras  # noqa: PLC0415 - the backend is chosen by now

    try:
        return keras.saving.load_model(name)  # in Keras's safe mode
    except ValueError as error:
        if "safe_mode" not in str(error):
            raise
        raise ValueError(
            "it holds Python code of its own (a Lambda), which Keras's safe mode does not run; "
            "write a function that loads it, and name that instead"
        ) from error


def input_shape(layer: Any) -> tuple[int | None, ...] | None:
    """Return the shape of the layer's input, batch first; None where it has none yet.

    A functional model has it by its inputs, another layer once it is built.
    """
    inputs = inputs_of(layer)
    if inputs:
        return tuple(inputs[0].shape) if len(inputs) == 1 else None
    built = (layer.get_build_config() or {}) if layer.built else {}
    shape = built.get("input_shape")
    plain = isinstance(shape, list | tuple) and all(
        size is None or isinstance(size, int) for size in shape
    )
    return tuple(shape) if plain and shape else None


def inputs_of(layer: Any) -> list[Any]:
    """Return the inputs of a functional model or a built Sequential; none of another layer."""
    try:
        return list(layer.inputs or ())
    except (AttributeError, ValueError):  # ValueError: an unbuilt Sequential before Keras 3.6
        return []


def parts_of(layer: Any) -> list[Any]:
    """Return a layer and all layers inside of it."""
    return list(layer._flatten_layers())  # noqa: SLF001 - Keras has no other way to all of them


def check_inputs(layer: Any, inputs: LayerInputs) -> None:
    """Raise ValueError where a layer is given inputs other than those that it takes."""
    shape, given = input_shape(layer), inputs.features
    own = shape[1:] if shape else given
    fits = len(own) == len(given) and all(
        size in {None, asked} for size, asked in zip(own, given, strict=True)
    )
    if not fits:
        raise ValueError(
            f"the layer is built for steps of {_written(own)}, and --inputs or FEATURES says "
            f"{_written(given)}; leave --inputs out, or mend the workload's file"
        )
    whole, high = whole_numbers(layer)
    if whole and not inputs.dtype:
        like = LayerInputs(given, whole, high or 1000)
        raise ValueError(
            f"the layer takes whole numbers; write so, like --inputs '{like}', or with INPUT_DTYPE "
            "and INPUT_HIGH in a workload's file"
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
    inputs = inputs_of(layer)
    dtype = str(inputs[0].dtype) if inputs else ""
    whole = dtype if "int" in dtype else "int32" if high else ""
    return whole, high


def _first_layers(layer: Any) -> Iterator[Any]:
    """Yield the first layer of a model, or the layer itself, skipping what only names an input."""
    import keras  # noqa: PLC0415

    # the layers of a subclassed model are in the order of its attributes
    in_order = isinstance(layer, keras.Sequential) or (
        isinstance(layer, keras.Model) and inputs_of(layer)
    )
    if not in_order or not layer.layers:
        yield layer
        return
    for part in layer.layers:
        if not isinstance(part, keras.layers.InputLayer):
            yield from _first_layers(part)
