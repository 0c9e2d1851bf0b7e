"""A train step is Keras's own, and a lift is held to the law by the moments that it leaves."""

import pytest

from tests.support import engines

#: One mode of each backend; the others take longer, PyTorch's compiler a minute a step.
QUICK = [("tensorflow", "graph"), ("jax", "graph"), ("torch", "eager")]
XLA = pytest.param("tensorflow", "xla", marks=pytest.mark.whole)
COMPILED = pytest.param("torch", "graph", marks=pytest.mark.whole)
WITHOUT_JAX = [QUICK[0], pytest.param(*QUICK[1], marks=pytest.mark.whole), QUICK[2]]
WRONG = {
    "with_gradient(y, 1.1 * y)": "gradient of weight 0 differs",
    "ops.tanh(x @ self.layer.kernel + ops.stop_gradient(self.layer.bias))": "weight 1 differs",
    "y + 0.1 if training else y": "outputs differ",
}


def evaluate(backend, expression, module="tests.support.train_steps"):
    return engines.evaluate(backend, module, expression)


@pytest.mark.parametrize(("backend", "mode"), [*QUICK, XLA, COMPILED])
def test_mistakes_are_found_and_a_right_lift_passes(backend, mode):
    reasons = evaluate(backend, f"ends({['y', *WRONG]}, 'dense', '{mode}')")
    assert reasons["y"] == ""
    assert [line for line, reason in WRONG.items() if reason not in reasons[line]] == []


@pytest.mark.parametrize(("backend", "mode"), [*QUICK, XLA])
def test_a_step_is_that_of_train_on_batch(backend, mode):
    loss, weights, moved = evaluate(backend, f"beside_keras('{mode}', 0.01)")
    assert max(loss, weights) < 1e-5 < moved
    assert evaluate(backend, f"beside_keras('{mode}', 0.02)")[1] > 1e-5


@pytest.mark.parametrize(("backend", "mode"), [*QUICK, XLA])
def test_calls_leave_weights_and_gradients_and_moments_become_these(backend, mode):
    weights, gradients, moments, traces = evaluate(backend, f"called_often('{mode}')")
    assert (weights, gradients) == (0, 0)
    assert moments < 1e-2
    assert (traces == 0) is (mode == "eager")


@pytest.mark.parametrize(("backend", "mode"), [*QUICK, XLA])
def test_the_scale_of_a_loss_is_found_and_stays_and_a_skipped_step_voids_a_round(backend, mode):
    found, (grown, halved) = evaluate(backend, f"skipped('{mode}')")
    assert found > 0
    assert (grown, halved) == (0, 1)


NOT_FINITE = "y + ops.sqrt(0.0 * ops.sum(y)) if training else y"
OVERFLOWS = "skips every step: its gradients overflow"
#: Training adds noise, statistics or losses, and scales the loss; why `NOT_FINITE` is condemned.
ADDED = [
    *((layer, "float32", "of weight 0 ") for layer in ("dropout", "statistics", "regularised")),
    *((layer, "mixed_float16", OVERFLOWS) for layer in ("dense", "dropout")),
]


@pytest.mark.parametrize(("backend", "mode"), WITHOUT_JAX)
@pytest.mark.parametrize(("layer", "dtype", "reason"), ADDED)
def test_what_training_adds_blames_no_lift_and_hides_no_fault(backend, mode, layer, dtype, reason):
    reasons = evaluate(backend, f"ends({[NOT_FINITE, 'y']}, '{layer}', '{mode}', '{dtype}')")
    assert reasons["y"] == ""
    assert reason in reasons[NOT_FINITE]


def test_zero_gradients_are_those_of_rows_that_are_not_read_and_tiny_ones():
    names = "dense", "rarely_read", "faint"
    shares = evaluate("tensorflow", f"facts('zero_gradients', *{names})")
    assert shares == [0, 0.9, 1]


@pytest.mark.parametrize(
    ("names", "mode", "time_axis", "inputs"),
    [
        (["fold_time", "loop_slice"], "graph", "static", "INPUTS"),
        (["fold_time", "ops_map"], "graph", "dynamic", "INPUTS"),
        (["ragged_flat_values"], "graph", "dynamic", "INPUTS.removesuffix('+mask')"),
        (["ragged_flat_values"], "eager", "static", "INPUTS.removesuffix('+mask')"),
    ],
)
def test_nests_masks_ragged_sequences_and_unknown_lengths_train(names, mode, time_axis, inputs):
    row = "train", mode, time_axis, "uniform"
    asked = f"ends_of_strategies('tensorflow', {row}, {inputs}, {names})"
    ended = evaluate("tensorflow", asked, "tests.support.law_nests")
    assert ended == {name: ["measured", ""] for name in names}


DONATED = """
import jax
from jax import monitoring
setting, layer = changed(phase=Phase.TRAIN), keras.layers.Dense(4)
engine, compilations = open_engine(setting), []
compiled = engine.compile(lifted(layer), setting, training=True)
feed = Feed(engine.place(ones(3, 5, 3)), None, [engine.place(ones(3, 5, 4))])
compiled.trace(feed)
call = compiled.bind(feed)
state = jax.tree_util.tree_leaves(compiled._state)
call()
results = [all(array.is_deleted() for array in state), layer.kernel.value.is_deleted()]
monitoring.register_event_duration_secs_listener(
    lambda name, *_, **__: compilations.append(name) if "compile" in name else None
)
call()
results += [compilations, compiled.traces]
compiled.step()
call()
steps = [int(compiled.step().optimizer.iterations)]
compiled.bind(feed)()
print(json.dumps([*results, *steps, int(compiled.step().optimizer.iterations)]))
"""


def test_on_jax_a_step_donates_its_state_alone_and_a_later_call_starts_from_it():
    results = engines.run("jax", engines.ENGINE + DONATED)
    assert results == [True, False, [], 1, 3, 4]


LENGTHS = """
setting = changed(phase=Phase.TRAIN, mode=Mode.GRAPH, time_axis=TimeAxis.DYNAMIC)
engine, traces = open_engine(setting), []
compiled = engine.compile(lifted(keras.layers.Dense(4), None), setting, training=True)
for time in (5, 4, 9):
    feed = Feed(engine.place(ones(3, time, 3)), None, [engine.place(ones(3, time, 4))])
    if not traces:
        compiled.trace(feed)
    compiled.bind(feed)()
    traces.append(compiled.traces)
print(json.dumps(traces))
"""


@pytest.mark.parametrize("backend", ["tensorflow", pytest.param("torch", marks=pytest.mark.whole)])
def test_one_compiled_step_serves_every_length(backend):
    traces = engines.run(backend, engines.ENGINE + LENGTHS)
    assert traces[0] > 0
    assert len(set(traces)) == 1
