"""Across backends, devices and modes: known ratios are found, with what each word means."""

import math

import numpy as np
import pytest

from tests import journals
from timelift.analyse import results
from timelift.analyse.findings import execution_pairs
from timelift.analyse.verdicts import Verdict
from timelift.case import Backend, Mode
from timelift.present.page import own_tables

SECONDS = {Backend.TENSORFLOW: 1e-3, Backend.JAX: 0.5e-3, Backend.TORCH: 1.001e-3}


def lines(axes, seconds, launches=range(1, 6), strategy="native", rounds=12):
    """A case's lines: the true seconds, a launch's own half per cent and a round's two."""
    dice = np.random.default_rng([len(str(axes)), len(strategy)])
    case = journals.case(strategy, **axes)
    for launch in launches:
        spread = dice.normal(0, 0.005) + dice.normal(0, 0.02, rounds)
        yield journals.line(case, launch, (seconds * np.exp(spread)).tolist())


def read(folder, *groups):
    records = [line for group in groups for line in group]
    return results.load(journals.write(folder / "run.jsonl", journals.header(), *records))


@pytest.fixture
def backends(tmp_path):
    groups = [
        lines({"backend": backend}, seconds, strategy=name)
        for name in ("native", "fold_time")
        for backend, seconds in SECONDS.items()
    ]
    return execution_pairs(read(tmp_path, *groups).measurements)


def test_each_backend_stands_beside_the_usual_one(backends):
    assert {pair.values[0] for pair in backends} == {Backend.TENSORFLOW}
    assert [pair.values[1] for pair in backends] == [Backend.JAX, Backend.TORCH] * 2
    for pair in backends:
        truth = math.log(SECONDS[pair.values[1]] / SECONDS[Backend.TENSORFLOW])
        assert pair.comparison.low < truth < pair.comparison.high
        is_faster = pair.comparison.verdict is Verdict.FASTER
        assert is_faster == (pair.values[1] is Backend.JAX)


def test_only_what_differs_in_one_axis_alone_is_compared(tmp_path):
    run = read(
        tmp_path,
        lines({"backend": Backend.TENSORFLOW}, 1e-3),
        lines({"backend": Backend.JAX, "seq_len": 32}, 1e-3),
        lines({"mode": Mode.EAGER}, 3e-3),
    )
    (pair,) = execution_pairs(run.measurements)
    assert (pair.axis, *pair.values) == ("mode", Mode.GRAPH, Mode.EAGER)


def test_launches_are_paired_by_their_number(tmp_path):
    groups = [
        lines({"backend": backend}, seconds * 1.2**launch, [launch])
        for launch in range(1, 6)
        for backend, seconds in SECONDS.items()
    ]
    pairs = execution_pairs(read(tmp_path, *groups).measurements)
    assert pairs[0].comparison.value == pytest.approx(math.log(0.5), abs=0.02)
    assert pairs[0].comparison.high - pairs[0].comparison.low < 0.1


def test_without_a_common_launch_there_is_no_interval(tmp_path):
    run = read(
        tmp_path,
        lines({"backend": Backend.TENSORFLOW}, 1e-3, [1]),
        lines({"backend": Backend.JAX}, 1e-4, [2]),
    )
    (pair,) = execution_pairs(run.measurements)
    assert pair.comparison.verdict is Verdict.UNDECIDED
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
