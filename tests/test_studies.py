"""Every study has a quick form that ends well, and can end badly."""

import dataclasses
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from random import Random
from signal import Signals

import numpy as np
import pytest

from studies import (
    STUDIES,
    advice,
    fleet,
    gate,
    history,
    kills,
    ladder,
    machines,
    mutants,
    real_noise,
    remains,
    sample_length,
    support,
    tomorrow,
)
from studies.gate import NEUTRAL, NOTHING, SLIPS, Suite
from studies.history import HistoryKind, HistorySize, simulate
from studies.scoreboard import OF, Column, Scoreboard
from tests.support import journals
from tests.support.advised import WHOLE, make_model, of_lifts, raced, run
from tests.support.law_cases import ends_of
from tests.support.projects import ROOT, WORKLOADS
from timelift.advise.advice import decide
from timelift.analyse.verdicts import Verdict
from timelift.axis_values import Phase, Status
from timelift.case import Setting
from timelift.cluster.schedule import Schedule
from timelift.errors import UserError
from timelift.gate.outcomes import CaseOutcome
from timelift.gate.rule import JudgedChange
from timelift.journal.lines import Quantity
from timelift.messages import RivalSpec, Task
from timelift.selftest.trust import Proportion

#: Studies of timings, which judge no machine that is busy otherwise.
LIVE = ("advice", "gate", "neighbours", "sample_length")
ALONE = (pytest.mark.alone, pytest.mark.whole)


def test_every_program_is_in_the_table():
    files = (ROOT / "studies").glob("[a-z]*.py")
    programs = {path.stem for path in files if "if __name__ ==" in path.read_text()}
    assert programs == STUDIES.keys()


@pytest.mark.study
@pytest.mark.usefixtures("own_lock")
@pytest.mark.parametrize(
    "name",
    [
        *(pytest.param(name, marks=ALONE if name in LIVE else ()) for name in STUDIES),
        "kills --cluster 3",
    ],
)
def test_the_quick_form_ends_well(name):
    if name == "mutants" and find_spec("mutmut") is None:
        pytest.skip("make mutate installs mutmut")
    words = [sys.executable, "-m", *f"studies.{name} --quick".split()]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert done.stdout


@pytest.mark.parametrize(
    ("study", "words", "sentence"),
    [
        (real_noise, "none", "expected a run"),
        (real_noise, "ordinary", "timelift selftest"),
        (kills, "--kills 1 --journals .", "is not empty; name a new folder with --journals"),
        (sample_length, "--backends tf", "unknown name 'tf'; "),
        (support, "--workloads sensors", "unknown name 'sensors'; nearest: sensor"),
        (support, "--by-backend --backends jaxx", "unknown name 'jaxx'; nearest: jax"),
        (support, "--dtypes float8", "unknown name 'float8'; nearest: float"),
    ],
)
def test_what_cannot_be_used_is_one_sentence_and_exit_1(  # noqa: PLR0913, PLR0917
    tmp_path, monkeypatch, capsys, study, words, sentence
):
    journals.synthetic(tmp_path / "ordinary")
    monkeypatch.chdir(tmp_path)
    assert study.main(words.split()) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"{study.__name__}: ")
    assert sentence in printed.err
    assert printed.err.count("\n") == 1


BOARD = Scoreboard(
    (
        Column("noise", width=8),
        Column("coverage", ".1%", least=0.9),
        Column("wrong", OF, most=0.1),
        Column("width", ".2f"),
    ),
    "\ncoverage  of intervals\n",
)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("bad", 0.8, Proportion(1, 1000), 1), "bad: coverage: expected at least 0.9, found 80.0%"),
        (("bad", 0.95, Proportion(2, 10), 1), "bad: wrong: expected at most 0.1, found 2 of 10"),
    ],
)
def test_a_figure_out_of_its_bounds_is_named_and_exit_1(row, said, capsys):
    assert BOARD.show([("good", 0.95, Proportion(0, 10), 9.0), row]) == 1
    assert capsys.readouterr().err == f"{said}\n"


