"""Every study has a quick form that ends well, and can end badly.

Of the page of what lifts what, a sample of its cells is tried again, and must come out the same.
"""

import random
import re
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from studies import (
    STUDIES,
    advice,
    gate,
    history,
    kills,
    ladder,
    mutants,
    real_noise,
    sample_length,
    support,
)
from studies.history import HistoryKind, HistorySize, simulate
from studies.scoreboard import OF, Column, Scoreboard
from tests import journals
from tests.advised import WHOLE, make_model, of_lifts, raced, run
from tests.projects import ROOT, STRATEGIES, WORKLOADS
from timelift.advise.advice import ModelAdvice
from timelift.case import Backend
from timelift.errors import UserError
from timelift.selftest.trust import Proportion


def programs():
    """Every module and package of studies that is run by its name."""
    for path in sorted((ROOT / "studies").glob("**/*.py")):
        if "if __name__ ==" in path.read_text():
            parts = path.relative_to(ROOT / "studies").with_suffix("").parts
            yield ".".join(part for part in parts if part != "__main__" or len(parts) == 1)


PROGRAMS = [name for name in programs() if name != "__main__"]
#: Studies of timings, which judge no machine that is busy otherwise.
LIVE = ("advice", "gate", "sample_length")
ALONE = (pytest.mark.alone, pytest.mark.whole)


def test_every_program_is_in_the_table():
    assert set(PROGRAMS) == STUDIES.keys()


@pytest.mark.study
@pytest.mark.usefixtures("own_lock")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=ALONE if name in LIVE else ()) for name in PROGRAMS]
)
def test_the_quick_form_ends_well(name):
    if name == "mutants" and find_spec("mutmut") is None:
        pytest.skip("make mutate installs mutmut")
    words = [sys.executable, "-m", f"studies.{name}", "--quick"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert done.stdout


@pytest.fixture
def beside_an_ordinary_run(tmp_path, monkeypatch):
    journals.synthetic(tmp_path / "ordinary")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("study", "words", "sentence"),
    [
        (real_noise, "none", "expected a run"),
        (real_noise, "ordinary", "timelift selftest"),
        (kills, "--kills 1 --journals .", "is not empty; name a new folder with --journals"),
        (sample_length, "--backends tf", "unknown name 'tf'; "),
        (support, "--workloads sensors", "unknown name 'sensors'; nearest: sensor"),
        (support, "--by-backend --backends jaxx", "unknown name 'jaxx'; nearest: jax"),
    ],
)
@pytest.mark.usefixtures("beside_an_ordinary_run")
def test_what_cannot_be_used_is_one_sentence_and_exit_1(capsys, study, words, sentence):
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


def test_a_table_is_laid_out_in_columns_with_its_legend(capsys):
    rows = [("quiet", 0.951, Proportion(1, 1200), None), ("loud", 0.9, "", 2)]
    assert BOARD.show(iter(rows)) == 0
    assert capsys.readouterr().out.splitlines() == [
        "noise     coverage  wrong  width",
        "quiet        95.1%  1 of 1,200      -",
        "loud         90.0%          2.00",
        "",
        "coverage  of intervals",
    ]


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
RARE = ("n", 800, 0.88, 0.06, 0.96, 0.01, 0.013)
NIGHTLY = ("n", "timelift", 4, 4, 0, "2 (2)", "", Proportion(0, 40), Proportion(0, 40))
TOGETHER = ("n", "5", 960, 0.97, 0.95, 0.7, 0.97, 0.95, 0.6, 0.004, 1.5)


@pytest.mark.parametrize(
    ("board", "row", "place", "wrong"),
    [
        (ladder.PAIRS, PAIRS, 3, 0.8),
        (ladder.PAIRS, PAIRS, 5, 0.2),
        (ladder.RARE, RARE, 2, 0.7),
        (ladder.RARE, RARE, 3, 0.2),
        (ladder.TOGETHER, TOGETHER, 3, 0.7),
        (ladder.TOGETHER, TOGETHER, 9, 0.1),
        (real_noise.BOARD, ("n", "3", 200, 20, 0.95, 0.93, 0.01, 1.0, None, 1.0), 6, 0.3),
        (gate.BOARD, ("nothing", 20, Proportion(0, 20), 0.1, 0, 6, 14, 0, 0), 2, Proportion(5, 20)),
        (kills.FAULTY, ("lost", 0), 1, 1),
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


def test_a_strategy_that_fails_is_exit_1(monkeypatch, capsys):
    for word, ends in (("lifts", 0), ("fails", 1)):
        cell = support.Cell("native", "sensor", *support.EAGER, word, "")
        monkeypatch.setattr(support, "cells", lambda *_, cell=cell: iter([cell]))
        assert support.main(["--quick"]) == ends
        assert f"| `native` | {word} |" in capsys.readouterr().out


def test_the_study_of_advice_refuses_what_is_slower_means_something_else_or_is_missing(
    tmp_path, monkeypatch
):
    model = make_model()
    known = ModelAdvice(model, run(tmp_path, of_lifts(model)))
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
    assert not {
        "tests/test_bench.py",
        "tests/test_catalogue.py",
        "tests/test_study_kills.py",
    } & set(tried)
    assert "tests/test_gate_rule.py" in mutants.tests_of("gate", ROOT)


def test_a_seed_draws_the_same_mutants_whatever_order_they_are_told_in():
    names = [f"mutant_{number}" for number in range(50)]
    drawn = mutants.draw(names, 10, seed=3)
    assert drawn == mutants.draw(names[::-1], 10, seed=3) != mutants.draw(names, 10, seed=4)
    assert len(set(drawn)) == 10


def test_a_room_that_is_not_there_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(mutants, "find_spec", lambda _: True)
    with pytest.raises(UserError, match="expected a folder of timelift/, received 'analysis'"):
        mutants.lay_out(tmp_path, "analysis")


def test_a_mutant_that_no_test_sees_is_named():
    became = {"a": "killed", "b": "survived", "c": "timeout", "d": "no tests"}
    assert list(mutants.missed("abcd", became)) == ["b: survived", "d: no tests"]


PAGE = ROOT / "docs" / "support.md"


def printed(workload):
    """The words of a workload's table, by strategy, in the order of the columns."""
    section = PAGE.read_text().partition(f"\n## {workload}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \| (.*) \|$", section, re.MULTILINE)
    return {name: [cell.split()[0] for cell in cells.split(" | ")] for name, cells in rows}


def test_every_pair_is_on_the_page():
    for workload in WORKLOADS:
        table = printed(workload)
        assert sorted(table) == sorted(STRATEGIES), workload
        assert {len(row) for row in table.values()} == {len(support.COLUMNS[Backend.TENSORFLOW])}


@pytest.mark.study
@pytest.mark.parametrize("workload", ["sensor", "windows"])
def test_a_sample_of_cells_comes_out_as_printed(workload):
    names = random.Random(workload).sample(sorted(STRATEGIES), 3)
    chosen = {name: STRATEGIES[name] for name in names}
    tried = {name: [] for name in names}
    for cell in support.cells(WORKLOADS[workload], chosen):
        tried[cell.strategy].append(cell.word)
    table = printed(workload)
    assert tried == {name: table[name] for name in names}


def test_everything_is_tried_eagerly_and_one_workload_compiled():
    tried = support.trials(["sensor", "frames"], [Backend.JAX])
    columns = {workload: list(columns) for _, workload, columns in tried}
    assert columns == {"sensor": [support.EAGER, support.COMPILED], "frames": [support.EAGER]}
