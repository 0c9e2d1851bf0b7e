"""A strategy's layer takes TimeDistributed's place in somebody's model (see `tests/drop_in.py`)."""

import pytest

from tests import engines
from tests.projects import STRATEGIES
from timelift.case import Backend

#: Elsewhere each takes seconds: a loop in Python, and one of the backend.
ELSEWHERE = ("loop_slice", "ops_scan")
#: It is refused where JAX compiles, as a step of training does.
NOT_COMPILED = {Backend.JAX: {"bucketing[k=4]"}}


def told(backend, call):
    """What a call in `tests/drop_in.py` finds, in a process of the backend."""
    script = f"import json\nfrom tests import drop_in\nprint(json.dumps(drop_in.{call}))"
    return engines.told(backend, script)


def here(backend):
    names = [name for name, one in STRATEGIES.items() if backend in one.backends]
    return [name for name in names if name not in NOT_COMPILED.get(backend, ())]


@pytest.mark.parametrize("backend", Backend)
def test_a_strategy_stands_where_time_distributed_stood(backend):
    """Same outputs, mask passed on or lost as declared, training told; trained, saved and loaded.

    Each in one of its forms, in turn; on the other backends a few.
    """
    names = here(backend) if backend is Backend.TENSORFLOW else [*ELSEWHERE]
    found = told(backend, f"told({names}, every=False, eagerly=True)")
    assert len(found) == len(names)
    assert not {place: faults for place, faults in found.items() if faults}


@pytest.mark.whole
@pytest.mark.parametrize("backend", Backend)
def test_every_strategy_stands_there_in_every_form(backend):
    found = told(backend, f"told({here(backend)}, every=True, eagerly=False)")
    assert not {place: faults for place, faults in found.items() if faults}


#: A piece of a strategy, what is put in its place, and the fault that must be seen.
BROKEN = {
    ("fold_chunks[k=8]", "self.supports_masking = True", "pass"): "outputs or mask",
    ("fold_chunks[k=8]", '"k": self.k, ', ""): "config",
    ("fold_chunks[k=8]", "training=training)\n        return", "training=False)\n        return"): (
        "training"
    ),
    ("fold_time", '@keras.saving.register_keras_serializable(package="fold_time")', ""): (
        "Could not locate class 'FoldTime'"
    ),
}


def test_a_lift_that_cannot_take_its_place_is_caught():
    found = told(Backend.TENSORFLOW, f"told_of_broken({list(BROKEN)})")
    for (_, old, _), fault in BROKEN.items():
        assert fault in " ".join(found[old]), old


@pytest.mark.parametrize("name", ["fold_time", "rnn_cell"])
def test_two_revisions_in_a_process_are_two_classes(name):
    assert told(Backend.TENSORFLOW, f"revisions({name!r})") == {"own": True, "again": True}
