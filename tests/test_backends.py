"""The law on the other backends: every strategy keeps it there, or refuses with a sentence."""

from pathlib import Path

import pytest

from timelift.case import Backend, Mode, TimeAxis
from timelift.measure import registry, support

ROOT = Path(__file__).parent.parent
STRATEGIES = registry.strategies(ROOT / "strategies")
WORKLOADS = registry.workloads(ROOT / "workloads")
EAGER, COMPILED = (TimeAxis.STATIC, Mode.EAGER), (TimeAxis.STATIC, Mode.GRAPH)


@pytest.fixture(params=[Backend.JAX, Backend.TORCH])
def backend(request):
    """Each of the other backends, where it is installed."""
    pytest.importorskip(request.param, reason=f"pip install -e '.[{request.param}]'")
    return request.param


def words(backend, workload, column):
    """What became of every strategy: its word, and the reason where it does not lift."""
    found = support.cells(WORKLOADS[workload], STRATEGIES, backend, [column])
    return {cell.strategy: (cell.word, cell.reason) for cell in found}


@pytest.mark.parametrize("workload", WORKLOADS)
def test_every_strategy_keeps_the_law_eagerly(backend, workload):
    """Outputs and both gradients on every workload; those of TensorFlow alone say so."""
    found = words(backend, workload, EAGER)
    assert not {name: told for name, told in found.items() if told[0] == "fails"}
    assert found["fold_time"][0] == found["loop_unstack"][0] == "lifts"
    assert found["tf_scan"] == ("refuses", "it is written for tensorflow alone.")


def test_every_strategy_keeps_the_law_compiled(backend):
    """The question's own layer through `jax.jit` and `torch.compile`."""
    found = words(backend, "sensor", COMPILED)
    assert not {name: told for name, told in found.items() if told[0] == "fails"}
    assert found["fold_time"][0] == "lifts"
