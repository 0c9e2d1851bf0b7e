"""Who runs out of memory is a row, and its rivals go on in a worker that holds nothing of it."""

from pathlib import Path

import pytest

from timelift.case import Backend, Mode, Phase, Setting, Status
from timelift.errors import ran_out_of_memory
from timelift.measure import catalogue
from timelift.measure.launch import Launch, Limits
from timelift.messages import RivalSpec, Task

ROOT = Path(__file__).parent.parent
STRATEGY = '''"""A strategy that notes its process."""
import os
import keras

def build(layer, shape):
    with open({log!r}, "a") as file:
        print({name!r}, os.getpid(), file=file)
    {body}
    x = keras.Input(shape)
    return keras.Model(x, layer(x))
'''


def rival(folder, name, body="pass"):
    """A strategy that notes in which process it was built."""
    path = folder / f"{name}.py"
    path.write_text(STRATEGY.format(log=str(folder / "log"), name=name, body=body))
    return RivalSpec(name, str(path))


def test_rivals_of_who_ran_out_are_built_in_another_process(tmp_path):
    """All that they were measured in is free of what was held."""
    greedy = rival(tmp_path, "greedy", "raise MemoryError('no more')")
    others = tuple(rival(tmp_path, name) for name in ("good", "better"))
    workload = catalogue.workloads(ROOT / "workloads")["sensor"]
    setting = Setting("sensor", 3, 2, Phase.FORWARD, Mode.EAGER)
    task = Task(setting, (greedy, *others), workload.factory, workload.features, 1, 0.0)
    with Launch(Backend.TENSORFLOW, Limits(60, 60)) as launch:
        found = {one.rival.name: one for one in launch.measure(task)}
    assert found["greedy"].status is Status.OUT_OF_MEMORY
    assert "MemoryError: no more" in found["greedy"].reason
    assert {found[name].status for name in ("good", "better")} == {Status.MEASURED}
    built = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    last = dict(built)
    assert last["good"] == last["better"] != last["greedy"]


@pytest.mark.parametrize(
    "said",
    [
        MemoryError(),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8 bytes"),
        type("OutOfMemoryError", (RuntimeError,), {})("CUDA"),
        "terminate called after throwing an instance of 'std::bad_alloc'",
    ],
)
def test_no_memory_is_told_in_many_ways(said):
    """By kind, by text, and in what a process printed last."""
    assert ran_out_of_memory(said)


@pytest.mark.parametrize("said", [ValueError("a shape"), "Segmentation fault", KeyError("memory")])
def test_other_ends_are_not_taken_for_it(said):
    """The word memory alone says nothing."""
    assert not ran_out_of_memory(said)
