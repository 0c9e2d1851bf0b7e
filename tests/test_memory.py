"""Peak memory is what a call needs: known sizes are read, and none below the resolution."""

import mmap
from contextlib import closing

import pytest

from tests.support import engines
from tests.support.projects import write
from timelift.case import Backend, Mode, Phase, Setting, Status
from timelift.inner_layer import LayerInputs
from timelift.measure.launch import LaunchProcess
from timelift.measure.launch_pool import PEAK_READING_ENVIRONMENT
from timelift.messages import RivalSpec, Task

MIB = 1 << 20
#: The least reading of a MiB: it may share the pages at its two ends with earlier blocks, and 255
#: pages of 4 KiB are its own wherever it begins.
LEAST = MIB - mmap.PAGESIZE
#: One MiB of outputs: 32 sequences of 128 steps of 64 floats of 4 bytes.
SEQ_LEN, BATCH, FEATURES = 128, 32, (64,)
LAYER = """import keras


def make():
    return keras.layers.Activation(keras.ops.negative)


def wide():
    return keras.layers.Dense(4096, use_bias=False)
"""
STRATEGY = """
import keras


def build(layer, shape, dtype=None):
    inputs = keras.Input(shape)
    return keras.Model(inputs, {outputs})
"""
#: A strategy returns its outputs, or its model holds them while it makes a copy.
OUTPUTS = {"once": "layer(inputs)", "twice": "layer(inputs) + 0.0"}


@pytest.fixture
def files(tmp_path):
    strategies = {f"{name}.py": STRATEGY.format(outputs=line) for name, line in OUTPUTS.items()}
    return write(tmp_path, strategies | {"layer.py": LAYER})


def readings(files, launch, sizes, phase=Phase.FORWARD, layer="make"):
    """Peak bytes by strategy, as a run reads them, eagerly: nothing is optimised away."""
    backend, process = launch
    task = Task(
        setting=Setting("held", *sizes, phase, mode=Mode.EAGER, backend=backend),
        rivals=tuple(RivalSpec(name, str(files / f"{name}.py")) for name in OUTPUTS),
        factory=f"{files / 'layer.py'}:{layer}",
        inputs=LayerInputs.of_one(FEATURES),
        seed=1,
        round_seconds=0.0,
        reads_peak_memory=True,
    )
    outcomes = process.measure(task)
    assert {end.status for end in outcomes} == {Status.MEASURED}, outcomes
    return {end.case.strategy: end.facts.peak_bytes for end in outcomes}


@pytest.fixture(
    scope="module",
    params=[Backend.TENSORFLOW, Backend.JAX, pytest.param(Backend.TORCH, marks=pytest.mark.whole)],
)
def launch(request):
    engines.skip_without(request.param)
    with closing(LaunchProcess(request.param, 60, variables=PEAK_READING_ENVIRONMENT)) as started:
        started.wait_until_ready()
        yield request.param, started


@pytest.mark.alone  # a system that takes pages back for others moves a reading by a quarter
def test_a_mebibyte_of_outputs_reads_as_one_and_a_second_copy_as_two(files, launch):
    peaks = [readings(files, launch, (SEQ_LEN, BATCH)) for _ in range(3)]
    for peak in peaks:
        assert LEAST <= peak["once"] <= 2 * MIB
        assert 1.5 <= peak["twice"] / peak["once"] <= 2.5
    for name in OUTPUTS:
        sizes = [peak[name] for peak in peaks]
        assert max(sizes) <= 1.1 * min(sizes)


def test_a_size_below_the_resolution_is_left_out(files, launch):
    assert set(readings(files, launch, (8, 8)).values()) == {None}


def test_a_train_step_needs_the_moments_of_adam_beside_the_gradients(files, launch):
    """Weights of a MiB have two moments and a gradient, of which a backward call needs the last."""
    backward, train = (
        readings(files, launch, (2, 2), phase, "wide")["once"]
        for phase in (Phase.BACKWARD, Phase.TRAIN)
    )
    assert backward >= LEAST
    assert train - backward >= 2 * MIB


def test_memory_that_a_thread_frees_late_is_not_counted_as_free_before():
    script = (
        "import json\nfrom timelift.worker import system\nheld = []\n"
        "def call():\n"
        "    held.clear()\n"
        f"    held.append(bytearray(b'x') * {MIB})\n"
        "    return held[0]\n"
        "print(json.dumps(system.host_peak_facts(call, lambda _: 0)))"
    )
    facts = engines.run_afresh(Backend.TENSORFLOW, script, **PEAK_READING_ENVIRONMENT)
    assert LEAST <= facts["peak_bytes"] <= 2 * MIB
