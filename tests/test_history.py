"""What `timelift history` says, writes and draws of runs."""

import csv
import math
from datetime import timedelta

import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

import report
from tests.support import histories, journals
from tests.support.drawn_figures import assert_texts_apart, legend, look, panels
from timelift.history.history_report import csv_changes, draw_history
from timelift.history.many_runs import read_history
from timelift.present.figures.sheet import MUTED

SIX = journals.grid(histories.STRATEGIES, seq_lens=(16,), phases=("forward",))


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "ROOT", tmp_path)
    return tmp_path / "results"


def six_nights(results, count=16, slower=histories.nothing, **how):
    histories.nights(results, count, slower, **({"cases": SIX} | how))


def moved(_, night):
    """All cases take 30 % longer from the eighth night on, beside the canary too."""
    return 0.26 * (night >= 8)


def canary(night):
    return 1.15 if night >= 8 else 1.0


def busy(night):
    return 0.9 * (night in {2, 3, 4})


MOVED = (
    f"moved together between {histories.day(7)} (0000008a) and {histories.day(8)} (0000009a): "
    "100 % of 5 cases, the median by"
)


ZERO = {
    "quiet": (16, {}, "Nothing is slower than it was by 3 % or more; 5 same"),
    "a slow-down that was mended": (
        24,
        {"slower": lambda case, night: 0.1 * (case.strategy == "loop_slice" and 8 <= night < 16)},
        "earlier changes",
    ),
    "a machine that moved": (16, {"slower": moved, "canary": canary}, MOVED),
    "runs beside another program": (
        16,
        {"slower": lambda case, night: (case == SIX[0]) * busy(night), "missing": busy},
        "left out 3 runs beside another program, of 2026-01-03, 2026-01-04, 2026-01-05",
    ),
    "too few others": (8, {"missing": busy}, "not left out: fewer than 6 others are there"),
}


@pytest.mark.parametrize("happened", ZERO)
def test_a_history_without_a_slow_down_that_is_still_there_is_zero(results, run_command, happened):
    count, how, text = ZERO[happened]
    six_nights(results, count, **how)
    assert text in " ".join(run_command(0, "history").out.split())


def test_a_program_that_stays_hides_no_slow_down(results, run_command):
    def slower(case, night):
        return 0.2 * (case == SIX[0]) * (night >= 8)

    six_nights(results, 16, slower, missing=lambda night: 0.9 * (night >= 8))
    said = " ".join(run_command(2, "history").out.split())
    assert "not left out: the last ones are" in said


def test_most_cases_slower_under_a_steady_canary_are_no_machine_and_two(results, run_command):
    kernels = [histories.machine(drift={"kernel": kernel}) for kernel in ("6.1", "6.2")]
    six_nights(results, 16, moved, described=lambda night: kernels[night >= 8])
    said = " ".join(run_command(2, "history").out.split())
    assert f"together {MOVED}" in said
    assert (
        "beside the canary, which moved by +0.0 %: not the machine; with it: kernel 6.1 → 6.2"
        in said
    )
    assert "Most cases are slower together by 3 % or more; 5 slower together" in said
    assert "nan" not in said + (results / "report" / "history.md").read_text()


def test_a_gpu_s_cases_slower_together_are_told_and_zero(results, run_command):
    cases = journals.grid(histories.STRATEGIES, seq_lens=(16,), phases=("forward",), device="gpu:0")
    six_nights(results, 16, moved, cases=cases)
    said = " ".join(run_command(0, "history").out.split())
    assert "on a GPU, whose clocks the canary does not know" in said


def test_runs_of_one_day_are_told_by_their_times_and_what_an_answer_lacks(
    results, run_command, monkeypatch
):
    monkeypatch.setattr(histories, "timedelta", lambda days: timedelta(minutes=10 * days))
    six_nights(results, 12, moved, canary=canary)
    said = " ".join(run_command(0, "history").out.split())
    assert "between 2026-01-01 03:10 (0000008a) and 2026-01-01 03:20 (0000009a)" in said
    assert "runs 12, 2026-01-01 02:00 to 2026-01-01 03:50" in said
    assert "5 not known: a change needs 3 runs of a case before it and 3 after it" in said