def test_rows_that_are_not_bound_may_hold_anything(capsys):
    board = replace(BOARD, is_bound=lambda row: row[0] == "ours")
    row = (0.1, Proportion(9, 9), 1)
    assert board.show([("theirs", *row)]) == 0
    assert board.show([("ours", *row)]) == 1
    assert capsys.readouterr().err.count("ours: ") == 2


def test_few_tries_below_a_least_share_may_be_chance():
    column = Column("covered", ".1%", least=0.9)
    assert not column.is_wrong(Proportion(1, 2))
    assert column.is_wrong(Proportion(100, 200))
    assert not column.is_wrong(Proportion(0, 0))


PAIRS = ("n", "5", 800, 0.95, 0.9, 0.02, 0.5, 0.9, 1.0)
MACHINES = ("5", "3", "5", 0.01, 0.01, 0.96, 0.96, 0.001, 0.98, 0.8, 0.05)
RARE = ("n", 800, 3.0, 0.88, 0.06, 0.96, 0.01, 0.013)
NIGHTLY = ("n", "timelift", 4, 4, 0, "2 (2)", "", Proportion(0, 40), Proportion(0, 40))
TOGETHER = ("n", "5", 960, 0.97, 0.95, 0.7, 0.97, 0.95, 0.6, 0.004, 1.5)
FLEET = ("10", 900, 3000, 9.1, 1.01, 0.08, 0.01, 0.02, 6, 20, 1, 0, 0, 0)


@pytest.mark.parametrize(
    ("board", "row", "place", "wrong"),
    [
        (ladder.PAIRS, PAIRS, 3, 0.8),
        (ladder.PAIRS, PAIRS, 5, 0.2),
        (ladder.RARE, RARE, 3, 0.7),
        (ladder.RARE, RARE, 4, 0.2),
        (ladder.TOGETHER, TOGETHER, 3, 0.7),
        (ladder.TOGETHER, TOGETHER, 9, 0.1),
        (ladder.GAINS, ("1%", 4, 1.0, -0.05, 0.0), 2, 0.9),
        (ladder.CHANGES, ("1%", "0%", 1000, 6.0, 0.001, 0.001, 0.95), 5, 0.04),
        (machines.BOARD, MACHINES, 5, 0.98),
        (machines.BOARD, MACHINES, 6, 0.8),
        (machines.BOARD, MACHINES, 7, 0.02),
        (real_noise.BOARD, ("n", "3", 200, 20, 0.95, 0.93, 0.01, 1.0, None, 1.0), 6, 0.3),
        (gate.BOARD, ("nothing", 20, Proportion(0, 20), 0.1, 0, 6, 14, 0, 0), 2, Proportion(5, 20)),
        (kills.FAULTY, ("lost", 0), 1, 1),
        (fleet.BOARD, FLEET, 4, 0.9),
        (fleet.BOARD, FLEET, 12, 1),
        (fleet.BOARD, FLEET, 13, 1),
        (history.TWO_RUNS, ("n", "3", Proportion(0, 40), 0.95, 0, 0.5, 1, 1), 2, Proportion(9, 40)),
        (history.NIGHTLY, NIGHTLY, 8, Proportion(20, 40)),
    ],
)
def test_a_planted_wrong_figure_is_rejected(board, row, place, wrong):
    assert list(board.complaints(row)) == []
    assert list(board.complaints((*row[:place], wrong, *row[place + 1 :])))


def test_a_slope_is_no_flat_table(monkeypatch):
    for paid, ends in ((0.0, 0), (5e-5, 1)):
        case = {one: 1e-3 * (1 + paid / one) for one in sample_length.LENGTHS}
        launch = {f"case {n}": case for n in range(3)}
        monkeypatch.setattr(sample_length, "played", lambda *_, launch=launch, **__: [launch])
        assert sample_length.main(["--backends", "tensorflow"]) == ends


