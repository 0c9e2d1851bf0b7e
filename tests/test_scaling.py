"""Scaling: powers, bends and crossings are found where they are, and nowhere else."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies import scaling
from studies.noise import SCENARIOS, Scenario
from studies.scaling import Law, crossing, run
from tests import journals
from tests.printed import printed
from tests.simulated import LOUD, QUIET
from timelift.analyse.runs import results
from timelift.analyse.scaling import ExponentBasis, crossovers, exponents, scaling_of
from timelift.analyse.scaling.growth import fit_power_law, slope
from timelift.analyse.scaling.overtaking import (
    Curve,
    crossings,
    neighbour_correlation,
    paired_curves,
    stencil,
)
from timelift.present import scaling_table

SIZES = np.array([8.0, 32, 128, 512, 1024])
SILENT = Scenario("silent", launch_sd=1e-6, round_sd=1e-6)


def measured(laws, sizes=(8, 32, 128, 512), launches=5, scenario=QUIET, seed=3):
    """A run of strategies with these laws."""
    return run(laws, sizes, launches, scenario, np.random.default_rng(seed))


def curve(effect, scale=0.01, sizes=SIZES):
    """A paired curve that is equally sure at every size."""
    effect = np.asarray(effect, dtype=float)
    return Curve(sizes, effect, np.full_like(effect, scale), np.full_like(effect, 2.1))


# --- the fit ---


@pytest.mark.parametrize(
    "law", [Law(0, 1, 1), Law(50, 1, 1), Law(3, 0.1, 2), Law(2, 5, 0.5), Law(100, 0.01, 1.5)]
)
def test_a_curve_without_noise_gives_its_power_and_its_bend(law):
    found = fit_power_law(SIZES, np.log(law.times(SIZES)))
    assert found.power.value == pytest.approx(law.power, abs=1e-4)
    assert found.misfit < 1e-4
    if law.overhead:
        assert math.exp(found.bend.value) == pytest.approx(law.bend, rel=1e-3)


@given(
    st.lists(st.floats(-0.2, 0.2), min_size=5, max_size=5),
    st.floats(-20, 20),
    st.sampled_from([0.25, 3.0, 16.0]),
)
def test_a_power_depends_on_no_unit(noise, level, step):
    logs = np.log(Law(20, 1, 1).times(SIZES)) + noise
    here, there = fit_power_law(SIZES, logs), fit_power_law(SIZES * step, logs + level)
    assert (here is None) == (there is None)
    if here is not None:
        assert there.power.value == pytest.approx(here.power.value, abs=1e-6)
        assert there.misfit == pytest.approx(here.misfit, abs=1e-6)
    if here is not None and here.bend and abs(here.bend.value) < 50:
        assert there.bend.value == pytest.approx(here.bend.value + math.log(step), abs=1e-4)


def test_the_pull_of_a_time_is_the_derivative_of_the_fit():
    logs = np.log(Law(20, 1, 1.2).times(SIZES))
    found = fit_power_law(SIZES, logs)
    for place in range(len(SIZES)):
        moved = fit_power_law(SIZES, logs + 1e-4 * np.eye(len(SIZES))[place])
        slowly = (moved.power.value - found.power.value) / 1e-4
        assert found.power.gradient[place] == pytest.approx(slowly, abs=0.02)


@pytest.mark.parametrize("logs", [np.zeros(5), -np.log(SIZES), np.log(SIZES) * 9])
def test_what_is_no_growth_has_no_power(logs):
    assert fit_power_law(SIZES, logs) is None


def test_a_slope_is_that_of_the_last_two_sizes():
    found = slope(SIZES, np.array([9.0, -3, 7, 1, 1 + 2 * math.log(2)]))
    assert found.value == pytest.approx(2)


# --- exponents of a run ---


def test_every_strategy_has_its_exponent():
    line, bent = exponents(measured([Law(0, 0.05, 1), Law(3, 0.03, 1)]))
    assert (line.kind, bent.kind) == (ExponentBasis.FITTED, ExponentBasis.FITTED)
    assert line.low < 1 < line.high
    assert line.high - line.low < 0.3
    assert math.isnan(line.bend)
    assert bent.bend_low < 100 < bent.bend_high


def test_two_and_three_sizes_give_a_slope_that_is_called_one():
    for sizes in ((8, 32), (8, 32, 128)):
        (found,) = exponents(measured([Law(0, 1, 1)], sizes))
        assert found.kind is ExponentBasis.SLOPE
        assert found.low < 1 < found.high
    assert exponents(measured([Law(0, 1, 1)], (8,))) == []


def test_a_time_that_does_not_grow_has_no_power():
    (found,) = exponents(measured([Law(1, 1e-9, 1)], launches=60))
    assert found.kind is ExponentBasis.FLAT
    assert math.isnan(found.p)


def test_one_launch_gives_no_interval():
    (found,) = exponents(measured([Law(0, 1, 1)], launches=1))
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_a_bend_is_said_from_five_launches_on():
    (few,) = exponents(measured([Law(3, 0.03, 1)], launches=3))
    (enough,) = exponents(measured([Law(3, 0.03, 1)], launches=5))
    assert math.isnan(few.bend)
    assert math.isfinite(enough.bend)


def test_a_loud_run_falls_back_on_the_slope():
    (found,) = exponents(measured([Law(30, 0.1, 1)], launches=2, scenario=LOUD))
    assert found.kind is ExponentBasis.SLOPE


def test_batches_have_exponents_too(tmp_path):
    cases = journals.grid(("native",), seq_lens=(16, 128), batches=(1, 4, 16, 64))
    found = exponents(results.load(journals.synthetic(tmp_path / "run.jsonl", cases)))
    assert {(one.axis, one.sizes) for one in found} == {
        ("seq_len", (16, 128)),
        ("batch", (1, 4, 16, 64)),
    }
    assert len(found) == 2 * 4 + 2 * 2


def test_a_strategy_that_never_played_all_its_sizes_in_one_launch_is_not_known(tmp_path):
    lines = [
        journals.line(journals.case(seq_len=size), launch) for launch, size in ((1, 8), (2, 16))
    ]
    path = journals.write(tmp_path / "run.jsonl", journals.header(), *lines, journals.END)
    (found,) = exponents(results.load(path))
    assert (found.kind, found.launches) == (ExponentBasis.UNKNOWN, 0)


# --- crossings ---


def test_a_crossing_lies_where_the_curve_is_zero():
    (found,) = crossings(curve(np.log(SIZES / 100) / 10))
    assert found.size == pytest.approx(100, rel=1e-3)
    assert found.rising
    assert found.low < 100 < found.high


def test_swapping_two_strategies_swaps_who_overtakes_whom():
    (here,) = crossings(curve(np.log(SIZES / 100) / 10))
    (there,) = crossings(curve(-np.log(SIZES / 100) / 10))
    assert (here.size, here.low, here.high) == (there.size, there.low, there.high)
    assert here.rising != there.rising


@given(st.sampled_from([1 / 8, 2.0, 100.0]))
def test_a_crossing_moves_with_the_unit_of_the_size(step):
    effect = np.log(SIZES / 100) / 10
    (here,), (there,) = crossings(curve(effect)), crossings(curve(effect, sizes=SIZES * step))
    assert there.size == pytest.approx(here.size * step, rel=1e-6)
    assert there.low == pytest.approx(here.low * step, rel=1e-6)


@pytest.mark.parametrize(
    "effect",
    [
        [0.1, 0.1, 0.1, 0.1, 0.1],
        [0.2, 0.15, 0.1, 0.05, 0.03],  # would cross beyond the last size
        [0.2, 0.1, 0.05, 0.0, -0.005],  # not shown on the far side
        [0.002, 0.001, 0.0, -0.001, -0.002],  # a difference that does not count
        [0.2, 0.0, 0.2, 0.0, 0.2],  # touches and never crosses
    ],
)
def test_what_is_not_shown_to_cross_is_not_said_to(effect):
    assert crossings(curve(effect, scale=0.0005 if max(effect) < 0.01 else 0.01)) == []


def test_a_curve_may_cross_twice():
    first, second = crossings(curve([0.3, -0.2, -0.3, -0.2, 0.3]))
    assert first.high < second.low
    assert (first.rising, second.rising) == (False, True)


def test_interpolation_is_exact_at_the_sizes_and_refuses_to_leave_them():
    logs = np.log(SIZES)
    for points in (2, 4):
        assert stencil(logs, logs, points) == pytest.approx(np.eye(5))
        assert np.isnan(stencil(logs, np.array([logs[0] - 1, logs[-1] + 1]), points)).all()
    cubic = logs**3 - logs
    asked = np.log([10.0, 100, 1000])
    assert stencil(logs, asked, 4) @ cubic == pytest.approx(asked**3 - asked)


def test_launches_that_move_neighbouring_sizes_alike_are_noticed():
    same = np.random.default_rng(1).normal(size=(200, 1, 5)).repeat(3, axis=1)
    assert neighbour_correlation([same]) == pytest.approx(1)
    assert neighbour_correlation([np.random.default_rng(2).normal(size=(200, 3, 5))]) < 0.15
    assert neighbour_correlation([np.full((2, 3, 5), np.nan)]) == 0


def test_a_run_says_who_overtakes_whom():
    laws = [Law(0, 0.05, 1), Law(2, 0.01, 1), Law(9, 0.05, 1)]
    (found,) = crossovers(measured(laws))
    assert (found.first, found.then, found.leads) == ("rival0", "rival1", True)
    assert found.low < crossing(laws[0], laws[1], 8, 512) < found.high


def test_a_crossing_behind_the_leader_does_not_lead():
    laws = [Law(0, 0.05, 1), Law(2, 0.01, 1), Law(0, 0.001, 1)]
    assert [one.leads for one in crossovers(measured(laws))] == [False]


def test_one_launch_shows_no_crossing():
    laws = [Law(0, 0.05, 1), Law(2, 0.01, 1)]
    assert crossovers(measured(laws, launches=1)) == []
    assert crossovers(measured(laws, (8,))) == []
    assert crossovers(measured(laws[:1])) == []
    assert paired_curves([]) == []


def test_between_two_sizes_alone_a_crossing_may_be_anywhere():
    (found,) = crossings(curve([0.3, -0.3], sizes=np.array([8.0, 512])))
    assert (found.low, found.high) == pytest.approx((8, 512), rel=0.05)
    assert 8 < found.size < 512


def test_times_without_noise_do_not_break_anything():
    laws = [Law(0, 0.05, 1), Law(2, 0.01, 1)]
    (found,) = crossovers(measured(laws, scenario=SILENT))
    assert found.low < 50 < found.high


# --- coverage ---


def test_intervals_hold_the_truth_as_often_as_they_say():
    powers, found, invented = [], [], 0
    for place, sizes in enumerate(scaling.GRIDS):
        random = np.random.default_rng([7, place])
        marks = scaling.mark(SCENARIOS[2], sizes, 5, 12, random)
        powers += marks.powers + marks.bends
        found += marks.crossings
        invented += marks.invented
    assert np.mean(powers) > 0.92
    assert np.mean(found) > 0.95
    assert invented <= 2


def test_the_check_of_coverage_can_fail(monkeypatch):
    from timelift.analyse.scaling import growth as room

    monkeypatch.setattr(room, "CONFIDENCE", 0.5)
    marks = scaling.mark(SCENARIOS[2], scaling.GRIDS[1], 5, 20, np.random.default_rng(7))
    assert np.mean(marks.powers) < 0.8


def test_the_command_prints_its_marks(capsys, monkeypatch):
    monkeypatch.setattr(scaling, "_QUICK_RUNS", 1)
    monkeypatch.setattr(scaling, "GRIDS", scaling.GRIDS[1:2])
    assert scaling.main(["--quick"]) == 0
    said = capsys.readouterr().out
    assert said.count("launch effects of 2 %") == 3
    assert "invented" in said


# --- words ---


def test_a_terminal_shows_powers_and_what_overtakes_what(tmp_path):
    cases = journals.grid(
        ("native", "loop_slice"), seq_lens=(1, 4, 16, 64), batches=(1,), phases=("forward",)
    )
    path = journals.synthetic(tmp_path / "run.jsonl", cases, launches=5, noise=0.001)
    assert printed(scaling_table, scaling_of(results.load(path))) == [
        "",
        "how time grows: p of c0 + c1 n^p, with 95 % intervals over launches",
        "",
        "tokens-T1…64-B1-forward-graph, by sequence length",
        "strategy        p   95 % interval            overhead until   rests on",
        "──────────────────────────────────────────────────────────────────────",
        "native       0.99    [0.98, 1.01]                                  fit",
        "loop_slice   1.00    [1.00, 1.00]   1.67 [1.66, 1.68] steps        fit",
        "  native overtakes loop_slice at 1.72 [1.53, 1.96] steps",
    ]


def test_a_run_of_one_size_has_no_lines_and_no_sheets(tmp_path):
    cases = journals.grid(seq_lens=(16,))
    found = scaling_of(results.load(journals.synthetic(tmp_path / "run.jsonl", cases)))
    assert printed(scaling_table, found) == ["  nothing was measured at several lengths or batches"]
    assert scaling_table.csv_files(found) == {}


def test_hostile_names_are_harmless_in_a_spreadsheet(tmp_path):
    cases = journals.grid(("=1+1", "-T1-"), workloads=("@x-T1-",), seq_lens=(1, 4, 16, 64))
    found = scaling_of(results.load(journals.synthetic(tmp_path / "run.jsonl", cases)))
    sheets = scaling_table.csv_files(found)
    assert ",=1+1," not in sheets["scaling.csv"]
    assert ",'=1+1," in sheets["scaling.csv"]
    assert any(line.startswith("@x-T1--T1…64-B8") for line in printed(scaling_table, found))
