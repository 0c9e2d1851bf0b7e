"""Outcomes: the quantities and facts of a case beside its other side's, and when they fail it."""

import itertools
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from tests import journals
from tests.journals import AGAINST
from timelift.analyse import results
from timelift.case import Case, Status
from timelift.gate import gate_words as words
from timelift.gate.outcomes import GateFindings, GateReferee, gate_findings, other_sides
from timelift.journal.lines import Quantity
from timelift.journal.reading import read_line
from timelift.present.terminal import section_lines

NAMES = ("native", "fold_time", "conv1d_pointwise", "loop_slice")
FACTS = {"first_call_seconds": 1.0, "peak_bytes": 8 << 20, "weights": 9, "graph_nodes": 40}


def other(case: Case) -> Case:
    return replace(case, strategy=f"{case.strategy}@main")


def both(name, launch, seconds, facts=FACTS, old_facts=FACTS):
    """One launch of a case and of its other side: the time over the other's, round by round."""
    case = journals.case(name)
    wobble = [1e-3 * (1 + 0.002 * ((launch + turn) % 5 - 2)) for turn in range(12)]
    yield journals.line(case, launch, [seconds * one for one in wobble], facts=facts)
    yield journals.line(other(case), launch, wobble, facts=old_facts)


def run(folder: Path, **changes):
    return results.load(run_file(folder, **changes))


def run_file(folder: Path, slow=1.0, launches=8, against=AGAINST, old=None, **facts):
    """Write a run in which `fold_time` takes `slow` times as long as before; others as ever.

    As in a real one, peak memory is read in launch 1 and in those that try a suspect, but on the
    new side not in the `lost` ones; `old` are facts of the other side in place of its peak.
    """
    lost = facts.pop("lost", ())
    strategies = {name: {"title": name} for name in NAMES}
    strategies |= {f"{name}@main": {"title": name, "against": {"of": name}} for name in NAMES}
    lines = [journals.header(strategies=strategies, against=against)]
    for launch in range(1, launches + 1):
        for name in NAMES if launch <= 3 else ("fold_time",):
            mine = name == "fold_time"
            sides = [FACTS | facts if mine else FACTS, FACTS]
            if old is not None:
                sides[1] = {name: sides[1][name] for name in FACTS if name != "peak_bytes"} | old
            if launch in {2, 3}:
                sides = [_without_peak(one) for one in sides]
            if mine and launch in lost:
                sides[0] = _without_peak(sides[0])
            lines += both(name, launch, (slow if mine else 1.0) * (1 + 1e-3 * (launch % 3)), *sides)
    return journals.write(folder / "run.jsonl", *lines, journals.END)


def _without_peak(facts):
    return {name: value for name, value in facts.items() if not name.startswith("peak")}


def judged(run):
    gate = gate_findings(run)
    measured = [one for one in gate.outcomes if one.changes]
    return {one.case.strategy: one for one in measured}, gate.against


def sentences(run):
    return words.section(gate_findings(run)).versions[0]


def failure(outcome, against):
    return words.failures(GateFindings(against, [outcome])).get(outcome.case, "")


@pytest.mark.parametrize(
    ("detectable", "said"),
    [
        (0.05, "a change of 5.1 % would have been seen"),
        (float("nan"), "too few launches to see even a case that takes twice as long"),
    ],
)
def test_what_would_have_been_seen_is_told_where_it_says_something(tmp_path, detectable, said):
    outcomes, against = judged(run(tmp_path))
    finding = replace(outcomes["fold_time"].time, detectable=detectable)
    assert words.undecided_in_words(finding, against).endswith(said)


