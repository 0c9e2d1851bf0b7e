"""The campaign's choices, with launches that are scripted: which rivals play, and until when."""

import sys
from contextlib import AbstractContextManager
from dataclasses import replace

import pytest

from tests.support.campaigns import (
    BESIDE,
    CASES,
    NAMES,
    QUIET,
    Heard,
    ScriptedReferee,
    catalogue_of,
)
from tests.support.simulated import ScriptedClock
from timelift.axis_values import Backend, Status
from timelift.case import Case
from timelift.journal.lines import RunEnd
from timelift.measure import machine
from timelift.measure.campaign import Campaign, by_setting
from timelift.measure.catalogue import Catalogue
from timelift.measure.launch_pool import LaunchPool
from timelift.measure.options import LaunchRange, RunOptions
from timelift.measure.place import Here, first_processes
from timelift.measure.progress import Pace
from timelift.measure.worker_state import run_out
from timelift.measurement import CaseInLaunch, Facts
from timelift.messages import PeakReading

SECONDS_A_SETTING = 10.0
OPTIONS = replace(RunOptions.read({"launches": "3-8", "seed": "1"}), reads_peak_memory=False)


class ScriptedLaunch:
    """Measures whatever it is given, or ends it as the script says."""

    def __init__(self, pool, slot):
        self.pool, self.slot = pool, slot

    def measure(self, task, watch):
        return run_out(self.measure_in_turns(task, watch))

    def measure_in_turns(self, task, watch):
        watch("playing rounds")
        self.pool.tasks.append((self.slot.number, task))
        if task.reads_peak_memory:
            return []
        self.pool.clock.now += SECONDS_A_SETTING
        yield False
        return [self._outcome(task, rival.name) for rival in task.rivals]

    def _outcome(self, task, name):
        status = self.pool.script.get(name, Status.MEASURED)
        if status is not Status.MEASURED:
            return task.unmeasured(name, status, "as scripted")
        facts = Facts(build_seconds=1.0, traces=1)
        case = Case(task.setting, name)
        return CaseInLaunch(case, task.launch, seconds_per_call=[1e-3], facts=facts)


class ScriptedPool(AbstractContextManager):
    """Stands in for the processes; notes every task with the number of its launch."""

    import_seconds, _finishing = 1.0, False
    measure, add_peaks = LaunchPool.measure, LaunchPool.add_peaks

    def __init__(self, clock, script=None):
        self.clock, self.script, self.tasks = clock, script or {}, []

    def __exit__(self, *_):
        pass

    close = kill = __exit__

    def open(self, slot, _backend):
        return ScriptedLaunch(self, slot)

    def open_peak_readers(self, slot, backend, rivals):
        return {False: self.open(slot, backend)} if rivals else {}


@pytest.fixture
def play(tmp_path, monkeypatch):
    """Play a campaign of two settings with three rivals: what was played and shown, and itself."""
    monkeypatch.setattr(machine, "room_watch", lambda: lambda: True)  # whatever else is at work

    def run(referee, script=None, played=None, cases=CASES, **options):
        clock, heard = ScriptedClock(), Heard()
        pool, catalogue = ScriptedPool(clock, script), catalogue_of(tmp_path, NAMES)
        chosen = replace(OPTIONS, **options)
        campaign = Campaign(cases, catalogue, chosen, referee, heard, played=played, clock=clock)
        Here(campaign, pool).play()
        campaign.tasks, campaign.peak_tasks = (
            [(number, task) for number, task in pool.tasks if task.reads_peak_memory == reads]
            for reads in (False, True)
        )
        return [outline(*numbered) for numbered in campaign.tasks], heard, campaign

    return run


def outline(number, task):
    return number, task.setting.seq_len, tuple(rival.name for rival in task.rivals)


def peaks(campaign):
    return sorted(outline(*numbered)[:2] for numbered in campaign.peak_tasks)


def launches(played, name):
    return sorted(number for number, length, names in played if length == 4 and name in names)


@pytest.mark.parametrize(
    ("referee", "options", "fast", "slow"),
    [
        (ScriptedReferee("fast"), {}, 8, 3),
        (ScriptedReferee("fast", until=5), {}, 5, 3),
        (ScriptedReferee(*NAMES), {"spare_seconds": 45}, 3, 3),
        (ScriptedReferee("fast"), {"launches": LaunchRange(4, 4)}, 4, 4),
    ],
    ids=["the most", "a verdict", "no time to spare", "a fixed number, which asks no referee"],
)
def test_beyond_the_fewest_launches_only_wanted_rivals_play(play, referee, options, fast, slow):
    played, _, campaign = play(referee, **options)
    assert launches(played, "fast") == [*range(1, fast + 1)]
    assert launches(played, "slow") == [*range(1, slow + 1)]
    assert campaign.exit_word is RunEnd.COMPLETE