def test_a_schedule_that_forgets_what_a_lost_node_had_not_played_is_found_out(monkeypatch):
    monkeypatch.setattr(fleet, "UNITS", 5)
    monkeypatch.setattr(fleet, "DEATHS_AN_HOUR", 9.0)
    leave = Schedule.leave

    def forget(self, address):
        for item in self._units[address]:
            del self._rivals[item]
        self._units[address].clear()
        return leave(self, address)

    def missing():
        played = fleet.simulate(fleet.made_up(Random(1)), 3, 1, rough=True)
        return played.row("", played, None)[-1]

    assert missing() == 0
    monkeypatch.setattr(Schedule, "leave", forget)
    assert missing() > 0


def test_a_strategy_that_fails_is_exit_1(monkeypatch, capsys):
    for word, ends in (("lifts", 0), ("fails", 1)):
        cell = support.Cell("native", "sensor", *support.EAGER, word, "")
        monkeypatch.setattr(support, "cells", lambda *_, cell=cell: iter([cell]))
        assert support.main(["--quick"]) == ends
        assert f"| `native` | {word} |" in capsys.readouterr().out


def test_the_study_of_advice_refuses_what_is_slower_or_means_other_or_is_missing(
    tmp_path, monkeypatch
):
    model = make_model()
    known = decide(model, run(tmp_path, of_lifts(model)))
    (slower,) = raced(tmp_path, known, WHOLE | {"changed": 4.0}).races
    advised = raced(tmp_path, known, WHOLE)
    row = advice.row(advice.Truth(3, named="looped"), advised, advised.races[0], 90.0)
    assert row[6].startswith("lift 2: fold_time 5 ")
    assert row[7:] == (3, 3, 0, 0, 0, 90.0)
    assert not [*advice.BOARD.complaints(row)]
    monkeypatch.setattr(advice, "KEEP", {"sents_td": ("native",)})
    row = advice.row(advice.Truth(4, named="other"), advised, slower, 90.0)
    assert row[7:] == (4, 3, 2, 1, 1, 90.0)
    assert len([*advice.BOARD.complaints(row)]) == 3


def test_the_marks_of_a_history_can_be_bad():
    step = HistoryKind("step", step=0.05)
    levels, truth = simulate(step, HistorySize(), np.random.default_rng(0))
    always, never = np.ones((40, 90), bool), np.zeros((40, 90), bool)
    assert history.mark(always, truth).false_cases.hits == 40
    assert history.mark(never, truth).found == 0
    perfect = history.mark(truth.slower, truth)
    assert (perfect.found, perfect.false_cases.hits, {*perfect.late}) == (4, 0, {0})
    assert len(levels.cases) == 40


@pytest.mark.parametrize(("night", "false"), [(50, 0), (60, 1)])
def test_a_slow_down_that_ended_may_be_named_for_a_fortnight(night, false):
    scenario = HistoryKind("mended", step=0.05, night=20, mended=40)
    _, truth = simulate(scenario, HistorySize(), np.random.default_rng(0))
    called = np.zeros((40, 90), bool)
    called[0, night] = True
    assert history.mark(called, truth).false_cases.hits == false


def test_creep_counts_from_where_it_reaches_the_gate():
    _, truth = simulate(HistoryKind("creep", creep=0.10), HistorySize(), np.random.default_rng(0))
    first = int(truth.slower[0].argmax())
    assert 45 < first < 65
    assert truth.either[0, 46:first].all()


def test_a_room_s_mutants_are_tried_with_the_tests_that_import_it_and_start_no_run():
    tried = mutants.tests_of("analyse", ROOT)
    assert {"tests/test_ranking.py", "tests/test_verdicts.py"} <= set(tried)
    assert not {"tests/test_bench.py", "tests/test_catalogue.py"} & set(tried)
    assert "tests/test_gate_rule.py" in mutants.tests_of("gate", ROOT)


