"""The self-test's grid: one strategy and its twins in every setting, each strategy in its turn."""

from pathlib import Path

import pytest

from tests import journals
from timelift.case import Case
from timelift.journal import Planted
from timelift.measure import grid as grids
from timelift.measure.catalogue import Catalogue, read_strategies, read_workloads
from timelift.planted import COPY_SEPARATOR, PLANTS
from timelift.project import Project

ROOT = Path(__file__).parent.parent
NAMES = ("native", "fold_time")


@pytest.fixture
def planted(tmp_path):
    """Sixteen settings of two strategies, turned into a self-test: the cases and the catalogue."""
    catalogue = Catalogue(read_strategies(Project(ROOT).strategies.values()), {})
    grid = journals.grid(strategies=NAMES, seq_lens=range(1, 9))
    return list(grids.selftest_cases(grid, catalogue, tmp_path)), catalogue


def test_every_setting_has_one_strategy_and_all_its_twins(planted):
    cases, _ = planted
    bases = [case for case in cases if COPY_SEPARATOR not in case.strategy]
    assert len(bases) == 16
    assert {case.strategy for case in bases} == set(NAMES)
    for base in bases:
        twins = [case.strategy for case in cases if case.setting == base.setting and case != base]
        assert twins == [f"{base.strategy}{COPY_SEPARATOR}{plant.word}" for plant in PLANTS]


def test_a_setting_that_two_questions_ask_about_has_the_same_rivals_in_both(planted, tmp_path):
    cases, catalogue = planted
    grid = journals.grid(strategies=NAMES, seq_lens=range(1, 9))
    again = list(grids.selftest_cases(grid[2:], catalogue, tmp_path))
    assert set(again) < set(cases)


@pytest.mark.parametrize("asked", ["all", "fold_chunks"])
def test_a_second_question_plants_no_twins_of_twins(tmp_path, asked):
    project = Project(ROOT)
    known = Catalogue(
        read_strategies(project.strategies.values()), read_workloads(project.workloads.values())
    )
    for phase in ("forward", "backward"):
        question = grids.Question({"phases": phase, "modes": "graph,eager"})
        found = grids.cases(question, {**grids.SELFTEST_AXES, "strategies": asked}, known)
        cases = list(grids.selftest_cases(found, known, tmp_path))
        assert any(COPY_SEPARATOR not in one.strategy for one in cases)
        assert all(one.strategy.count(COPY_SEPARATOR) <= 1 for one in cases)


def test_twins_are_the_strategy_and_one_comes_from_another_path(planted):
    _, catalogue = planted
    base = catalogue.strategies["native"]
    paths = {
        plant.word: catalogue.strategies[f"native{COPY_SEPARATOR}{plant.word}"].path
        for plant in PLANTS
    }
    assert paths.pop("copy") != base.path
    assert set(paths.values()) == {base.path}
    copy = catalogue.strategies[f"native{COPY_SEPARATOR}copy"].path
    assert copy.read_text() == base.path.read_text()


def test_what_a_launch_is_told_is_what_the_header_says(planted):
    cases, catalogue = planted
    twin = f"native{COPY_SEPARATOR}one_in_4"
    assert catalogue.entry(twin).planted == Planted(of="native", slower=0.1, one_launch_in=4)
    setting = next(case.setting for case in cases if case.strategy == "native")

    def told(name, launch=1):
        return catalogue.rival(Case(setting, name), launch).planted

    assert [told(twin, launch) for launch in (1, 2, 3, 4)] == [{}, {"slower": 0.1}, {}, {}]
    assert told(f"native{COPY_SEPARATOR}first_call")["first_call_seconds"] > 0
    assert not catalogue.entry("native").is_copy
    assert told("native") == told(f"native{COPY_SEPARATOR}copy") == {}


def test_what_a_self_test_measures_by_default_exists():
    known = read_strategies(Project(ROOT).strategies.values())
    assert set(grids.SELFTEST_AXES["strategies"].split(",")) <= set(known)
    for name in grids.SELFTEST_AXES["workloads"].split(","):
        assert (ROOT / "workloads" / f"{name}.py").exists()