def test_between_decision_points_no_rival_comes_back(play):
    class WantsAllBack(ScriptedReferee):
        def to_play(self):
            last = max(line.number for line in self.lines)
            if last not in self.decision_points:
                self.wanted = NAMES
            return super().to_play()

    played, _, _ = play(WantsAllBack("fast", "close"))
    assert launches(played, "slow") == [1, 2, 3]
    assert launches(played, "close") == list(range(1, 9))


def test_launches_beyond_the_fewest_play_longer(play):
    _, _, campaign = play(ScriptedReferee("fast", "close"), launches=LaunchRange(3, 4))
    seconds = {number: task.round_seconds for number, task in campaign.tasks}
    assert seconds == {1: 0.1, 2: 0.1, 3: 0.1, 4: 0.2}


def test_a_budget_cuts_at_a_setting_and_says_so(play):
    played, heard, campaign = play(ScriptedReferee(*NAMES), budget=25)
    assert [number for number, *_ in played] == [1, 1]
    assert campaign.exit_word is RunEnd.CUT_SHORT
    assert heard.said[0].endswith("up to 8 where the answer is open, all within 25 s")


def test_launches_of_a_group_play_the_same_settings(play):
    played, _, _ = play(ScriptedReferee(*NAMES), launches=LaunchRange(5, 5), budget=75)
    fourth, fifth = ({entry[1] for entry in played if entry[0] == number} for number in (4, 5))
    assert fourth == fifth


def test_a_rival_that_failed_plays_no_more_nor_is_its_peak_read_and_the_others_do(play):
    words = {"reads_peak_memory": True, "launches": LaunchRange(3, 3)}
    played, _, campaign = play(ScriptedReferee(), script={"slow": Status.CRASHED}, **words)
    assert launches(played, "slow") == [1]
    assert launches(played, "fast") == [1, 2, 3]
    assert campaign.results[CASES[2]].status is Status.CRASHED
    assert peaks(campaign) == [(2, 4), (2, 8)]
    names = {rival.name for _, task in campaign.peak_tasks for rival in task.rivals}
    assert names == {"fast", "close"}


@pytest.mark.parametrize(
    ("cases", "two_sided", "played_launches"),
    [(CASES, False, [1]), (CASES, True, [1, 2, 3]), (CASES[::3], False, [1, 2, 3])],
    ids=["one is left of each", "two sides", "one is asked for"],
)
def test_where_one_rival_is_left_a_launch_is_enough(play, cases, two_sided, played_launches):
    script = {"close": Status.REFUSED, "slow": Status.CRASHED}
    played, _, campaign = play(ScriptedReferee(), script, cases=cases, two_sided=two_sided)
    assert launches(played, "fast") == played_launches
    assert campaign.exit_word is RunEnd.COMPLETE


def test_as_many_failures_as_maxfail_allows_end_the_campaign(play):
    played, _, campaign = play(ScriptedReferee(), script={"slow": Status.CRASHED}, stop_after=1)
    assert len(played) == 1
    assert campaign.exit_word is RunEnd.CUT_SHORT


def test_the_time_left_is_that_of_all_launches_that_may_come(play):
    _, heard, _ = play(ScriptedReferee("fast", "close"), spare_seconds=240)
    left = {stage.where: stage.left for stage in heard.shown}
    assert left["launch 1 of 3 · setting 1 of 2"] == float("inf")
    assert left["launch 2 of 3 · setting 1 of 2"] == 40 + 5 * (0.5 + 20)
    assert left["launch 6 of at most 8 · setting 1 of 2"] == 3 * (0.5 + 20)
    assert left["launch 8 of at most 8 · setting 2 of 2"] == (0.5 + 20) / 2
    for seconds in ({"spare_seconds": 80}, {"budget": 80}):
        _, heard, _ = play(ScriptedReferee("fast", "close"), **seconds)
        assert [stage.left for stage in heard.shown[-8::2]] == [20, 10, 0, 0]


