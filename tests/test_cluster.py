"""A run on a cluster has everything once, whatever dies, hangs, joins or is told twice."""

import json
from collections import Counter
from dataclasses import replace
from itertools import repeat
from types import SimpleNamespace

import pytest
from distributed import KilledWorker

from tests import journals
from tests.test_campaign import Heard, ScriptedReferee
from timelift.case import Case
from timelift.cluster import campaign as campaigns
from timelift.cluster.campaign import ClusterCampaign
from timelift.cluster.schedule import Node
from timelift.errors import UserError
from timelift.inner_layer import LayerInputs
from timelift.journal.lines import RunEnd
from timelift.measure.catalogue import Catalogue, Strategy, Workload
from timelift.measure.options import LaunchRange
from timelift.measure.request import RunOptions
from timelift.measurement import CaseInLaunch
from timelift.messages import Task

NAMES = ("fast", "slow")
CASES = [journals.case(name, "tokens", seq_len=size) for size in (4, 8, 16) for name in NAMES]
EVERYTHING = Counter((case, launch) for case in CASES for launch in (1, 2))
OPTIONS = replace(RunOptions.read({"seed": "1"}), launches=LaunchRange(2, 2))


class Unit:
    """A unit as Dask's future, which a test plays in place of a node."""

    def __init__(self, cluster, address, name, order):
        self.cluster, self.address, self.name = cluster, address, name
        for fields in order["tasks"]:
            del fields["reads_peak"]
        self.parts = [Task.from_fields(fields) for fields in order["tasks"]]
        self.status, self.lines, self.is_cancelled = "pending", [], False
        self.error = KilledWorker(name, address, 0)

    def add_done_callback(self, action):
        next(self.cluster.ways, whole)(self)
        if self.status != "pending":
            action(self)

    def result(self, **_):
        if self.status == "error":
            raise self.error
        return self.lines

    def cancel(self):
        self.is_cancelled = True

    def line(self, place):
        task = self.parts[place]
        cases = [Case(task.setting, rival.name) for rival in task.rivals]
        lines = [CaseInLaunch(case, task.launch, seconds_per_call=[1e-3]) for case in cases]
        return json.dumps({"part": place, "lines": [it.fields() for it in lines], "seconds": 1.0})

    def tell(self, line):
        self.lines.append(line)
        self.cluster.hear((0.0, {"unit": self.name, "line": line}))


class StubCluster:
    """Nodes whose units are played at once, by the first of the ways that a test has, or whole."""

    def __init__(self, nodes=2, ways=()):
        names = [f"tcp://node:{number}" for number in range(nodes)]
        self.nodes = {name: Node(name, f"mark {place}") for place, name in enumerate(names)}
        self.seen = dict.fromkeys(names, 0.0)
        self.ways, self.units, self.client = iter(ways), [], self

    def submit(self, address, _play, name, _parcel, _by_path, order):
        unit = Unit(self, address, name, order)
        self.units.append(unit)
        return unit

    def core_of(self, _address):
        return None

    def subscribe_topic(self, _run, hear):
        self.hear = hear

    def unsubscribe_topic(self, _run):
        pass

    def run(self, *_, **__):
        pass

    def offered(self):
        return self.seen

    def look(self, address):
        looked = SimpleNamespace(status="finished")
        answers = self.seen[address] >= 0
        looked.add_done_callback = lambda action: answers and action(looked)
        return looked

    def read(self, address, _looked):
        return address

    def join(self, address):
        self.nodes[address] = Node(address, f"mark of {address}")
        return self.nodes[address]


def whole(unit):
    for place in range(len(unit.parts)):
        unit.tell(unit.line(place))
    unit.status = "finished"


def dies(unit):
    """The node of a unit dies, and Dask starts another in its place."""
    unit.status = "error"
    unit.cluster.seen[f"{unit.address}0"] = unit.cluster.seen.pop(unit.address)


def leaves(unit):
    del unit.cluster.seen[unit.address]


def hangs(unit):
    unit.cluster.seen[unit.address] = -campaigns._HANGS - 1.0


def halfway(end):
    def way(unit):
        unit.tell(unit.line(0))
        end(unit)

    return way


def launch_dies(unit):
    unit.lines.append(json.dumps({"error": "a launch died: killed"}))
    unit.status = "finished"


def lacks_room(unit):
    unit.status, unit.error = "error", UserError("cannot write '/tmp'; make room there")


@pytest.fixture
def play(monkeypatch, tmp_path):
    """Play a campaign on a stub: what was recorded and said, and the campaign."""
    monkeypatch.setattr(campaigns, "_BETWEEN_LOOKS", 0.0)
    monkeypatch.setattr(campaigns, "_ALONE", 0.2)
    workload = Workload("tokens", "x.py:make_layer", LayerInputs.of_one((3,)), (4,), (1,))
    strategies = {name: Strategy(name, tmp_path / f"{name}.py", name) for name in NAMES}
    catalogue = Catalogue(strategies, {"tokens": workload})

    def run(cluster, played=None, referee=None, **options):
        done = SimpleNamespace(lines=[], heard=Heard(), error="")
        asked = replace(OPTIONS, import_folders=(tmp_path,), **options)
        done.campaign = ClusterCampaign(cluster, CASES, catalogue, asked, played or {})
        try:
            done.campaign.run(done.lines.extend, done.heard, referee or ScriptedReferee())
        except UserError as error:
            done.error = str(error)
        done.played = Counter((line.case, line.number) for line in done.lines)
        return done

    return run


