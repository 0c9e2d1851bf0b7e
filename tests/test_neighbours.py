"""Other programs beside a run: what they take is measured, told, and played again."""

import os
from dataclasses import replace

import pytest

from tests.support import gates, journals
from tests.support.campaigns import BESIDE, QUIET
from timelift.analyse import results
from timelift.commands import additions
from timelift.measurement import CaseInLaunch, without_disturbed
from timelift.messages import RUN_PROCESS
from timelift.worker import system
from timelift.worker.system import Neighbours


class Quota:
    def __init__(self, cores=None):
        self.quota_cores = lambda: cores


def proc(folder, busy, idle, **processes):
    """A /proc of two processors in ticks, and of processes: (parent, own ticks, its children's)."""
    folder.mkdir(exist_ok=True)
    stolen = busy // 5
    lines = (f"cpu{core} {busy - stolen} 0 0 {idle} 7 0 0 {stolen} 0 0" for core in (0, 1))
    (folder / "stat").write_text("\n".join(["cpu 1 2 3", *lines, "btime 5"]))
    for name, (parent, ticks, ended) in processes.items():
        own = folder / name.strip("p")
        own.mkdir(exist_ok=True)
        before = f"{own.name} (a (name) S {parent} 1 1 0 -1 0 0 0 0 0"
        (own / "stat").write_text(f"{before} {ticks} 0 {ended} 0 20 0 1")
    return folder


@pytest.fixture
def seen(tmp_path, monkeypatch):
    """Facts after 10 s in which two processors worked 5 s each, 1 s for guests, 2 s for the run."""
    clock = iter([0.0, 9.0, 10.0])
    monkeypatch.setattr(system.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setenv(RUN_PROCESS, "10")
    tick = os.sysconf("SC_CLK_TCK")

    def facts(threads, quota=None):
        folder = proc(tmp_path / "proc", 0, 0, p10=(1, 5, 0), p11=(10, 0, 0), p99=(1, 0, 0))
        watching = Neighbours(threads, Quota(quota), folder)
        run = {"p10": (1, 5 + tick // 2, tick // 2), "p11": (10, tick, 0)}
        proc(folder, 5 * tick, 5 * tick, **run, p99=(1, 8 * tick, 0))
        return watching.facts()

    return facts


@pytest.mark.parametrize(
    ("threads", "quota", "missing"),
    [(0, None, 0.8), (2, None, 0.8), (1, None, 0.0), (0, 1.5, 0.3), (8, None, 0.8)],
)
def test_others_take_what_the_run_and_its_ended_children_did_not(seen, threads, quota, missing):
    told = {"others_cores": 0.8, "missing_cores": missing, "stolen_share": 0.1}
    assert seen(threads, quota) == told


def test_where_no_processor_time_is_reported_nothing_is_known_of_others(tmp_path):
    assert Neighbours(proc=tmp_path / "none").facts() == {}


def played(name, number, facts, seconds=(1e-3,)):
    return CaseInLaunch(journals.case(name), number, seconds_per_call=seconds, facts=facts)


def counting(lines):
    return {(one.case.strategy, one.number) for one in without_disturbed(lines) if one.was_timed}


def test_disturbed_launches_do_not_count_beside_three_others_of_all_their_rivals():
    facts = {1: BESIDE, 2: QUIET, 3: QUIET, 4: QUIET, 5: replace(BESIDE, missing_cores=0.1)}
    lines = [played(name, number, facts[number]) for name in "ab" for number in facts]
    everything = {(one.case.strategy, one.number) for one in lines}
    assert counting(lines) == everything - {("a", 1), ("b", 1)}
    assert counting([*lines, played("c", 1, BESIDE)]) == everything | {("c", 1)}
    assert counting([one for one in lines if one.number < 4]) == {
        (name, number) for name in "ab" for number in (1, 2, 3)
    }


def test_a_gate_beside_another_program_is_told_and_judged_as_it_is(tmp_path):
    quiet, loud = (
        results.load(gates.run_file(tmp_path / name, slow=1.2, **facts))
        for name, facts in {"quiet": {}, "loud": BESIDE.fields()}.items()
    )
    told, not_told = additions.verdicts_on_copies(loud), additions.verdicts_on_copies(quiet)
    assert told.answer == not_told.answer
    *others, disturbed = told.blocks
    assert "took 0.9 of 2 cores in" in disturbed.sentences[0]
    assert [block.sentences for block in not_told.blocks] == [block.sentences for block in others]
