"""Runs against another side with equal programs: cases without a sample, for every reader."""

import dataclasses

import numpy as np
import pytest
from msgspec import structs

import report
from tests import journals
from tests.test_gate_outcomes import AGAINST
from timelift import ended
from timelift.analyse.gate.outcomes import GateReferee, against_of, gate_findings, other_sides
from timelift.analyse.runs import results
from timelift.analyse.stats.verdicts import Verdict
from timelift.journal import (
    Facts,
    Quantity,
    measured_case,
    read_lines,
    read_medians,
    read_resumed_run,
)
from timelift.present.gate_words import gate_lines

NAMES = ("native", "fold_time", "loop_slice")
FACTS = {"first_call_seconds": 1.0, "weights": 9, "graph_nodes": 40}
WOBBLE = [1e-3 * (1 + 0.002 * (turn % 5 - 2)) for turn in range(12)]


def run_file(folder, untimed=NAMES, launches=3, more=None, less=None):
    """Write a run of these launches; of `fold_time`, the sides have facts `more` and `less`."""
    strategies = {name: {"title": name} for name in NAMES}
    strategies |= {f"{name}@main": {"title": name, "against": {"of": name}} for name in NAMES}
    lines = [journals.header(strategies=strategies, against=AGAINST)]
    for launch in range(1, launches + 1):
        for name in NAMES:
            for side, extra in ((name, more), (f"{name}@main", less)):
                facts = FACTS | ((extra or {}) if name == "fold_time" else {})
                seconds = [] if name in untimed else WOBBLE
                facts |= {} if seconds else {"same_program": True}
                case = journals.case(side)
                lines.append(measured_case(case, launch, 6, seconds, 1, Facts(**facts)).fields())
    return journals.write(folder / "run.jsonl", *lines, journals.END)


def found_in(path):
    """What became of each case, by its strategy, and what is written of all of them."""
    found = gate_findings(results.load(path))
    return {one.case.strategy: one for one in found.outcomes}, "\n".join(gate_lines(found))


@pytest.mark.parametrize("untimed", [NAMES, ("fold_time",)])
def test_a_case_of_equal_programs_is_the_same_and_said_not_to_be_timed(tmp_path, untimed):
    found, written = found_in(run_file(tmp_path, untimed))
    assert {one.time.verdict for one in found.values()} == {Verdict.SAME}
    assert {name for name, one in found.items() if one.same_program} == set(untimed)
    assert not any(one.time.suspected for one in found.values())
    assert f"3 same ({len(untimed)} of them the same program, not timed)" in written


def test_a_first_call_that_is_longer_fails_all_the_same(tmp_path):
    path = run_file(tmp_path, launches=11, more={"first_call_seconds": 2.0})
    found, _ = found_in(path)
    assert found["fold_time"].worse == (Quantity.FIRST_CALL,)
    assert "longer first call than main" in ended.failures(path)[found["fold_time"].case]
    assert not found["native"].worse


@pytest.mark.parametrize(("seconds", "suspects"), [(1.0, set()), (2.0, {"fold_time"})])
def test_a_case_without_rounds_is_tried_again_for_its_first_call_alone(tmp_path, seconds, suspects):
    run = results.load(run_file(tmp_path, more={"first_call_seconds": seconds}))
    against = structs.replace(against_of(run), undecided="fail")
    referee = GateReferee(other_sides(run), against)
    for one in run.measurements:
        for launch in one.launches:
            referee.take(measured_case(one.case, launch.number, 2, [], 1, launch.facts))
    to_play = {one.strategy.partition("@")[0] for one in referee.to_play()}
    assert to_play == suspects


def test_a_program_that_differs_is_told_by_its_operations(tmp_path):
    more = {"Add": 9, "Cast, to float64": 2, "Const": 40, "Mul": 5, "Tanh": 1}
    less = {"Add": 4, "Cast, to float64": 0, "Const": 30, "Mul": 2, "Tanh": 2}
    path = run_file(
        tmp_path, (), more={"operations": more, "graph_nodes": 60}, less={"operations": less}
    )
    _, written = found_in(path)
    told = "its program has +2 Cast, to float64; +5 Add; +3 Mul and 2 more"
    assert written.splitlines()[1].endswith(f": {told}")
    assert "graph nodes" not in written


def test_what_the_optimiser_removes_is_told_too(tmp_path):
    sides = {"more": {"traced_operations": {"Identity": 21}}}
    path = run_file(tmp_path, **sides, less={"traced_operations": {"Identity": 1}})
    _, written = found_in(path)
    assert "traced: +20 Identity; the optimised programs are equal" in written


def test_another_constant_is_told(tmp_path):
    path = run_file(tmp_path, (), more={"operations": {}}, less={"operations": {}})
    _, written = found_in(path)
    assert "its program differs, in operations of the same kinds" in written


def test_a_case_that_was_timed_in_one_launch_is_judged_by_that(tmp_path):
    run = results.load(run_file(tmp_path, (), launches=4))
    first = [
        dataclasses.replace(
            one,
            launches=(
                dataclasses.replace(
                    one.launches[0],
                    seconds_per_call=np.array([]),
                    facts=Facts(same_program=True),
                ),
                *one.launches[1:],
            ),
        )
        for one in run.measurements
    ]
    found = gate_findings(dataclasses.replace(run, measurements=tuple(first)))
    assert {one.time.launches for one in found.outcomes} == {1}
    assert not any(one.same_program for one in found.outcomes)


def test_samples_are_missing_only_where_the_programs_are_equal(tmp_path):
    path = run_file(tmp_path)
    assert not any(one.error for one in read_lines(path.read_bytes()))
    path.write_text(path.read_text().replace('"same_program":true', '"same_program":false'))
    errors = [str(one.error) for one in read_lines(path.read_bytes()) if one.error]
    assert len(errors) == 18
    assert "expected at least one sample" in errors[0]


@pytest.mark.parametrize("untimed", [NAMES, ("fold_time",)])
def test_every_reader_takes_such_a_run(tmp_path, untimed, capsys):
    path = run_file(tmp_path, untimed)
    assert report.main(["report", str(path), "--output", str(tmp_path / "out")]) == 0
    assert "3 cases against main" in capsys.readouterr().out
    page = (tmp_path / "out" / "index.html").read_text()
    assert "the same program, not timed" in page
    assert report.main(["report", str(path), "tokens"]) == 0
    played = read_resumed_run(path).played
    assert {len(lines) for lines in played.values()} == {6}
    logs = [one.log_seconds for one in read_medians(path.read_bytes().split(b"\n"))]
    assert sum(map(np.isnan, logs)) == 6 * len(untimed)


def test_equal_programs_that_were_raced_all_the_same_are_judged_by_their_rounds(tmp_path):
    sides = [{"traced_operations": {"Identity": n}, "same_program": True} for n in (21, 1)]
    found, written = found_in(run_file(tmp_path, (), more=sides[0], less=sides[1]))
    assert not found["fold_time"].same_program
    assert found["fold_time"].time.launches == 3
    assert "traced: +20 Identity; the optimised programs are equal" in written
    assert "not timed" not in written