@pytest.mark.parametrize("width", [40, 200])
def test_the_end_of_a_gate_is_a_screenful(tmp_path, width):
    outcomes, against = judged(run(tmp_path, slow=1.06))
    names = [f"{'long_name_' * 5}{place}" for place in range(40)]
    many = [replace(outcomes["fold_time"], case=journals.case(name)) for name in names]
    against = structs.replace(against, new=[f"new{place}" for place in range(300)])
    lines = section_lines(words.section(GateFindings(against, many)), width)
    assert len(lines) <= 25 * 80 // min(width, 80)
    assert max(map(len, lines)) <= min(width, 80)
    said = " ".join(line.strip() for line in lines)
    assert re.search(r"and 3\d more: report.md and the page have them", said)
    assert "new7 and 292 more" in said


def test_launches_are_judged_whatever_their_numbers(tmp_path):
    path = run_file(tmp_path, slow=1.06)
    outcomes, _ = judged(results.load(path))
    path.write_text(path.read_text().replace('"launch":8,', '"launch":2000000000,'))
    late, _ = judged(results.load(path))
    assert late == outcomes


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"start_seconds": 2.0, "old": {"start_seconds": 1.0}}, "95.2 % longer first call"),
        ({"first_call_seconds": 2.0}, "95.2 % longer first call than main [+95.2 %, "),
        ({"peak_bytes": 16 << 20}, "more peak memory than main"),
        ({"peak_bytes": 16 << 20, "old": {"peak_bytes_below": 1 << 17}}, "more peak memory"),
        ({"weights": 8}, "8 weights where main has 9"),
        ({"start_seconds": 1.1}, ""),
        ({"peak_bytes": 9 << 20}, ""),
        ({"graph_nodes": 60}, ""),
    ],
)
def test_other_quantities_and_facts_fail_beyond_their_own_gates(tmp_path, changes, sentence):
    outcomes, against = judged(run(tmp_path, **changes))
    said = failure(outcomes["fold_time"], against)
    assert sentence in said
    assert bool(said) == bool(sentence)


def test_a_program_that_differs_is_told_by_its_operations_and_fails_nothing(tmp_path):
    more = {"Add": 9, "Cast": 2, "Const": 40, "Mul": 5, "Tanh": 1}
    less = {"Add": 4, "Const": 30, "Mul": 2, "Tanh": 1, "Sub": 1}
    made = run(tmp_path, old={"operations": less}, operations=more, graph_nodes=60)
    outcomes, against = judged(made)
    assert not failure(outcomes["fold_time"], against)
    told = "\n".join(sentences(made))
    assert "graph: its program has +10 Const, +5 Add, +3 Mul, +2 Cast, -1 Sub" in told
    assert "graph nodes" not in told


def test_a_stored_run_is_judged_by_the_numbers_of_its_header(tmp_path):
    own = {"gates": {"time": 0.14, "first call": 0.25, "peak memory": 2.0}}
    for against, fails in ((AGAINST, True), (AGAINST | own, False)):
        made = run(tmp_path, slow=1.06, peak_bytes=16 << 20, against=against)
        outcomes, kept = judged(made)
        assert bool(failure(outcomes["fold_time"], kept)) == fails