def test_a_common_shift_has_no_interval_in_the_csv(results):
    history = read_history(histories.nights(results, 16, moved, cases=SIX[:4]))
    rows = list(csv.DictReader(csv_changes(history).splitlines()))
    (shift,) = [row for row in rows if not row["case"]]
    assert (shift["low"], shift["high"]) == ("", "")
    assert float(shift["ratio"]) == pytest.approx(1.3, abs=0.02)


def test_a_change_is_accepted_by_forgetting_what_was_before(results, run_command):
    six_nights(results, 16, histories.step("loop_slice", 8))
    run_command(2, "history")
    run_command(0, "history", "--since", histories.day(8))


def test_an_exact_fact_that_changed_fails_nothing(results, run_command):
    case = journals.case("loop_slice")
    for night, nodes in enumerate([44, 44, 44, 1044]):
        lines = [journals.line(case, launch, facts={"graph_nodes": nodes}) for launch in (1, 2)]
        histories.run(results / "example" / f"{night}.jsonl", night, lines)
    assert "loop_slice: graph nodes 44 → 1,044" in run_command(0, "history").out


def drawn(folder, slower, cases=SIX):
    history = read_history(histories.nights(folder, 16, slower, cases=cases))
    return history, draw_history(history)["history"]


DRAWN = {
    "few cases": (histories.step("loop_slice", 8), SIX),
    "more panels than there is room for": (
        histories.step("fold_time", 8, 0.3),
        journals.grid(histories.STRATEGIES, ("tokens",), (4, 16, 64, 256), (1, 8)),
    ),
    "many strategies": (
        lambda case, night: 0.07 * (night > 8) * max(0, 6 - int(case.strategy[4:])),
        journals.grid([f"way_{place}" for place in range(14)], seq_lens=(16,)),
    ),
}


@pytest.mark.parametrize("happened", DRAWN.values(), ids=DRAWN)
def test_no_text_of_a_history_s_figure_overlaps_another_or_leaves_it(tmp_path, happened):
    assert_texts_apart(drawn(tmp_path, *happened)[1])


def test_a_history_draws_runs_and_levels_of_what_changed(tmp_path):
    history, figure = drawn(tmp_path, histories.step("loop_slice", 8))
    ((title, axes),) = panels(figure).items()
    assert (title, axes.get_ylabel()) == ("tokens-T16-B8-forward-graph", "change (%)")
    assert legend(figure) == ["loop_slice"]
    (level,) = [line for line in axes.lines if to_hex(line.get_color()) == look("loop_slice")[0]]
    (change,) = history.findings.changed
    step = (level.get_ydata()[-1] - level.get_ydata()[0]) / 100
    assert step == pytest.approx(math.expm1(change.change.value))
    assert len(axes.lines) == len(SIX)


def test_a_figure_shows_what_is_slower_together(tmp_path):
    three = histories.STRATEGIES[:3]
    _, figure = drawn(tmp_path, lambda case, night: 0.2 * (night >= 8 and case.strategy in three))
    assert legend(figure) == list(three)
    (axes,) = figure.findobj(Axes)
    levels = [line.get_ydata()[-1] for line in axes.lines if to_hex(line.get_color()) != MUTED]
    assert sorted(levels) == pytest.approx([0] * 3 + [22] * 3, abs=3)


def test_runs_of_one_day_lie_apart_and_have_their_time_below(tmp_path, monkeypatch):
    monkeypatch.setattr(histories, "timedelta", lambda days: timedelta(minutes=10 * days))
    history, figure = drawn(tmp_path, histories.step("loop_slice", 8))
    assert len({run.day for run in history.runs}) == 1
    (axes,) = figure.findobj(Axes)
    assert all(list(line.get_xdata()) == list(range(16)) for line in axes.lines)
    assert next(text.get_text() for text in axes.get_xticklabels()) == "2026-01-01\n02:00"
