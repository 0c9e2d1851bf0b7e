"""Outcomes: the quantities and facts of a case beside its other side's, and when they fail it."""

import json
import re
from dataclasses import replace

import pytest
from msgspec import structs

from tests.support import journals
from tests.support.gates import ALONE, NATIVE, alone, both, copies, other, run, run_file
from tests.support.simulated import played_on
from timelift.analyse import results
from timelift.axis_values import Status
from timelift.gate import gate_words as words
from timelift.gate.outcomes import GateFindings, GateReferee, gate_findings, other_sides
from timelift.journal.lines import Quantity
from timelift.journal.reading import read_line
from timelift.present.document import SCREEN_LINES
from timelift.present.terminal import to_text


def judged(run):
    gate = gate_findings(run)
    measured = [one for one in gate.outcomes if one.changes]
    return {one.case.strategy: one for one in measured}, gate.against


@pytest.mark.parametrize(
    ("name", "fails"), [("no figures there", False), ("no figures there, which fails", True)]
)
def test_a_case_without_figures_fails_or_is_told_as_not_compared(tmp_path, name, fails):
    lines, against = ALONE[name]
    gate = gate_findings(results.load(alone(tmp_path, *lines, against=against)))
    assert [*words.failures(gate)] == [NATIVE] * fails
    assert [*words.not_compared(gate)] == [NATIVE] * (not fails)


def test_three_machines_are_the_evidence_of_a_gate(tmp_path):
    measured = run(tmp_path, slow=1.06)
    by_launch, by_machine = (
        judged(replace(measured, measurements=played_on(measured.measurements, marks)))[0]
        for marks in ("", "abcabbbc")
    )
    assert by_launch["fold_time"].worse == by_machine["fold_time"].worse == (Quantity.TIME,)
    assert by_launch["fold_time"].time.value != by_machine["fold_time"].time.value


def test_too_few_launches_to_see_anything_are_told(tmp_path):
    outcomes, against = judged(run(tmp_path))
    finding = replace(outcomes["fold_time"].time, detectable=float("nan"))
    said = "too few launches to see even a case that takes twice as long"
    assert words.undecided_in_words(finding, against).endswith(said)


@pytest.mark.parametrize("width", [40, 200])
def test_the_end_of_a_gate_is_a_screenful(tmp_path, width):
    outcomes, against = judged(run(tmp_path, slow=1.06))
    names = [f"{'long_name_' * 5}{place}" for place in range(40)]
    many = [replace(outcomes["fold_time"], case=journals.case(name)) for name in names]
    against = structs.replace(against, new=[f"new{place}" for place in range(300)])
    lines = to_text(words.document(GateFindings(against, many)), width).splitlines()
    assert len(lines) <= SCREEN_LINES * 80 // min(width, 80)
    assert max(map(len, lines)) <= min(width, 80)
    said = " ".join(line.strip() for line in lines)
    assert re.search(r"and [23]\d more lines: report.md and the page have them", said)
    assert "new7 and 292 more" in said


def test_launches_are_judged_whatever_their_numbers(tmp_path):
    path = run_file(tmp_path, slow=1.06)
    outcomes, _ = judged(results.load(path))
    path.write_text(path.read_text().replace('"launch":8,', '"launch":2000000000,'))
    late, _ = judged(results.load(path))
    assert late == outcomes


def test_a_pair_that_dies_in_its_trial_changes_no_suspicion_of_the_others(tmp_path):
    path = run_file(tmp_path, slow=1.06)
    outcomes, _ = judged(results.load(path))
    journals.go_on(path, journals.ended(journals.case("native"), Status.CRASHED, "x", launch=9))
    left, _ = judged(results.load(path))
    assert left == {name: one for name, one in outcomes.items() if name != "native"}


BOTH = {journals.case("fold_time"), other(journals.case("fold_time"))}


@pytest.mark.parametrize(
    ("changes", "to_play", "peaks"),
    [
        ({"slow": 1.06, "launches": 3}, BOTH, set()),
        ({"slow": 1.06, "launches": 6}, BOTH, set()),
        ({"slow": 1.06, "launches": 6, "disturbed": {1, 2, 3}}, BOTH, set()),
        ({"slow": 1.06, "launches": 8}, set(), set()),
        ({"peak_bytes": 16 << 20, "launches": 3}, BOTH, BOTH),
        ({"lost": {1}, "launches": 3}, BOTH, BOTH),
        ({"lost": {1}, "launches": 7}, set(), set()),
        ({"lost": range(9), "launches": 7}, set(), set()),
        ({"slow": 1.06, "weights": 8, "launches": 3}, BOTH, set()),
        ({"slow": 1.06, "traces": 9, "launches": 3}, set(), set()),
    ],
    ids=[
        *(
            "slower",
            "slower, half tried",
            "slower, disturbed at first",
            "slower, confirmed",
            "larger",
            "a lost peak",
            "read again",
            "lost again",
        ),
        *("slower, of other weights", "slower, traced again"),
    ],
)
def test_the_referee_sends_the_suspects_to_trial_and_no_others(tmp_path, changes, to_play, peaks):
    judged_run = run(tmp_path, **changes)
    referee = GateReferee(other_sides(judged_run), judged_run.header.against)
    for line in (tmp_path / "run.jsonl").read_bytes().splitlines()[1:-1]:
        referee.take(read_line(line))
    assert referee.to_play() == to_play
    assert referee.doubts_peak_of() == peaks


def test_a_side_that_was_not_played_has_lost_no_peak(tmp_path):
    path = run_file(tmp_path, lost={1})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    mine = journals.case("fold_time").fields()
    kept = [line for line in lines if line.get("case") != mine or line["launch"] == 1]
    others = [line for launch in (4, 5) for line in both("native", launch, 1.0)]
    made = results.load(journals.write(path, *kept[:-1], *others, kept[-1]))
    assert not words.failures(gate_findings(made))


def test_what_fails_alike_is_a_row_of_the_table_and_every_case_one_of_the_details(tmp_path):
    made = results.load(copies(tmp_path, (16, 32, 64)))
    document = words.document(gate_findings(made))
    rows = [row[:2] for row in document.block("answer").table.cells[:2]]
    assert rows == [("native, 3 of 3 cases", "fails"), ("fold_time, 3 of 3 cases", "fails")]
    assert len(document.block("copies").table.rows) == 12


def test_the_worst_fails_first_with_what_its_program_has_more(tmp_path):
    made = run(tmp_path, slow=1.06, operations={"Add": 2}, old={"operations": {"Add": 1}})
    outcomes, against = judged(made)
    slow, changed = outcomes["fold_time"], []
    for name, size in {"mild": 0.05, "worst": 0.3, "middle": 0.1}.items():
        changes = slow.changes | {Quantity.TIME: replace(slow.time, value=size)}
        changed.append(replace(slow, case=journals.case(name), changes=changes))
    told = words.document(GateFindings(against, changed)).blocks[0].sentences
    names = ("worst", "middle", "mild")
    assert [line.partition(":")[0] for line in told] == [
        journals.case(name).label for name in names
    ]
    assert "its program has +1 Add" in told[0]
