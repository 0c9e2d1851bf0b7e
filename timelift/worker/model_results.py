"""What a call of a whole model gives, and a train step of it, for another to be compared with."""

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from timelift.worker import law
from timelift.worker.engines import Array
from timelift.worker.find_lifts import mask_of
from timelift.worker.judge import silenced
from timelift.worker.model_data import Data, make_ready, mode_of
from timelift.worker.tolerances import TOLERANCES, DtypePrecision
from timelift.worker.user_code import changed, restored

#: The name of the sum of losses among the results of a call.
LOSSES = "the losses of its layers"


@dataclass
class Results:
    """What a call of a model gives: outputs, masks, the sum of losses, and the weights after it.

    `dtypes` are those of the outputs. A call `draws` if it changes a variable that is no weight,
    such as a seed. `moved` is the most that it moves a weight.
    """

    values: dict[str, Array]
    dtypes: dict[str, str]
    losses: int
    draws: bool
    moved: float
    gradients: dict[str, Array] = field(default_factory=dict)

    def kind(self, name: str) -> str:
        if name not in self.values:
            return "none"
        return f"{self.dtypes.get(name, '')}{[*self.values[name].shape]}"


def results_of(model: Any, data: Data, *, training: bool, reads_losses: bool = True) -> Results:
    """Call a model and restore its variables; no gradients. A served one has no losses."""
    fetch, weights = ops.convert_to_numpy, {id(weight) for weight in model.weights}
    with restored(model.variables) as before:
        returned = model(data.inputs, training=training)
        read = model.losses if reads_losses else ()
        losses = [float(fetch(ops.sum(loss))) for loss in read]
        after = {f"weight {n} after a call": w.numpy() for n, w in enumerate(model.weights)}
        moved = _moved(model, before)
        draws = any((v.numpy() != old).any() for v, old in before if id(v) not in weights)
    names = law.leaf_names(returned, "the output", "output")
    outputs = dict(zip(names, keras.tree.flatten(returned), strict=True))
    dtypes = {name: keras.backend.standardize_dtype(each.dtype) for name, each in outputs.items()}
    masks = {f"the mask of {name}": mask_of(output) for name, output in outputs.items()}
    tensors = outputs | {name: mask for name, mask in masks.items() if mask is not None}
    values = {name: fetch(tensor) for name, tensor in tensors.items()}
    values |= {LOSSES: np.array(sum(losses))} | after
    return Results(values, dtypes, len(losses), draws, moved)


def step_of(model: Any, data: Data) -> Results:
    """Make a train step of a model, and restore its variables; drawn labels are always the same.

    SGD takes the place of Keras's optimisers: its momentum after a first step is the gradient.
    Copies without a state take the place of users' own. The step runs eagerly, which is quicker
    than to trace it.
    """
    data = make_ready(model, data, mode_of(model), np.random.default_rng(0))
    own = {n: v for n, v in vars(model).items() if isinstance(v, keras.optimizers.Optimizer)}
    fresh = {id(optimizer): _without_state(optimizer) for optimizer in own.values()}
    how = {"run_eagerly": True, "jit_compile": False, "train_function": None}
    how |= {name: fresh[id(optimizer)] for name, optimizer in own.items()}
    drawn = {id(each) for each in model.variables} - {id(weight) for weight in model.weights}
    with (
        restored([*model.variables, *model.metrics_variables]) as before,
        changed([(model, name, value) for name, value in how.items()]),
    ):
        logs = model.train_on_batch(data.inputs, data.labels, return_dict=True)
        after = {f"weight {n} after a train step": w.numpy() for n, w in enumerate(model.weights)}
        moved = _moved(model, before)
        draws = any((v.numpy() != old).any() for v, old in before if id(v) in drawn)
    names = law.leaf_names(logs, "log", "log")
    logged = map(ops.convert_to_numpy, keras.tree.flatten(logs))
    values = {f"a train step's {name}": log for name, log in zip(names, logged, strict=True)}
    moments = [each.numpy() for one in fresh.values() for each in getattr(one, "momentums", ())]
    gradients = {f"gradient {n} of a train step": each for n, each in enumerate(moments)}
    return Results(values | after, {}, 0, draws, moved, gradients)


def _moved(model: Any, before: Iterable[tuple[Any, Array]]) -> float:
    """Return the most by which a weight differs from what it was."""
    old = {id(variable): value for variable, value in before}
    moves = (np.abs(law.widened(w.numpy() - old[id(w)])) for w in model.weights)
    return max((float(move.max(initial=0.0)) for move in moves), default=0.0)


def _without_state(optimizer: Any) -> Any:
    if type(optimizer).__module__.startswith("keras."):
        return keras.optimizers.SGD(1e-3, momentum=0.5)
    return type(optimizer).from_config(optimizer.get_config())


@dataclass(frozen=True)
class TrainingResults:
    """Training `calls` of a model, and train `steps`, that can be compared; None where they differ.

    `quiet` is True if they agree only with the rates of noise at 0.
    """

    calls: Results | None = None
    steps: Results | None = None
    quiet: bool = False


def training_of(model: Any, data: Data, *, makes_steps: bool = True) -> TrainingResults:
    """Return what agrees if it is done twice, as written or else without noise."""
    found = TrainingResults()
    for quiet in (False, True):
        with silenced(model) if quiet else nullcontext():
            calls = _steady(partial(results_of, model, data, training=True))
            steps = _steady(partial(step_of, model, data)) if calls and makes_steps else None
        if steps or (calls and not found.calls):
            found = TrainingResults(calls, steps, quiet)
        if steps or (calls and not makes_steps):
            break
    return found


def _steady(call: Callable[[], Results]) -> Results | None:
    """The results of a call that neither fails nor draws noise, and gives the same again."""
    try:
        first = call()
        second = first if first.draws else call()
    except Exception:  # noqa: BLE001 - the user's layers may raise anything
        return None
    allowed = TOLERANCES[DtypePrecision.FLOAT32].outputs
    pairs = zip(second.values.values(), first.values.values(), strict=True)
    agree = all((by_feature(*pair)[0] <= allowed).all() for pair in pairs)
    return first if agree and not first.draws else None


def by_feature(values: Array, wanted: Array, least: float = 0.0) -> tuple[Array, Array]:
    """Return the largest error of each feature (last axis), in units of its largest value; both.

    The unit is `least` where the largest value is smaller.
    """
    features = wanted.shape[-1] if wanted.ndim > 1 and wanted.size else 1
    rows = law.widened(wanted).reshape(-1, features)
    tiny = np.finfo(np.float16 if wanted.dtype == np.float16 else rows.dtype).tiny
    scale = np.maximum(np.abs(rows).max(axis=0, initial=0.0), max(tiny, least))
    errors = law.relative_errors(values.reshape(rows.shape), rows, scale)
    return errors.max(axis=0, initial=0.0), scale
