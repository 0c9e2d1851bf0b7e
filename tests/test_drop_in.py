"""A strategy's layer takes TimeDistributed's place in a user's model (see `tests/drop_in.py`)."""

import pytest

from tests import engines
from tests.projects import STRATEGIES
from timelift.case import Backend

#: On other backends each takes seconds: a loop in Python, and one of the backend.
ELSEWHERE = ("loop_slice", "ops_scan")
#: Strategies that refuse where JAX compiles, as a train step does.
NOT_COMPILED = {Backend.JAX: {"bucketing[k=4]"}}


def call_in(backend, call):
    return engines.evaluate(backend, "tests.drop_in", call)


def here(backend):
    names = [name for name, strategy in STRATEGIES.items() if backend in strategy.backends]
    return [name for name in names if name not in NOT_COMPILED.get(backend, ())]


@pytest.mark.parametrize("backend", Backend)
def test_a_strategy_stands_where_time_distributed_stood(backend):
    """Outputs, mask, `training`, a train step, saving and loading, each in one form in turn."""
    names = here(backend) if backend is Backend.TENSORFLOW else [*ELSEWHERE]
    faults = call_in(backend, f"faults_by_form({names}, every=False, eagerly=True)")
    assert len(faults) == len(names)
    assert not any(faults.values()), faults


@pytest.mark.whole
@pytest.mark.parametrize("backend", Backend)
def test_every_strategy_stands_there_in_every_form(backend):
    faults = call_in(backend, f"faults_by_form({here(backend)}, every=True, eagerly=False)")
    assert not any(faults.values()), faults


#: A piece of a strategy, what is put in its place, and the fault that must be seen.
BROKEN = {
    ("fold_time", "def compute_mask", "def other_mask"): "outputs or mask",
    ("fold_chunks[k=8]", '"k": self.k, ', ""): "config",
    ("fold_chunks[k=8]", "training=training, **", "training=False, **"): "training",
    ("fold_time", '@keras.saving.register_keras_serializable(package="fold_time")', ""): (
        "Could not locate class 'FoldTime'"
    ),
}


def test_a_lift_that_cannot_take_its_place_is_caught():
    faults = call_in(Backend.TENSORFLOW, f"faults_of_broken({list(BROKEN)})")
    for (_, old, _), fault in BROKEN.items():
        assert fault in " ".join(faults[old]), old


@pytest.mark.parametrize("name", ["fold_time", "rnn_cell"])
def test_two_revisions_in_a_process_are_two_classes(name):
    assert call_in(Backend.TENSORFLOW, f"revisions({name!r})") == {"own": True, "again": True}
