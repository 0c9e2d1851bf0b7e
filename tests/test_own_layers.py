"""Layers as people write them are lifted, and held to the law of what they are."""

import functools

import pytest

from tests import engines
from tests.own_layers import DOUBLE, HELD, NOTHING, cases
from timelift.case import Backend, Status


@functools.cache
def told(backend):
    """How the strategies of all these cases end, in a process of the backend."""
    script = (
        f"import json\nfrom tests.own_layers import told\nprint(json.dumps(told({str(backend)!r})))"
    )
    return dict(zip(cases(backend), engines.told(backend, script), strict=True))


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
