"""What a layer tells of its own inputs, and whether others fit it."""

from collections.abc import Sequence
from typing import Any

import keras

from timelift.errors import UserError, nearest
from timelift.inner_layer import ANY_HIGH, USUAL_HIGH, LayerInputs, StepTensor
from timelift.worker.find_lifts import takes_mask

#: A shape, batch first; None stands for any size.
Shape = tuple[int | None, ...]


def layer_inputs(layer: Any) -> LayerInputs | None:
    """Return what a layer takes at one step; None where it does not tell all sizes.

    Those of a functional model are known, and of another layer once it is built. Of whole numbers
    `high` is 0 where nothing tells it. Raises UserError for inputs that `--inputs` cannot write.
    """
    told = _told(layer)
    if told is None or any(None in shape[1:] for shape in told[1]):
        return None
    names, shapes = told
    sizes = (tuple(size for size in shape[1:] if size is not None) for shape in shapes)
    kinds = (whole_numbers(layer, place) for place in range(len(shapes)))
    return LayerInputs(tuple(map(StepTensor, sizes, *zip(*kinds, strict=True))), names)


def _told(layer: Any) -> tuple[tuple[str, ...], list[Shape]] | None:
    """Return the names, if any, and the shapes of a layer's inputs; None where they are unknown."""
    if inputs := inputs_of(layer):
        structure = getattr(layer, "_inputs_struct", None)  # of a functional model, as it is called
        structure = inputs[0] if structure is None else structure
        nest = keras.tree.map_structure(lambda tensor: tuple(tensor.shape), structure)
    else:
        nest = ((layer.get_build_config() or {}) if layer.built else {}).get("input_shape")
    if not nest:
        return None
    if _is_shape(nest):
        return (), [tuple(nest)]
    names = tuple(sorted(nest, key=str)) if isinstance(nest, dict) else ()
    shapes = [nest[name] for name in names] if names else list(nest)
    if not all(map(_is_shape, shapes)):
        raise UserError(
            "expected inputs in one list or one dictionary, received a layer that takes lists or "
            "dictionaries inside of another; wrap it in a layer that takes one"
        )
    if unfit := [name for name in names if not str(name).isidentifier()]:
        raise UserError(
            f"expected names of inputs like frame or action, received {unfit[0]!r}; wrap the layer "
            "in one that takes such names"
        )
    return names, [tuple(shape) for shape in shapes]


def _is_shape(value: Any) -> bool:
    listed = isinstance(value, list | tuple)
    return listed and all(size is None or isinstance(size, int) for size in value)


def inputs_of(layer: Any) -> list[Any]:
    """Return the symbolic inputs of a functional model or a built Sequential; else []."""
    try:
        return list(layer.inputs or ())
    except (AttributeError, ValueError):  # ValueError: an unbuilt Sequential before Keras 3.6
        return []


def whole_numbers(layer: Any, place: int = 0) -> tuple[str, int]:
    """Return the dtype of an input of whole numbers and their upper bound; ("", 0) for floats.

    Inputs are counted from 0 as Keras flattens them. The bound is known if an Embedding takes the
    input, or the dtype has few numbers; else it is 0.
    """
    if isinstance(layer, keras.layers.Embedding):
        return "int32", int(layer.input_dim)
    inputs = inputs_of(layer)
    if not inputs:
        parts = layer.layers if isinstance(layer, keras.Sequential) else []
        return whole_numbers(parts[0]) if parts else ("", 0)
    bounds = [whole_numbers(*taker)[1] for taker in _takers(layer, inputs[place])]
    dtype, high = str(inputs[place].dtype), min(filter(None, bounds), default=0)
    if "int" in dtype or dtype == "bool":
        return dtype, high or USUAL_HIGH.get(dtype, 0)
    return "int32" if high else "", high


def _takers(model: Any, tensor: Any) -> list[tuple[Any, int]]:
    """Return the layers that take an input of a model, each with the place among its own inputs.

    If an operation takes the model's only input, it is the first layer that the model calls.
    """
    takers = [
        (part, place)
        for part in model.layers
        for node in part._inbound_nodes  # noqa: SLF001 - Keras has no other way to a layer's calls
        for place, given in enumerate(node.input_tensors)
        if given is tensor
    ]
    called = [part for part in model.layers if not isinstance(part, keras.layers.InputLayer)]
    return takers or [(part, 0) for part in called[:1] if len(inputs_of(model)) == 1]


def check_inputs(layer: Any, inputs: LayerInputs) -> None:
    if told := _told(layer):
        _check_structure(layer, *told, inputs)
    for place, tensor in enumerate(inputs.tensors):
        which = repr(inputs.names[place]) if inputs.names else place + 1
        which = f" in input {which}" if inputs.is_nest else ""
        own = told[1][place][1:] if told else tensor.shape
        if not _fits(own, tensor.shape):
            raise UserError(
                f"the layer is built for steps of {_written(own)}{which}, and --inputs or the "
                f"workload's file says {_written(tensor.shape)}; leave --inputs out, or mend the "
                "file"
            )
        whole, high = whole_numbers(layer, place)
        if whole and not tensor.dtype:
            like = StepTensor(tensor.shape, whole, high or ANY_HIGH)
            raise UserError(
                f"the layer takes whole numbers{which}; write so, like {like} in --inputs, or in "
                "INPUTS of a workload's file"
            )
    if any(tensor.masked for tensor in inputs.tensors) and not takes_mask(layer):
        raise UserError(
            f"expected a layer whose call takes a mask, received {type(layer).__name__}, whose "
            "call does not; leave +mask out of the inputs"
        )


def _check_structure(
    layer: Any, names: Sequence[str], shapes: Sequence[Shape], inputs: LayerInputs
) -> None:
    """Raise UserError if a layer takes another number of inputs, or others by name."""
    if tuple(names) == inputs.names and len(shapes) == len(inputs.tensors):
        return
    takes = f"{len(shapes)} inputs" if len(shapes) > 1 else "one input"
    takes += f" by name, {' and '.join(names)}" if names else ""
    unknown = [name for name in inputs.names if name not in names]
    wrong = f"{unknown[0]!r} ({nearest(unknown[0], names)})" if names and unknown else f"'{inputs}'"
    own = layer_inputs(layer)
    remedy = f"; write it like --inputs '{own.with_bounds}'" if own else ""
    raise UserError(f"the layer takes {takes}; received {wrong}{remedy}")


def _fits(own: Sequence[int | None], given: Sequence[int]) -> bool:
    return len(own) == len(given) and all(
        size in {None, asked} for size, asked in zip(own, given, strict=True)
    )


def _written(shape: Sequence[int | None]) -> str:
    return ",".join("any" if size is None else str(size) for size in shape) or "no axis"
