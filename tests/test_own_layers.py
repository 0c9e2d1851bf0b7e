"""Layers as people write them are lifted, and held to the law of what they are."""

import functools

import pytest

from tests import engines
from tests.own_layers import Asked
from timelift.case import Backend, Dtype, Gradients, Phase, Status

FORWARD, BACKWARD = Phase
BOTH = Gradients.INPUTS_AND_WEIGHTS
FEW, COPIED = ("fold_time", "loop_slice"), ("fold_time", "conv1d_pointwise", "einsum_letters")
MIXED = ("fold_time", "off_by_5_percent")
#: Each case with the strategies that must be caught.
HELD = {
    Asked("single", FORWARD, (*FEW, "in_bfloat16")): {"in_bfloat16"},
    Asked("single", BACKWARD, (*FEW, "in_bfloat16"), BOTH): {"in_bfloat16"},
    Asked("mixed", FORWARD, (*FEW, "in_bfloat16", "off_by_5_percent")): {"off_by_5_percent"},
    Asked("mixed", BACKWARD, MIXED, BOTH): {"off_by_5_percent"},
    Asked("half", FORWARD, MIXED): {"off_by_5_percent"},
    Asked("half", BACKWARD, MIXED, BOTH): {"off_by_5_percent"},
    Asked("half_inside", FORWARD, MIXED): {"off_by_5_percent"},
    Asked("single", BACKWARD, FEW, BOTH, Dtype.FLOAT64): set(),
    Asked("partly_frozen", FORWARD, FEW): set(),
    Asked("partly_frozen", BACKWARD, MIXED): {"off_by_5_percent"},
    Asked("bias_alone", BACKWARD, (*COPIED, "off_by_5_percent")): {"off_by_5_percent"},
    Asked("frozen", FORWARD, COPIED): set(),
    Asked("frozen", BACKWARD, (*COPIED, "off_by_5_percent"), BOTH): {"off_by_5_percent"},
}
#: A float64 layer is one on TensorFlow alone; its inputs are float32, and so is their gradient.
DOUBLE = {
    Asked("double", FORWARD, (*FEW, "in_float32")): {"in_float32"},
    Asked("double", BACKWARD, (*FEW, "partly_by_float32"), BOTH): set(),
}
#: Nothing trains.
NOTHING = {
    Asked("frozen", BACKWARD, ("fold_time", "loop_slice", "lstm")): "Dense",
    Asked("no_weights", BACKWARD, ("fold_time", "loop_slice", "lstm")): "Activation",
}
#: What JAX is asked for: each takes it a second or more.
ON_JAX = ("partly_frozen backward", "no_weights backward")


@functools.cache
def told(backend):
    """How the strategies of all these cases end, in a process of the backend."""
    asked = [*HELD, *NOTHING, *(DOUBLE if backend is Backend.TENSORFLOW else ())]
    if backend is Backend.JAX:
        asked = [one for one in asked if f"{one.layer} {one.phase}" in ON_JAX]
    script = (
        "import json\nfrom tests.own_layers import *\n"
        f"asked = [{', '.join(map(_written, asked))}]\n"
        f"print(json.dumps(told(asked, {str(backend)!r})))"
    )
    return dict(zip(asked, engines.told(backend, script), strict=True))


def _written(one):
    """A case, as a script says it."""
    kinds = {"phase": "Phase", "gradients": "Gradients", "dtype": "Dtype"}
    values = {name: f"{kind}({str(getattr(one, name))!r})" for name, kind in kinds.items()}
    said = ", ".join(f"{name}={value}" for name, value in values.items())
    return f"Asked({one.layer!r}, strategies={one.strategies!r}, {said})"


@pytest.mark.parametrize("backend", Backend)
def test_a_layer_is_held_to_its_own_precision_and_by_what_of_it_trains(backend):
    found, caught = told(backend), HELD | DOUBLE
    for asked, ends in found.items():
        if asked in caught:
            broken = {name for name, (status, _) in ends.items() if status == Status.LAW_BROKEN}
            measured = {name for name, (status, _) in ends.items() if status == Status.MEASURED}
            assert (broken, broken | measured) == (caught[asked], set(asked.strategies)), asked


@pytest.mark.parametrize("backend", Backend)
def test_a_backward_without_anything_to_train_is_refused_in_one_sentence(backend):
    found = told(backend)
    refused = [one for one in NOTHING if one in found]
    assert refused
    for asked in refused:
        sentence = (
            f"{NOTHING[asked]} has no weights that train; ask for --gradients inputs_and_weights, "
            "or for --phases forward."
        )
        assert {tuple(end) for end in found[asked].values()} == {(Status.REFUSED, sentence)}
