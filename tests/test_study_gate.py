"""Trials of the gate: what is dealt out, and what is found in suites whose truth is known."""

import dataclasses

import pytest

from studies import gate
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
