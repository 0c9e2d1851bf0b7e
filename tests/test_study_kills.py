"""Trials of killed runs and of the gate: every fault is found, and none where nothing is wrong."""

import dataclasses
import os
import subprocess
import sys
from signal import Signals

import pytest

from studies import gate, remains
from studies.gate import NEUTRAL, NOTHING, SLIPS, Suite
from tests import journals
from tests.law_cases import ends_of
from tests.projects import ROOT, WORKLOADS
from timelift.analyse.verdicts import Verdict
from timelift.case import Phase, Setting, Status
from timelift.gate.outcomes import CaseOutcome
from timelift.gate.rule import JudgedChange
from timelift.journal.lines import Quantity
from timelift.messages import RivalSpec, Task
from timelift.selftest.trust import Proportion

NAMES = ("native", "fold_time")
CASES = frozenset(journals.case(name).label for name in NAMES)
HEADER, END = journals.text(journals.header(), journals.END).encode().splitlines()
TRACEBACK = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    f()\n'


def line(name, launch, **fields):
    return journals.text(journals.line(journals.case(name), launch, **fields)).encode().rstrip()


WHOLE = [HEADER, *(line(name, launch) for launch in (1, 2) for name in NAMES), END]
NEW = line("native", 1, reason="new")


@pytest.mark.parametrize(
    ("before", "after", "count"),
    [
        (WHOLE[:3], WHOLE, 0),
        (WHOLE, WHOLE[:2] + WHOLE[3:], 1),
        (WHOLE, [HEADER, NEW, *WHOLE[2:]], 1),
        ([HEADER, END, END], [HEADER, END], 1),
    ],
    ids=["none", "gone", "changed", "once instead of twice"],
)
def test_a_lost_line_is_found(before, after, count):
    assert remains.lost(before, after) == count


@pytest.mark.parametrize("more", [[], [line("native", 2, reason="again")]])
def test_a_case_that_was_played_twice_is_found(more):
    assert remains.duplicates([*WHOLE, *more]) == len(more)


@pytest.mark.parametrize(
    ("lines", "cases", "launches", "count"),
    [
        (WHOLE, CASES, 2, 0),
        (WHOLE[:-2], CASES, 2, 1),
        (WHOLE, CASES, 3, 2),
        (WHOLE, CASES | {"another"}, 2, 2),
        ([*WHOLE[:4], line("fold_time", 2, status="crashed")], CASES, 2, 1),
        ([], CASES, 2, 4),
    ],
)
def test_a_missing_case_is_found(lines, cases, launches, count):
    assert remains.missing(lines, cases, launches) == count
    assert remains.labels(WHOLE) == CASES


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


@pytest.mark.parametrize(
    ("printed", "ours", "count"),
    [
        ("8 passed\n", True, 0),
        ("a.py:1: KeyboardInterrupt\n(to show a full traceback use --full-trace)\n", True, 0),
        (f"{TRACEBACK}OSError: no\n", False, 1),
        (f"{TRACEBACK}package.errors.UserError\n", False, 1),
        (f"{TRACEBACK}KeyboardInterrupt\n", True, 1),
        (f"{TRACEBACK}KeyboardInterrupt\n", False, 0),
        (f"{TRACEBACK}KeyboardInterrupt\n\nDuring it:\n\n{TRACEBACK}ValueError: no\n", False, 1),
        (f"{TRACEBACK}", False, 1),
    ],
)
def test_a_traceback_is_found(printed, ours, count):
    assert remains.tracebacks(printed, ours=ours) == count


def outcome(name, verdict=Verdict.SAME):
    """What became of a case's time; its other quantities are the same."""
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
    assert gate.dealt(1, names, ()) == {}


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


@pytest.mark.parametrize("phase", list(Phase))
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
