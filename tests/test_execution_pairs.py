"""Across backends, devices and modes: known ratios are found, with what each word means."""

import dataclasses
import math

import pytest

from tests import journals
from tests.simulated import of_lengths, raced, run, scaled, without_launches
from timelift.analyse.findings import execution_pairs
from timelift.analyse.verdicts import Verdict
from timelift.case import Backend, Mode
from timelift.present.page import own_tables

#: What a call costs on each backend, over one on TensorFlow.
COSTS = {Backend.TENSORFLOW: 1.0, Backend.JAX: 0.5, Backend.TORCH: 1.001}


def measured(*names):
    """Strategies on each backend, in the same six launches."""
    rivals = list(zip(COSTS, run([*COSTS.values()], launches=6), strict=True))
    return [
        dataclasses.replace(one, case=journals.case(name, backend=backend))
        for name in names
        for backend, one in rivals
    ]


@pytest.fixture
def backends():
    return execution_pairs(measured("native", "fold_time"))


def test_each_backend_stands_beside_the_usual_one(backends):
    assert {pair.values[0] for pair in backends} == {Backend.TENSORFLOW}
    assert [pair.values[1] for pair in backends] == [Backend.JAX, Backend.TORCH] * 2
    for pair in backends:
        assert pair.comparison.low < math.log(COSTS[pair.values[1]]) < pair.comparison.high
        is_faster = pair.comparison.verdict is Verdict.FASTER
        assert is_faster == (pair.values[1] is Backend.JAX)


def test_only_what_differs_in_one_axis_alone_is_compared():
    (usual,), (other,) = of_lengths(8), of_lengths(32, backend=Backend.JAX)
    places = [usual, other, *of_lengths(8, mode=Mode.EAGER)]
    (pair,) = execution_pairs(raced({"native": 1}, places))
    assert (pair.axis, *pair.values) == ("mode", Mode.GRAPH, Mode.EAGER)


def test_launches_are_paired_by_their_number():
    moved = measured("native")
    for launch in range(1, 7):
        moved = [scaled(one, 1.2**launch, launch) for one in moved]
    pairs = execution_pairs(moved)
    assert pairs[0].comparison.value == pytest.approx(math.log(0.5), abs=0.02)
    assert pairs[0].comparison.high - pairs[0].comparison.low < 0.1


def test_without_a_common_launch_there_is_no_interval():
    usual, other, _ = measured("native")
    apart = [without_launches(usual, 2, 3, 4, 5, 6), without_launches(other, 1)]
    (pair,) = execution_pairs(apart)
    assert (pair.comparison.verdict, pair.comparison.launches) == (Verdict.UNDECIDED, 0)
    assert not math.isfinite(pair.comparison.value)
    (shown,) = own_tables.across_executions([pair]).pick("ratio", "low", "high").cells
    assert shown == ("", "", "")


def test_the_table_has_every_pair_and_what_each_word_means(backends):
    table = own_tables.across_executions(backends)
    assert table.note.startswith(
        "graph is tf.function on tensorflow, jax.jit on jax, torch.compile on torch."
    )
    shown = table.pick("usual", "other", "ratio", "verdict").cells
    assert shown[:1] == [("tensorflow", "jax", "0.499", "faster")]
    ratios = [math.exp(pair.comparison.value) for pair in backends]
    assert [float(ratio) for _, _, ratio, _ in shown] == pytest.approx(ratios, abs=6e-4)
