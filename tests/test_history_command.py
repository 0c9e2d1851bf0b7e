"""`python report.py history`: what it says, writes and draws, and what it returns to a build."""

import csv
import math
from datetime import timedelta

import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

import report
from tests import histories, journals
from tests.test_figures import assert_texts_apart, legend, look, panels
from timelift.history.history_report import csv_changes, draw_history
from timelift.history.many_runs import read_history
from timelift.present.figures.sheet import MUTED

SIX = journals.grid(histories.STRATEGIES, seq_lens=(16,), phases=("forward",))


@pytest.fixture
def results(tmp_path, monkeypatch):
    """The folder of results of a project of this test alone."""
    monkeypatch.setattr(report, "ROOT", tmp_path)
    (tmp_path / "results").mkdir()
    return tmp_path / "results"


def _nights(results, count=16, slower=histories.nothing, **how):
    histories.nights(results, count, slower, **({"cases": SIX} | how))


def moved(_, night):
    """All cases take 30 % longer from the eighth night on, beside the canary too."""
    return 0.26 * (night >= 8)


def canary(night):
    return 1.15 if night >= 8 else 1.0


MOVED = (
    f"moved together between {histories.day(7)} (0000008a) and {histories.day(8)} (0000009a): "
    "100 % of 5 cases, the median by"
)
ZERO = {
    "quiet": (16, {}, "nothing is slower than it was by 3 % or more; 5 same"),
    "a slow-down that was mended": (
        24,
        {"slower": lambda case, night: 0.1 * (case.strategy == "loop_slice" and 8 <= night < 16)},
        "earlier changes",
    ),
    "a machine that moved": (16, {"slower": moved, "canary": canary}, MOVED),
    "a machine described otherwise": (
        16,
        {
            "slower": moved,
            "described": lambda night: histories.machine(
                drift={"kernel": "6.1" if night < 8 else "6.2"}
            ),
        },
        "with it: kernel 6.1 → 6.2",
    ),
}


@pytest.mark.parametrize("happened", ZERO)
def test_a_history_without_a_slow_down_that_is_still_there_is_zero(results, capsys, happened):
    count, how, text = ZERO[happened]
    _nights(results, count, **how)
    assert report.main(["history"]) == 0
    assert text in capsys.readouterr().out


def test_most_cases_slower_under_a_steady_canary_are_no_machine_and_two(results, capsys):
    _nights(results, 16, moved)
    assert report.main(["history"]) == 2
    said = " ".join(capsys.readouterr().out.split())
    assert f"together {MOVED}" in said
    assert "beside the canary, which moved by +0.0 %: not the machine" in said
    assert "most cases are slower together by 3 % or more; 5 slower together" in said
    assert "nan" not in said + (results / "report" / "history.md").read_text()


def test_a_gpu_s_cases_slower_together_are_told_and_zero(results, capsys):
    cases = journals.grid(histories.STRATEGIES, seq_lens=(16,), phases=("forward",), device="gpu:0")
    _nights(results, 16, moved, cases=cases)
    assert report.main(["history"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "on a GPU, whose clocks the canary does not know" in said


def test_what_lacks_for_an_answer_after_the_machine_moved_is_said(results, capsys, monkeypatch):
    monkeypatch.setattr(histories, "timedelta", lambda days: timedelta(minutes=10 * days))
    _nights(results, 12, moved, canary=canary)
    assert report.main(["history"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "moved together between 03:10 (0000008a) and 03:20 (0000009a)" in said
    assert "runs 12, 2026-01-01, 02:00 to 03:50" in said
    lacks = (
        "5 not known: since 03:20, when the machine moved, there are 4 runs, and a change needs 3"
    )
    assert lacks in said


def test_a_common_shift_has_no_interval_in_the_csv(results):
    history = read_history(histories.nights(results, 16, moved, cases=SIX[:4]))
    rows = list(csv.DictReader(csv_changes(history).splitlines()))
    (shift,) = [row for row in rows if not row["case"]]
    assert (shift["low"], shift["high"]) == ("", "")
    assert float(shift["ratio"]) == pytest.approx(1.3, abs=0.02)


def test_a_change_is_accepted_by_forgetting_what_was_before(results):
    _nights(results, 16, histories.step("loop_slice", 8))
    assert report.main(["history"]) == 2
    assert report.main(["history", "--since", histories.day(8)]) == 0


def test_an_exact_fact_that_changed_fails_nothing(results, capsys):
    case = journals.case("loop_slice")
    for night, nodes in enumerate([44, 44, 44, 1044]):
        lines = [journals.line(case, launch, facts={"graph_nodes": nodes}) for launch in (1, 2)]
        histories.run(results / "example" / f"{night}.jsonl", night, lines)
    assert report.main(["history"]) == 0
    assert "loop_slice: graph nodes 44 → 1,044" in capsys.readouterr().out


def drawn(folder, slower, cases=SIX):
    """A history of 16 runs, and its figure."""
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