def test_undecided_fails_only_where_the_user_says_so(tmp_path):
    for word, fails in (("pass", False), ("fail", True)):
        outcomes, against = judged(run(tmp_path, launches=2, against=AGAINST | {"undecided": word}))
        text = failure(outcomes["native"], against)
        assert bool(text) == fails
        assert ("undecided beside main" in text) == fails


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
        ({"slow": 1.06, "launches": 8}, set(), set()),
        ({"peak_bytes": 16 << 20, "launches": 3}, BOTH, BOTH),
        ({"lost": {1}, "launches": 3}, BOTH, BOTH),
        ({"lost": {1}, "launches": 7}, set(), set()),
        ({"lost": range(9), "launches": 7}, set(), set()),
        ({"slow": 1.06, "weights": 8, "launches": 3}, set(), set()),
    ],
    ids=[
        *("slower", "slower, confirmed", "larger", "a lost peak", "read again", "lost again"),
        "slower, of other weights",
    ],
)
def test_the_referee_sends_the_suspects_to_trial_and_no_others(tmp_path, changes, to_play, peaks):
    judged_run = run(tmp_path, **changes)
    referee = GateReferee(other_sides(judged_run), judged_run.header.against)
    for line in (tmp_path / "run.jsonl").read_bytes().splitlines()[1:-1]:
        referee.take(read_line(line))
    assert referee.to_play() == to_play
    assert referee.doubts_peak_of() == peaks


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"lost": range(1, 9)}, "its peak memory can be read on main alone"),
        ({"lost": {1}}, ""),
        ({"lost": {4, 5, 6, 7, 8}}, ""),
        ({"lost": {1, 4}, "launches": 4}, ""),
        ({"lost": {1}, "peak_bytes": 16 << 20}, "100 % more peak memory than main"),
    ],
    ids=["never", "again", "lost in the trial alone", "tried once", "again, and larger"],
)
def test_a_peak_that_is_read_on_the_other_side_alone_fails_once_it_is_lost_again(
    tmp_path, changes, told
):
    outcomes, against = judged(run(tmp_path, **changes))
    said = failure(outcomes["fold_time"], against)
    assert bool(said) == bool(told)
    assert told.removeprefix("100 % ") in said
    assert not any(failure(outcomes[name], against) for name in NAMES if name != "fold_time")


def test_a_side_that_was_not_played_has_lost_no_peak(tmp_path):
    path = run_file(tmp_path, lost={1})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    mine = journals.case("fold_time").fields()
    kept = [line for line in lines if line.get("case") != mine or line["launch"] == 1]
    others = [line for launch in (4, 5) for line in both("native", launch, 1.0)]
    made = results.load(journals.write(path, *kept[:-1], *others, kept[-1]))
    assert not words.failures(gate_findings(made))


def test_what_was_not_tried_again_is_told(tmp_path):
    for changes, looks in (
        ({"slow": 1.06}, "it looks changed"),
        ({"lost": {1}}, "its peak memory "),
    ):
        made = run(tmp_path, launches=3, **changes)
        (said,) = (line for line in sentences(made) if "before it was tried again" in line)
        assert said.startswith("fold_time, tokens, T16, B8, forward, graph: ")
        assert looks in said
        assert not words.failures(gate_findings(made))


NATIVE = journals.case("native")


def alone(folder, *lines, against=AGAINST, **header):
    strategies = {"native": {}, "native@main": {"against": {"of": "native"}}}
    head = journals.header(strategies=strategies, against=against, **header)
    return journals.write(folder / "run.jsonl", head, *lines)


def headline(path):
    return words.section(gate_findings(results.load(path))).headline


@pytest.mark.parametrize(
    ("undecided", "said"),
    [("pass", "No case was measured on both sides"), ("fail", "1 of 1 case fails the gate")],
)
def test_what_has_no_figures_there_fails_where_the_user_says_so(tmp_path, undecided, said):
    there = journals.line(other(NATIVE), status="failed", reason="no such thing", facts={})
    lines = (there, journals.line(NATIVE, facts=FACTS), journals.END)
    path = alone(tmp_path, *lines, against=AGAINST | {"undecided": undecided})
    assert headline(path).startswith(said)
    gate = gate_findings(results.load(path))
    told = {"pass": words.not_compared(gate), "fail": words.failures(gate)}
    why = "not compared, since main has no figures: failed: no such thing"
    assert told.pop(undecided) == {NATIVE: f"{words.case_in_words(NATIVE)}: {why}"}
    assert not any(told.values())


def test_sides_that_share_no_launch_have_no_change(tmp_path):
    path = alone(tmp_path, journals.line(NATIVE, 1), journals.line(other(NATIVE), 2), journals.END)
    told = "\n".join(sentences(results.load(path)))
    assert "no round was played by both sides" in told
    assert "nan" not in told


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.MEASURED])
def test_what_has_figures_on_the_other_side_alone_fails_and_is_told(tmp_path, status):
    lines = journals.ended(NATIVE, status, "why"), journals.line(other(NATIVE), facts=FACTS)
    made = results.load(alone(tmp_path, *lines, journals.END))
    gate = gate_findings(made)
    reason = f"{words.case_in_words(NATIVE)}: {status}: why"
    assert words.failures(gate) == {NATIVE: f"no figures: {reason}"}
    assert sentences(made) == (
        "1 of 1 case fails the gate against main: 1 without figures.",
        f"no figures: {reason}",
        "new: mine",
    )