@pytest.mark.parametrize(
    "way",
    [whole, dies, leaves, hangs, launch_dies, *map(halfway, (dies, leaves, hangs, launch_dies))],
)
def test_whatever_a_node_does_once_everything_is_played_once(play, way):
    done = play(StubCluster(ways=[way]))
    assert (done.played, done.error) == (EVERYTHING, ""), done.heard.said
    assert done.campaign.exit_word is RunEnd.COMPLETE


def test_what_cost_two_nodes_is_given_up_in_a_sentence_and_the_run_is_cut_short(play):
    first = Case(CASES[0].setting, "fast")

    def dies_of_the_first(unit):
        settings = [task.setting for task in unit.parts if task.launch == 1]
        if first.setting in settings[:1]:
            dies(unit)
        else:
            whole(unit)

    done = play(StubCluster(ways=repeat(dies_of_the_first)))
    missing = EVERYTHING - done.played
    assert missing == Counter((case, 1) for case in CASES if case.setting == first.setting)
    assert done.played == EVERYTHING - missing
    assert done.campaign.exit_word is RunEnd.CUT_SHORT
    said = f"launch 1 of {first.setting.label} cost two nodes, and is not tried on a third"
    assert done.heard.said.count(said) == 1


def test_a_second_telling_is_dropped_and_so_is_what_a_lost_node_tells_later(play):
    late = []

    def twice(unit):
        whole(unit)
        unit.tell(unit.line(0))
        for hung in late:
            hung.tell(hung.line(0))

    def hangs_and_tells_later(unit):
        hangs(unit)
        late.append(unit)

    done = play(StubCluster(ways=[hangs_and_tells_later, *repeat(twice, 20)]))
    assert done.played == EVERYTHING
    assert late[0].is_cancelled
    assert all(line.mark for line in done.lines)


@pytest.mark.parametrize("streams", [True, False])
def test_lines_are_completed_from_the_result(play, streams):
    def tells_some(unit):
        unit.lines += [unit.line(place) for place in range(len(unit.parts))]
        if streams:
            unit.cluster.hear((0.0, {"unit": unit.name, "line": unit.lines[0]}))
        unit.status = "finished"

    assert play(StubCluster(ways=repeat(tells_some))).played == EVERYTHING


@pytest.mark.parametrize(
    "line", ["", "[]", "{", '{"part": 0}', '{"part": 99, "lines": [], "seconds": 1}']
)
def test_a_node_that_tells_what_cannot_be_read_is_lost_alone(play, line):
    cluster = StubCluster(ways=[lambda unit: unit.tell(line)])
    done = play(cluster)
    assert done.played == EVERYTHING
    assert sum("told what cannot be read" in said for said in done.heard.said) == 1
    assert len(cluster.nodes) == 1


def test_a_joiner_is_used_and_so_is_a_node_that_comes_back_at_its_address(play):
    def another_comes(unit):
        unit.cluster.seen["tcp://joiner"] = 0.0
        leaves(unit)

    def comes_back(unit):
        unit.cluster.seen["tcp://node:0"] = 0.0
        leaves(unit)

    cluster = StubCluster(nodes=1, ways=[another_comes, comes_back])
    done = play(cluster)
    assert (done.played, done.error) == (EVERYTHING, "")
    played_at = [unit.address for unit in cluster.units]
    assert played_at[:2] == ["tcp://node:0", "tcp://joiner"]
    assert {*played_at[2:]} == {"tcp://node:0"}


def test_a_run_without_nodes_ends_in_a_sentence_and_goes_on_with_those_of_another_cluster(play):
    done = play(StubCluster(nodes=1, ways=[halfway(leaves)]))
    assert "no node is left" in done.error
    assert "bench --resume" in done.error
    assert 0 < done.played.total() < EVERYTHING.total()
    lines = {}
    for line in done.lines:
        lines.setdefault((line.number, line.case.setting), []).append(line)
    assert done.played + play(StubCluster(), played=lines).played == EVERYTHING


def test_a_resumed_run_plays_on_where_its_answer_is_open(play):
    launches = LaunchRange(2, 8)
    doubtful = ScriptedReferee(*NAMES, until=8)
    first = play(StubCluster(), referee=doubtful, launches=launches)
    lines = {}
    for line in first.lines:
        if line.number <= 5:
            lines.setdefault((line.number, line.case.setting), []).append(line)
    again = play(StubCluster(), lines, ScriptedReferee(*NAMES, until=8), launches=launches)
    assert {number for _, number in first.played} == {*range(1, 9)}
    assert {number for _, number in again.played} == {6, 7, 8}


def test_a_node_on_which_launches_die_twice_in_a_row_is_used_no_more(play):
    def dies_on_the_second(unit):
        (launch_dies if unit.address.endswith("1") else whole)(unit)

    cluster = StubCluster(ways=repeat(dies_on_the_second))
    done = play(cluster)
    assert (done.played, done.error) == (EVERYTHING, "")
    assert [*cluster.nodes] == ["tcp://node:0"]
    assert len(play(StubCluster(ways=[launch_dies])).campaign._cluster.nodes) == 2


def test_nodes_that_lack_something_are_left_out_and_no_setting_is_to_blame(play):
    cluster = StubCluster(nodes=9, ways=[lacks_room] * 8)
    done = play(cluster)
    assert (done.played, done.error) == (EVERYTHING, "")
    assert len(cluster.nodes) == 1
    assert "make room" in play(StubCluster(nodes=1, ways=[lacks_room])).error
