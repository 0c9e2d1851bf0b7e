"""Models are built: by a strategy, and one that lifts as strategies do."""

import inspect
from types import ModuleType
from typing import Any

import keras

from timelift.case import TimeAxis
from timelift.errors import UserError
from timelift.inner_layer import LayerInputs
from timelift.messages import RivalSpec, Task
from timelift.worker.making import symbolic


def refusal(module: ModuleType, rival: RivalSpec, layer: Any, task: Task) -> str | None:
    """Call the strategy's `refuses` with what it takes of the rival's parameters and the inputs."""
    refuses = getattr(module, "refuses", None)
    if refuses is None:
        return None
    masked = task.inputs.pack(tensor.masked for tensor in task.inputs.tensors)
    known = {**rival.parameters, "shape": _shapes(task), "masked": masked}
    wanted = inspect.signature(refuses).parameters.keys() & known.keys()
    reason: str | None = refuses(layer, task.setting, **{name: known[name] for name in wanted})
    return reason


def _shapes(task: Task) -> Any:
    """Return the shape of each input, (time, *features); time is None where it is dynamic."""
    static = task.setting.time_axis is TimeAxis.STATIC
    time = task.setting.seq_len if static else None
    return task.inputs.pack((time, *tensor.shape) for tensor in task.inputs.tensors)


def build(module: ModuleType, rival: RivalSpec, layer: Any, task: Task) -> Any:
    inputs, usual = task.inputs, str(task.setting.dtype)
    dtypes = inputs.pack(tensor.dtype or usual for tensor in inputs.tensors)
    extra = {"dtype": dtypes} if inputs.is_nest or inputs.is_whole else {}
    model = module.build(layer, _shapes(task), **extra, **rival.parameters)
    if model is None:
        raise UserError("build returned None, where a model is expected")
    return model


def warming_model(layer: Any, inputs: LayerInputs, steps: int) -> Any:
    """Make a model that lifts the layer as rivals do: folded into the batch, and step by step.

    (batch, time, *features) to ((time + 2) * batch, *outputs): all steps folded, and the first and
    the last one by themselves.
    """
    specs = symbolic(inputs, None, steps)
    sequences = keras.tree.map_structure(lambda x: keras.Input(x.shape[1:], dtype=x.dtype), specs)

    def fold(sequence: Any) -> Any:
        return keras.ops.reshape(sequence, (-1, *sequence.shape[2:]))

    def join(folded: Any, first: Any, last: Any) -> Any:
        alone = fold(keras.ops.stack([first, last], axis=1))
        return keras.ops.concatenate([folded, alone], axis=0)

    unstacked = [keras.ops.unstack(each, steps, axis=1) for each in keras.tree.flatten(sequences)]
    calls = [
        keras.tree.map_structure(fold, sequences),
        *(inputs.pack(each[place] for each in unstacked) for place in (0, -1)),
    ]
    return keras.Model(sequences, keras.tree.map_structure(join, *map(layer, calls)))