@pytest.mark.parametrize("status", [Status.REFUSED, Status.TRACING_LIMIT, Status.CRASHED])
def test_what_never_had_figures_fails_by_a_fault_alone(tmp_path, status):
    lines = [journals.ended(case, status, "why") for case in (NATIVE, other(NATIVE))]
    gate = gate_findings(results.load(alone(tmp_path, *lines, journals.END)))
    reason = "crashed: why, and main has no figures either: crashed"
    told = {NATIVE: f"no figures: {words.case_in_words(NATIVE)}: {reason}"}
    assert words.failures(gate) == (told if status is Status.CRASHED else {})


def copies(folder, lengths):
    """A run in which `fold_time` is slower at several lengths, and `native` fails."""
    path = run_file(folder, slow=1.06)
    head, *lines, end = (json.loads(line) for line in path.read_text().splitlines())
    every = []
    for length, line in itertools.product(lengths, lines):
        case = Case.from_fields(line["case"] | {"seq_len": length})
        lost = journals.ended(case, Status.FAILED, f"no axis at {length} steps", line["launch"])
        every.append(lost if case.strategy == "native" else line | {"case": case.fields()})
    return journals.write(path, head, *every, end)


def test_every_failure_is_told_once_with_what_is_alike_in_one_row(tmp_path):
    made = results.load(copies(tmp_path, (16, 32, 64)))
    section = words.section(gate_findings(made))
    assert section.headline == (
        "6 of 12 cases fail the gate against main: 3 without figures, 3 slower."
    )
    _, _, lost, slower, *others = section.versions[0]
    assert lost == "no figures: native, 3 of 3 cases: failed: no axis at 16 steps"
    assert slower.startswith("fold_time, 3 of 3 cases: 6.1 % slower than main")
    assert not {"fold_time", "native"} & {line.partition(",")[0] for line in others}
    first, second, *_ = section.table.cells
    assert (*first[:2], *second[:2]) == (
        *("native, 3 of 3 cases", "fails"),
        *("fold_time, 3 of 3 cases", "fails"),
    )
    assert len(section.details.rows) == 12


def test_the_worst_fails_first_with_what_its_program_has_more(tmp_path):
    made = run(tmp_path, slow=1.06, operations={"Add": 2}, old={"operations": {"Add": 1}})
    outcomes, against = judged(made)
    slow, changed = outcomes["fold_time"], []
    for name, size in {"mild": 0.05, "worst": 0.3, "middle": 0.1}.items():
        changes = slow.changes | {Quantity.TIME: replace(slow.time, value=size)}
        changed.append(replace(slow, case=journals.case(name), changes=changes))
    told = words.section(GateFindings(against, changed)).versions[0][2:5]
    assert [line.partition(",")[0] for line in told] == ["worst", "middle", "mild"]
    assert "its program has +1 Add" in told[0]


def test_a_run_of_which_no_case_has_another_side_says_so_with_the_reasons(tmp_path):
    against = run(tmp_path).header.against
    reasons = ["unchanged", "main has no workload 'mine'"] * 2
    _, *told = section_lines(words.nothing_compared(against, reasons[1:]), 80)
    assert told[:2] == ["2 cases: main has no workload 'mine'", "1 case: unchanged"]


def test_a_run_that_was_killed_between_the_two_sides_is_read(tmp_path):
    path = alone(tmp_path, journals.line(other(NATIVE), facts=FACTS))
    assert not words.failures(gate_findings(results.load(path)))
    assert "No case was measured on both sides" in headline(path)
