"""The law on real engines: what it once did not see is caught, and what is right passes."""

import functools
import random

import pytest

from tests import engines
from tests.law_cases import CASES, SEED, STEP, TIME
from timelift.case import Backend, Phase, Status
from timelift.messages import Task
from timelift.worker import law

#: What is tried on the other backends: each way to ask an engine, once.
ELSEWHERE = (
    "NaN in an input gradient",
    "one step's gradient stopped",
    "another output in training",
    "a mean over time, and the rounding of an FFT",
    "NaN in training of a layer with noise",
    "another token at one step",
)
TRIED = {Backend.TENSORFLOW: tuple(CASES), Backend.JAX: ELSEWHERE, Backend.TORCH: ELSEWHERE}


@functools.cache
def found(backend):
    """What becomes of the cases on a backend, in one process of its own."""
    script = (
        "import json\nfrom tests.law_cases import held\n"
        f"print(json.dumps({{one: held(one, '{backend}') for one in {list(TRIED[backend])}}}))"
    )
    return engines.told(backend, script)


@pytest.mark.parametrize(
    ("backend", "name"),
    [
        pytest.param(backend, name, marks=[pytest.mark.whole] if backend is Backend.JAX else [])
        for backend, names in TRIED.items()
        for name in names
    ],
)
def test_the_wrong_one_is_caught_and_the_right_one_passes(backend, name):
    for phase in Phase:
        told = found(backend)[name][phase]
        assert told["right"] == [Status.MEASURED, ""]
        status, reason = told["wrong"]
        if phase in CASES[name].said:
            assert status == Status.LAW_BROKEN
            assert CASES[name].said[phase] in reason
        else:
            assert (status, reason) == (Status.MEASURED, "")


def test_these_cases_err_at_a_step_that_was_not_drawn():
    assert STEP not in law.draw_steps(TIME, Task.law_steps, random.Random(SEED))