def test_a_room_that_is_not_there_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(mutants, "find_spec", lambda _: True)
    with pytest.raises(UserError, match="expected a folder of timelift/, received 'analysis'"):
        mutants.lay_out(tmp_path, "analysis")


def test_a_mutant_that_no_test_sees_is_named():
    became = {"a": "killed", "b": "survived", "c": "timeout", "d": "no tests"}
    assert list(mutants.missed("abcd", became)) == ["b: survived", "d: no tests"]


NAMES = ("native", "fold_time")
CASES = frozenset(journals.case(name).label for name in NAMES)
HEADER, END = journals.text(journals.header(), journals.END).encode().splitlines()
TRACEBACK = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    f()\n'


def line(name, launch, **fields):
    return journals.text(journals.line(journals.case(name), launch, **fields)).encode().rstrip()


LINES = [HEADER, *(line(name, launch) for launch in (1, 2) for name in NAMES), END]
NEW = line("native", 1, reason="new")


STOPPED = "a.py:1: KeyboardInterrupt\n(to show a full traceback use --full-trace)\n"
FAULT = f"{TRACEBACK}KeyboardInterrupt\n"
ours, theirs = (partial(remains.tracebacks, ours=is_ours) for is_ours in (True, False))
#: What looks for a fault of a run that was killed, where, and how often it is there.
FAULTS = [
    (remains.lost, (LINES[:3], LINES), 0),
    (remains.lost, (LINES, LINES[:2] + LINES[3:]), 1),
    (remains.lost, (LINES, [HEADER, NEW, *LINES[2:]]), 1),
    (remains.lost, ([HEADER, END, END], [HEADER, END]), 1),
    (remains.duplicates, (LINES,), 0),
    (remains.duplicates, ([*LINES, line("native", 2, reason="again")],), 1),
    (remains.missing, (LINES, CASES, 2), 0),
    (remains.missing, (LINES[:-2], CASES, 2), 1),
    (remains.missing, (LINES, CASES, 3), 2),
    (remains.missing, (LINES, CASES | {"another"}, 2), 2),
    (remains.missing, ([*LINES[:4], line("fold_time", 2, status="crashed")], CASES, 2), 1),
    (remains.missing, ([], CASES, 2), 4),
    (ours, ("8 passed\n",), 0),
    (ours, (STOPPED,), 0),
    (theirs, (f"{TRACEBACK}OSError: no\n",), 1),
    (theirs, (f"{TRACEBACK}package.errors.UserError\n",), 1),
    (ours, (FAULT,), 1),
    (theirs, (FAULT,), 0),
    (theirs, (f"{FAULT}\n\nDuring it:\n\n{TRACEBACK}ValueError: no\n",), 1),
    (theirs, (TRACEBACK,), 1),
]


@pytest.mark.parametrize(("look", "where", "times"), FAULTS)
def test_a_line_that_is_lost_twice_there_or_missing_and_a_traceback_are_found(look, where, times):
    assert look(*where) == times


def test_the_cases_of_a_run_are_known_by_their_labels():
    assert remains.labels(LINES) == CASES


@pytest.mark.parametrize(("ours", "count"), [(True, 1), (False, 0)])
def test_an_orphan_is_found_and_ended(tmp_path, ours, count):
    trial = str(tmp_path)  # all processes of the machine are looked at, another suite's too
    mark = {remains.TRIAL_VARIABLE: trial}
    command = [sys.executable, "-c", "print(flush=True); import time; time.sleep(600)"]
    left = subprocess.Popen(command, env={**os.environ, **mark}, stdout=subprocess.PIPE)
    assert left.stdout is not None
    left.stdout.readline()
    assert remains.end_orphans(trial if ours else f"not {trial}", grace=0.0) == count
    assert (left.poll() is None) == (count == 0) or left.wait(300) == -Signals.SIGKILL
    left.kill()
    left.communicate()


