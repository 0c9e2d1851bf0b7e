"""The end of a run: a screenful that says what to write, what is gained and where it loses."""

import re
import shlex
from dataclasses import replace

import pytest
from rich.cells import cell_len

import report
from tests.support import journals
from tests.support.endings import NO_LIFTS, PLACES, TWO, at, found
from tests.support.projects import ROOT
from tests.support.simulated import LOOP, TD, raced
from timelift.analyse import results
from timelift.analyse.findings import RunFindings
from timelift.analyse.ranking import rank
from timelift.analyse.recommend import recommend
from timelift.axis_values import Gradients, Phase
from timelift.journal.lines import Header
from timelift.measure.request import RunRequest
from timelift.plugin import ending
from timelift.present.answer import answer_table, where_slower
from timelift.present.document import SCREEN_LINES
from timelift.present.summary import summary, what_next
from timelift.present.terminal import to_text
from timelift.project import Project


def shown(seen, width=80, runs=None):
    """The lines of the end of a run, with what to type next if it has names."""
    document = summary(seen, runs=runs or ())
    told = document if runs is None else document.plus(what_next(seen, None, runs))
    return to_text(told, width).splitlines()


def row(seen):
    (only,) = answer_table(seen).rows
    return only


def test_what_is_lost_by_less_than_a_digit_is_told_by_nothing():
    (only,) = rank(raced({"native": 1, TD: 4}))
    lost = [replace(one, rank_low=2) for one in only.rows]
    made = recommend([replace(only, rows=tuple(lost))])
    assert [*where_slower(made)] == ["by up to 0 %"]


def test_the_baseline_that_a_run_was_asked_for_is_that_of_later_reports():
    measured = raced({"native": 1, LOOP: 3, TD: 2}, PLACES)
    for asked, gain in (
        (LOOP, "2.97"),
        ("", "1.97"),
        ("nothing", "1.97"),
        (5, "1.97"),
        ([], "1.97"),
    ):
        assert (
            row(found(measured, header=Header(options={"relative_to": asked}))).gain
            == f"at least {gain}"
        )


@pytest.mark.parametrize(
    ("launches", "costs", "is_safe"),
    [(1, [1, 1], False), (2, [1, 1], False), (5, [1, 1], True), (5, [1, 1.2], False)],
)
def test_an_answer_is_safe_where_it_was_tested_and_lost_nowhere(launches, costs, is_safe):
    measured = raced({"native": costs, "fold_time": [2, 1], TD: 4}, TWO, launches)
    assert row(found(measured)).is_safe is is_safe


def test_settings_without_a_contest_have_a_row():
    assert row(found(raced({"native": 1}))).write == "only native was measured"
    look_alikes = found(raced({"native": 1, "gru": 2}), header=Header(strategies=NO_LIFTS))
    assert row(look_alikes).write == "no lift was measured"


def test_a_screenful_is_enough_for_any_number_of_workloads():
    many = [raced({"native": 1, TD: 2}, at(f"w{place}", 1)) for place in range(30)]
    most = raced({"native": 1, TD: 2}, at("zmost"))
    lines = shown(found(*many, most), runs=["old"])
    assert len(lines) <= SCREEN_LINES
    assert [line for line in lines if line.startswith("zmost")]
    told = "and 20 more workloads: timelift report RUN WORKLOAD"
    assert [line for line in lines if line == told]


def test_room_is_shared_by_the_lines_that_it_costs():
    costs = {"native": [1, 1, 1, 2], "fold_time": [2, 2, 2, 1], TD: 4}
    names = [f"workload_{place:02}" for place in range(14)]
    many = [raced(costs, [replace(one, workload=name) for one in PLACES]) for name in names]
    lines = shown(found(*many), runs=[])
    assert len(lines) <= SCREEN_LINES
    assert sum(line.startswith("workload_") for line in lines) >= 6
    few = shown(found(*many[:3]), runs=[])
    assert sum(line.startswith("workload_") for line in few) == 3
    assert [line for line in few if "costs over the" in line]


@pytest.mark.parametrize("width", range(60, 81))
def test_no_line_begins_with_the_end_of_a_sentence(width):
    more = [replace(one, phase=Phase.BACKWARD, gradients=Gradients.WEIGHTS) for one in PLACES[:2]]
    places = [*more, *(replace(one, gradients=Gradients.INPUTS_AND_WEIGHTS) for one in more)]
    seen = found(raced({"native": [1, 1, 2, 2], "fold_time": [2, 2, 1, 1], TD: 4}, places))
    assert "(gradients of inputs_and_weights), fast" in row(seen).slower
    assert not [line for line in shown(seen, width) if re.match(r"\s*[;,:.]", line)]


@pytest.mark.parametrize("width", [20, 40, 60, 72, 80, 200])
def test_a_line_is_never_wider_than_the_terminal_nor_than_80_columns(width):
    costs = {"tf_keras_time_distributed[k=8]": [1, 1, 2, 2], "fold_time": [2, 2, 1, 1], TD: 4}
    lines = shown(
        found(raced(costs, PLACES)), width, ["a" * 90, "\N{CJK UNIFIED IDEOGRAPH-5B57}" * 45]
    )
    assert max(map(cell_len, lines)) <= min(width, 80)
    assert "fold_time" in " ".join(lines)


def test_colour_is_an_addition():
    seen = found(raced({"native": 1, TD: 2}, PLACES + at("frames")))
    coloured, plain = (to_text(summary(seen), colour=colour) for colour in (True, False))
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured).split() == plain.split()
    assert "another faster" in plain


@pytest.mark.parametrize(
    "grid",
    [
        {"seq_lens": (8, 64)},
        {"seq_lens": (8,), "batches": (8, 32)},
        {"phases": ("backward",), "batches": (8,)},
        {"workloads": ("tokens", "a b"), "batches": (8, 32)},
    ],
)
def test_the_question_that_is_suggested_has_an_answer(tmp_path, monkeypatch, capsys, grid):
    monkeypatch.setattr(report, "ROOT", tmp_path)
    path = journals.synthetic(tmp_path / "results" / "m" / "run.jsonl", journals.grid(**grid))
    seen = RunFindings(results.load(path))
    more = what_next(seen, None, []).lines[-1]
    command = more.text.rpartition(" · ")[2]
    assert report.main(shlex.split(command)) in {0, 2}
    assert capsys.readouterr().err == ""


def test_what_the_default_question_left_out_is_told_with_options_that_are_taken():
    forward = at("tokens", 1)
    backward = [replace(forward[0], phase=Phase.BACKWARD)]
    told = found(raced({"native": 1, TD: 2}, [*forward, *backward])).run
    said = ending._not_asked(RunRequest(Project(ROOT), {"backends": "tensorflow"}), told)
    options = dict(re.findall(r"--(\w+) (\S+)", said.replace("time-", "time_")))
    others = {"workloads", "strategies", "phases", "modes", "time_axes", "runtimes"}
    assert options.keys() == others
    for option in options.items():
        asked = RunRequest(Project(ROOT), {"backends": "tensorflow"} | dict([option]))
        assert ending._not_asked(asked, told) == ""
    of_one_phase = found(raced({"native": 1, TD: 2}, forward)).run
    assert ending._not_asked(RunRequest(Project(ROOT), {}), of_one_phase) == ""
    on_jax = RunRequest(Project(ROOT), {"backends": "jax"})
    assert "--modes eager ·" in ending._not_asked(on_jax, told)
