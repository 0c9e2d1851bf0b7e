"""The law on the other backends: every strategy keeps it there, or refuses with a sentence."""

from dataclasses import replace

import pytest

from studies import support
from tests import engines
from tests.law_cover import FEWER_WORDS
from tests.projects import STRATEGIES, WORKLOADS
from timelift.case import Backend, Mode, TimeAxis

pytestmark = pytest.mark.whole
EAGER, COMPILED = (TimeAxis.STATIC, Mode.EAGER), (TimeAxis.STATIC, Mode.GRAPH)
#: PyTorch takes seconds to compile each; some have Python between their graphs.
QUICKER = ("fold_time", "native", "ops_map", "loop_slice", "vectorized_map", "rnn_cell")


def words(backend, workload, column, names=tuple(STRATEGIES)):
    """Return the word of each strategy, and the reason if it does not lift."""
    engines.skip_without(backend)
    chosen = {name: STRATEGIES[name] for name in names}
    inputs = FEWER_WORDS.get(workload, WORKLOADS[workload].inputs)
    layer = replace(WORKLOADS[workload], inputs=inputs)
    cells = support.cells(layer, chosen, backend, [column])
    return {cell.strategy: (cell.word, cell.reason) for cell in cells}


#: Layers of every kind: Dense, LSTM, attention and convolutions. Those with batch statistics take
#: JAX minutes, which compiles every operation by itself; `tests/test_refusals.py` has
#: statistics behind a Dense. `python -m studies.support --by-backend` tries every workload.
KINDS = ("sensor", "sentences", "set_attention")
CONVOLUTIONS = {Backend.JAX: "frames", Backend.TORCH: "frame_encoder"}
EAGERLY = [(one, kind) for one in CONVOLUTIONS for kind in (*KINDS, CONVOLUTIONS[one])]


@pytest.mark.parametrize(("backend", "workload"), EAGERLY)
def test_every_strategy_keeps_the_law_eagerly(backend, workload):
    ends = words(backend, workload, EAGER)
    assert not {name: end for name, end in ends.items() if end[0] == "fails"}
    assert ends["fold_time"][0] == ends["loop_unstack"][0] == "lifts"
    assert ends["tf_scan"] == ("refuses", "it is written for tensorflow alone.")


@pytest.mark.parametrize(
    ("backend", "names"),
    [(Backend.TORCH, QUICKER), (Backend.JAX, tuple(STRATEGIES))],
)
def test_every_strategy_keeps_the_law_compiled(backend, names, monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    ends = words(backend, "sensor", COMPILED, names)
    assert not {name: end for name, end in ends.items() if end[0] == "fails"}
    assert "lifts" in {word for word, _ in ends.values()}