def outcome(name, verdict=Verdict.SAME):
    told = {"launches": 3, "detectable": 0.03, "suspected": False, "tried": False}
    same = JudgedChange(0.0, -0.01, 0.01, verdict=Verdict.SAME, **told)
    time = dataclasses.replace(same, verdict=verdict)
    changes = dict.fromkeys(Quantity, same) | {Quantity.TIME: time}
    return CaseOutcome(journals.case(name), changes, {})


def test_every_suite_deals_each_regression_to_another_strategy():
    names = gate.REGRESSED["strategies"].split(",")
    dealt = [gate.dealt(number, names, gate.REGRESSIONS) for number in range(40)]
    assert all(sorted(one.values()) == sorted(gate.REGRESSIONS) for one in dealt)
    assert all(len(one) == len(names) - 1 for one in dealt)
    assert {name for one in dealt for name in one} == set(names)
    planted = gate.OPTIONS.parse_args(["--planted"]).words
    assert sorted(gate.dealt(1, names, planted).values()) == sorted(2 * planted)
    assert gate.dealt(1, names, gate.OPTIONS.parse_args([]).words) == {}


def test_a_blamed_case_that_nobody_touched_is_a_false_alarm(capsys):
    touched = {"fold_time": "+10%"}
    good = Suite((outcome("fold_time", Verdict.SLOWER), outcome("native")), touched, 9.0)
    red = Suite((outcome("fold_time"), outcome("native", Verdict.SLOWER)), touched, 11.0)
    assert not good.false_alarms
    assert red.false_alarms == [journals.case("native")]
    rows = {row[0]: row for row in gate.rows([good, red])}
    assert [row[1:3] for row in rows.values()] == [(2, Proportion(1, 2)), (2, Proportion(1, 2))]
    assert list(rows) == ["nothing", "+10%"]
    assert gate.show([good, red]) == 1
    assert gate.show([good]) == gate.show([]) == 0
    assert "suites with a false alarm: 1 of 2" in capsys.readouterr().out


@pytest.mark.parametrize("phase", [Phase.FORWARD, Phase.BACKWARD])
def test_a_strategy_that_was_changed_still_keeps_the_law(tmp_path, phase):
    rivals = []
    for word in (*SLIPS, *NEUTRAL, NOTHING):
        path = tmp_path / f"{word.replace(' ', '_')}.py"
        path.write_text((ROOT / "strategies" / "fold_time.py").read_text())
        gate.change(path, word)
        rivals.append(RivalSpec(word, str(path)))
    workload = WORKLOADS["sensor"]
    setting = Setting("sensor", 3, 2, phase)
    ends = ends_of(Task(setting, tuple(rivals), workload.factory, workload.inputs, 7, 0.0))
    assert ends == dict.fromkeys([*SLIPS, *NEUTRAL, NOTHING], (Status.MEASURED, ""))


def test_three_runs_hold_the_mean_and_a_run_tomorrow_and_their_launches_do_not():
    random = np.random.default_rng(7)
    marks = [tomorrow.mark((3, 5), (0.01, 0.01), random) for _ in range(10)]
    holds, false, ahead, at_least, alike, by_launch, _, of_mean = np.mean(marks, axis=0)
    assert min(holds, ahead, at_least, alike) >= 0.93
    assert max(by_launch, of_mean) < 0.9
    this_session, *_, of_all, _, _ = tomorrow.mark((1, 12), (0.01, 0.01), random)
    assert (this_session >= 0.93, false < 0.01, of_all < 0.6) == (True, True, True)


def test_each_real_run_is_predicted_by_the_others(tmp_path, capsys):
    names = ["a", "b", "c", "d"]
    for seed, name in enumerate(names):
        lines = journals.campaign(journals.grid(), seed=seed)
        journals.write(tmp_path / f"{name}.jsonl", journals.header(id=name), *lines, journals.END)
    words = [str(tmp_path / f"{name}.jsonl") for name in names]
    assert tomorrow.main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:5]] == names[::-1]
    assert all("of 16" in line and "of 4" in line for line in lines[1:5])
    assert tomorrow.main(words[:3]) == 1