# First calls are facts of those; a budget may end the run before two others, and where two sides
# are compared, both suffer alike.
@pytest.mark.parametrize(
    ("options", "reads", "undisturbed"),
    [
        ({}, 2, [1, 3]),
        ({"reads_peak_memory": False, "launches": LaunchRange(5, 5)}, None, [1, 2, 3]),
        ({"two_sided": True}, 1, [1, 2, 3]),
        ({"budget": 900.0}, 1, [1, 2, 3]),
        ({"two_sided": True, "other_python": "python"}, 1, [1, 2, 3]),
    ],
)
def test_peak_memory_is_read_once_and_two_launches_build_alone(play, options, reads, undisturbed):
    options = {"reads_peak_memory": True, "launches": LaunchRange(3, 3)} | options
    _, _, campaign = play(ScriptedReferee(*NAMES), **options)
    assert peaks(campaign) == ([(reads, 4), (reads, 8)] if reads else [])
    for result in campaign.results.values():
        numbers = sorted(launch.number for launch in result.launches if launch.facts.build_seconds)
        assert numbers == undisturbed
        assert all(launch.facts.traces for launch in result.launches)


@pytest.mark.parametrize("two_sided", [True, False])
@pytest.mark.parametrize(("budget", "read"), [(20, 0), (22, 1)])
def test_a_budget_without_time_for_it_reads_no_peak_memory(play, budget, read, two_sided):
    words = {"budget": budget, "reads_peak_memory": True, "two_sided": two_sided}
    words |= {"launches": LaunchRange(1, 1)}
    _, _, campaign = play(ScriptedReferee(*NAMES), **words)
    assert len(campaign.peak_tasks) == read


def test_a_peak_in_doubt_is_read_again_in_every_launch_beyond_the_fewest(play):
    referee = ScriptedReferee(*NAMES, peaks_of=8)
    _, _, campaign = play(referee, reads_peak_memory=True, launches=LaunchRange(3, 5))
    assert peaks(campaign) == [(2, 4), (2, 8), (4, 8), (5, 8)]


def test_a_run_that_goes_on_reads_the_peak_memory_that_an_interrupted_launch_did_not(play):
    before = {}
    for case in CASES:
        facts = Facts(peak_bytes=9 if case.setting.seq_len == 4 else None)
        line = CaseInLaunch(case, 1, rivals=3, seconds_per_call=[1e-3], facts=facts)
        before.setdefault((1, case.setting), []).append(line)
    _, _, campaign = play(ScriptedReferee(*NAMES), played=before, reads_peak_memory=True)
    assert peaks(campaign) == [(2, 8)]


@pytest.fixture
def nobody(tmp_path):
    """A campaign that nobody plays, and what it writes."""
    written, catalogue = [], catalogue_of(tmp_path, NAMES)
    how = CASES, catalogue, OPTIONS, ScriptedReferee(), Heard()
    return Campaign(*how, write=written.extend), written


def layerless(task):
    return [task.unmeasured(rival.name, Status.NO_LAYER, "no layer") for rival in task.rivals]


def test_a_layer_that_cannot_be_made_ends_what_is_not_under_way(nobody):
    campaign, written = nobody
    first, other = (campaign.task(1, *each) for each in by_setting(CASES).items())
    campaign.record(first, layerless(first))
    assert {line.case.setting for line in written} == {first.setting}
    campaign.give_back(other)
    campaign.record(first, layerless(first)[:1])
    assert {line.case.setting for line in written} == {first.setting, other.setting}


def test_a_setting_that_is_under_way_has_its_own_end(nobody):
    campaign, written = nobody
    first, other = (campaign.task(1, *each) for each in by_setting(CASES).items())
    campaign.record(first, layerless(first))
    campaign.record(other, [CaseInLaunch(Case(other.setting, name), 1) for name in NAMES])
    assert len({(line.case, line.number) for line in written}) == len(written) == len(CASES)
    assert {campaign.results[case].status for case in CASES[3:]} == {Status.MEASURED}


def test_a_reader_is_claimed_once_until_its_task_is_lost_before_it_read(nobody):
    campaign, _ = nobody
    campaign.options = replace(campaign.options, reads_peak_memory=True)
    after, setting = PeakReading.AFTER, CASES[0].setting
    tasks = [campaign.task(number, setting, CASES[:3]) for number in (1, 3)]
    assert [campaign.claim_reader(task, after) for task in tasks] == [False, True]
    lost = replace(tasks[1], peaks=after)
    assert not campaign.claim_reader(lost, after)
    campaign.give_back(lost)
    assert campaign.claim_reader(lost, after)
    campaign.record(lost, [CaseInLaunch(CASES[0], 3, facts=Facts(peak_bytes=9))])
    campaign.give_back(lost)
    assert not campaign.claim_reader(lost, after)


