"""Across backends, devices and modes: known ratios are found, with what each word means."""

import csv
import io
import math

import numpy as np
import pytest

from tests import journals
from tests.printed import printed
from timelift.analyse import across
from timelift.analyse.runs import results
from timelift.analyse.stats.verdicts import Verdict
from timelift.case import Backend, Mode
from timelift.present import across_table

SECONDS = {Backend.TENSORFLOW: 1e-3, Backend.JAX: 0.5e-3, Backend.TORCH: 1.001e-3}


def lines(axes, seconds, launches=range(1, 6), strategy="native", rounds=12):
    """A case's lines: the true seconds, a launch's own half per cent and a round's two."""
    dice = np.random.default_rng([len(str(axes)), len(strategy)])
    case = journals.case(strategy, **axes)
    for launch in launches:
        spread = dice.normal(0, 0.005) + dice.normal(0, 0.02, rounds)
        yield journals.line(case, launch, (seconds * np.exp(spread)).tolist())


def read(folder, *groups):
    """Read a journal of such lines."""
    records = [line for group in groups for line in group]
    return results.load(journals.write(folder / "run.jsonl", journals.header(), *records))


@pytest.fixture
def backends(tmp_path):
    """Two strategies on three backends."""
    groups = [
        lines({"backend": backend}, seconds, strategy=name)
        for name in ("native", "fold_time")
        for backend, seconds in SECONDS.items()
    ]
    return across.pairs(read(tmp_path, *groups).measurements)


def test_each_backend_stands_beside_the_usual_one(backends):
    assert {pair.values[0] for pair in backends} == {Backend.TENSORFLOW}
    assert [pair.values[1] for pair in backends] == [Backend.JAX, Backend.TORCH] * 2
    for pair in backends:
        truth = math.log(SECONDS[pair.values[1]] / SECONDS[Backend.TENSORFLOW])
        assert pair.comparison.low < truth < pair.comparison.high
    assert {pair.comparison.verdict for pair in backends if pair.values[1] == "jax"} == {
        Verdict.FASTER
    }
    assert Verdict.FASTER not in {
        pair.comparison.verdict for pair in backends if pair.values[1] == "torch"
    }


def test_only_what_differs_in_one_axis_alone_is_compared(tmp_path):
    run = read(
        tmp_path,
        lines({"backend": Backend.TENSORFLOW}, 1e-3),
        lines({"backend": Backend.JAX, "seq_len": 32}, 1e-3),
        lines({"mode": Mode.EAGER}, 3e-3),
    )
    (pair,) = across.pairs(run.measurements)
    assert (pair.axis, *pair.values) == ("mode", Mode.GRAPH, Mode.EAGER)


def test_launches_are_paired_by_their_number(tmp_path):
    groups = []
    for launch in range(1, 6):
        for backend, seconds in SECONDS.items():
            groups.append(lines({"backend": backend}, seconds * 1.2**launch, [launch]))
    found = across.pairs(read(tmp_path, *groups).measurements)
    assert found[0].comparison.effect == pytest.approx(math.log(0.5), abs=0.02)
    assert found[0].comparison.high - found[0].comparison.low < 0.1


def test_without_a_common_launch_there_is_no_interval(tmp_path):
    run = read(
        tmp_path,
        lines({"backend": Backend.TENSORFLOW}, 1e-3, [1]),
        lines({"backend": Backend.JAX}, 1e-4, [2]),
    )
    (pair,) = across.pairs(run.measurements)
    assert pair.comparison.verdict is Verdict.UNDECIDED
    assert not math.isfinite(pair.comparison.effect)
    assert across_table.ratio(pair.comparison) == "not known"


def test_the_lines_say_what_each_word_means(backends):
    said = printed(across_table, backends)
    assert said[1].startswith("across backends: times the seconds a call takes with tensorflow")
    words = "graph is tf.function on tensorflow, jax.jit on jax, torch.compile on torch"
    assert said[2].strip() == words
    heading = next(line for line in said if line.startswith("strategy"))
    row = next(line for line in said if line.startswith("fold_time"))
    assert heading.split() == ["strategy", "jax", "torch"]
    assert "   0.499 [0.498, 0.501] faster   " in row


def test_the_sheet_has_every_pair(backends):
    (text,) = across_table.csv_files(backends).values()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["usual"], row["other"]) for row in rows] == [pair.values for pair in backends]
    ratios = [math.exp(pair.comparison.effect) for pair in backends]
    assert [float(row["ratio"]) for row in rows] == pytest.approx(ratios)
    assert across_table.csv_files([]) == {}
    (said,) = printed(across_table, [])
    assert said.strip().startswith("everything was measured in one mode")