def test_tasks_of_two_settings_draw_other_inputs_and_those_of_one_the_same(nobody):
    campaign, _ = nobody
    seeds = [campaign.task(1, setting, CASES).seed for setting in [*by_setting(CASES)] * 2]
    assert seeds[:2] == seeds[2:]
    assert len({*seeds}) == 2


def test_only_launches_in_which_something_is_left_are_started():
    settings = list(dict.fromkeys(case.setting for case in CASES))
    options = replace(OPTIONS, launches=LaunchRange(2, 2))

    def first(*played):
        past = {(number, setting): [] for number in played for setting in settings}
        nobody = Campaign(CASES, Catalogue({}, {}), options, None, Heard(), played=past)
        return set(first_processes(nobody))

    assert first() == {(1, Backend.TENSORFLOW, ""), (2, Backend.TENSORFLOW, "")}
    assert first(1) == {(2, Backend.TENSORFLOW, "")}
    assert first(1, 2) == set()
    options = replace(options, reads_peak_memory=True, two_sided=True)
    assert first() - first(1) == {(1, Backend.TENSORFLOW, one) for one in ("", sys.executable)}


@pytest.mark.parametrize("two_sided", [True, False])
def test_operations_are_counted_in_the_first_launch_of_a_race_of_two_sides(play, two_sided):
    _, _, campaign = play(ScriptedReferee(), two_sided=two_sided)
    counting = {number for number, task in campaign.tasks if task.counts_operations}
    assert counting == ({1} if two_sided else set())


def test_the_pace_so_far_says_how_long_the_rest_takes():
    clock = ScriptedClock()
    pace = Pace(clock)
    clock.now += 100  # while backends are imported
    pace.start()
    assert pace.seconds_for(4) == float("inf")
    clock.now += 3
    pace.step()
    assert (pace.seconds_gone, pace.seconds_for(3)) == (3, 9)
    clock.now += 2
    assert (pace.seconds_gone, pace.seconds_for(3)) == (5, 7)
    clock.now += 8  # and these take longer
    assert (pace.seconds_gone, pace.seconds_for(3)) == (13, 0)


@pytest.mark.parametrize(
    ("fewest", "most", "two_sided", "groups"),
    [
        (3, 5, False, [(1,), (2,), (3,), (4, 5)]),
        (5, 8, False, [(1,), (2,), (3,), (4, 5), (6, 7), (8,)]),
        (3, 5, True, [(1,), (2, 3), (4, 5)]),
        (1, 10, False, [(1,), (2, 3), (4, 5), (6, 7), (8,), (9, 10)]),
    ],
)
def test_launches_are_alone_while_their_first_calls_are_facts_and_then_come_in_pairs(
    fewest, most, two_sided, groups
):
    options = RunOptions.read({"launches": str(LaunchRange(fewest, most))})
    options = replace(options, two_sided=two_sided)
    assert list(options.groups((3, 5, 8, 12))) == groups


@pytest.fixture
def disturbed_in(play, monkeypatch):
    """Play a campaign of which other programs disturb these launches."""
    outcome = CaseInLaunch.__init__

    def run(numbers, **options):
        def beside(self, case, number, **fields):
            facts = BESIDE if number in numbers else QUIET
            outcome(self, case, number, **(fields | {"facts": facts}))

        monkeypatch.setattr(CaseInLaunch, "__init__", beside)
        chosen, _, _ = play(ScriptedReferee("fast", until=5), **options)
        return tuple(
            [number for number, length, names in chosen if length == 4 and name in names]
            for name in ("fast", "slow")
        )

    return run


def test_disturbed_settings_are_played_again_before_it_is_decided_who_goes_on(disturbed_in):
    (*fewest, _, _), slow = disturbed_in({})  # the last two play side by side
    assert fewest == slow == [1, 2, 3]
    (*before, one, other), slow = disturbed_in({1})
    assert before == slow == [1, 2, 3, 1001]
    assert {one, other} == {4, 5}


def test_what_is_played_again_takes_half_as_long_as_all_else(disturbed_in):
    usual = LaunchRange(4, 4)
    assert disturbed_in({*range(99)}, launches=usual)[1] == [1, 2, 3, 4, 1001, 1002]


@pytest.mark.parametrize("options", [{"launches": LaunchRange(2, 2)}, {"two_sided": True}])
def test_where_two_sides_or_few_launches_are_asked_for_nothing_is_played_again(
    disturbed_in, options
):
    assert max(disturbed_in({1}, **options)[1]) <= 3
