"""A run on a cluster has everything once, whatever dies, hangs, joins or is told twice."""

import json
import os
import signal
from collections import Counter
from dataclasses import replace
from itertools import cycle, product, repeat
from types import SimpleNamespace
from unittest.mock import Mock

import dask
import msgspec
import pytest
from distributed import CancelledError, KilledWorker

from tests.support import journals
from tests.support.campaigns import Heard, ScriptedReferee, catalogue_of
from tests.support.projects import SMALL, bench, project, records_of, strategy
from tests.support.started_runs import GOOD, LONGER, played, start, wait_for_lines, wait_until
from timelift.case import Case
from timelift.cluster.parcel import Ended, Failed
from timelift.cluster.place import Nodes, Patience
from timelift.cluster.schedule import Node
from timelift.errors import UserError
from timelift.journal.lines import RunEnd
from timelift.measure.campaign import Campaign
from timelift.measure.options import LaunchRange, RunOptions
from timelift.measurement import CaseInLaunch
from timelift.messages import COMPILED_FOLDER, RUN_PROCESS, Task

CASES = [journals.case(name, "tokens", seq_len=size) for size in (4, 8, 16) for name in GOOD]
EVERYTHING = Counter((case, launch) for case in CASES for launch in (1, 2))


def written(told):
    return msgspec.json.encode(told).decode()


class Unit:
    """A unit as Dask's future; it ends as it is sent, in the first of the ways that are left."""

    def __init__(self, cluster, address, name, order):
        self.cluster, self.address, self.name = cluster, address, name
        self.ends_with, self.cancel = None, Mock()
        self.tasks = [Task.from_fields(task) for task in order["tasks"]]

    def add_done_callback(self, end_unit):
        self.ended = end_unit
        next(self.cluster.ways, Unit.streams)(self)
        if self.ends_with is not None:
            end_unit(self)

    def result(self, **_):
        if isinstance(self.ends_with, list):
            return self.ends_with
        raise self.ends_with

    def tell(self, line):
        hear = self.cluster.client.subscribe_topic.call_args.args[1]
        hear((0.0, {"unit": self.name, "line": line}))

    def lines(self):
        for index, task in enumerate(self.tasks):
            cases = [Case(task.setting, rival.name) for rival in task.rivals]
            lines = [CaseInLaunch(case, task.launch, seconds_per_call=[1e-3]) for case in cases]
            yield written(Ended(index, [line.fields() for line in lines], 1.0))

    # Ways in which it ends

    def is_silent(self):
        self.ends_with = [*self.lines()]

    def streams(self):
        for line in self.lines():
            self.tell(line)
        self.is_silent()

    def ends_early(self):
        self.ends_with = []

    def dies(self):
        self.ends_with = KilledWorker(self.name, self.address, 0)

    def leaves(self):
        del self.cluster.seen[self.address]

    def hangs(self):
        self.cluster.seen[self.address] = -Patience().hangs - 1.0

    def launch_dies(self):
        self.ends_with = [written(Failed("a launch died"))]

    def lacks_room(self):
        self.ends_with = UserError("cannot write '/tmp'; make room there")

    def is_interrupted(self):
        self.cluster.interrupt()

    def scheduler_dies(self):
        self.ends_with = CancelledError()


class StubCluster:
    def __init__(self, nodes=2, ways=(), kinds=("",)):
        names = {f"node {number}": kind for number, kind in zip(range(nodes), cycle(kinds))}
        self.nodes = {name: Node(name, f"mark of {name}", kind) for name, kind in names.items()}
        self.seen, self.ways, self.units = dict.fromkeys(names, 0.0), iter(ways), []
        self.client, self.core_of = Mock(), Mock(return_value=None)

    def submit(self, address, _play, name, parcel, _by_path, order):
        self.units.append(Unit(self, address, name, order))
        self.units[-1].brings_files = bool(parcel.data)
        return self.units[-1]

    def offered(self):
        return self.seen

    def look(self, address):
        self.seen[address] = 0.0  # one that hung goes on, and answers
        looked = SimpleNamespace(status="finished")
        looked.add_done_callback = lambda join: join(looked)
        return looked

    def read(self, address, _looked):
        return address

    def join(self, address):
        self.nodes[address] = Node(address, f"mark of {address}")
        return self.nodes[address]


@pytest.fixture
def play(tmp_path):
    """Play a campaign on a stub: what was recorded, the end, and what was said."""
    catalogue = catalogue_of(tmp_path, GOOD)

    def run(cluster, lines=(), most=2, cases=CASES, **patience):
        options = replace(RunOptions.read({}), import_folders=(tmp_path,))
        options = replace(options, launches=LaunchRange(2, most))
        before = {(line.number, line.case.setting): [] for line in lines}
        for line in lines:
            before[line.number, line.case.setting].append(line)
        done, heard = SimpleNamespace(lines=[], error=""), Heard()
        referee, write = ScriptedReferee(*GOOD, until=most), done.lines.extend
        campaign = Campaign(cases, catalogue, options, referee, heard, write=write, played=before)
        nodes = Nodes(cluster, campaign, Patience(**{"between_looks": 0.0, **patience}))
        cluster.interrupt = nodes.interrupt
        try:
            nodes.play()
        except UserError as error:
            done.error = str(error)
        done.played = Counter((line.case, line.number) for line in done.lines)
        done.end, done.said = campaign.exit_word, "\n".join(heard.said)
        return done

    return run


def told_one(way):
    return lambda unit: (unit.tell(next(unit.lines())), way(unit))


LOSSES = (Unit.ends_early, Unit.dies, Unit.leaves, Unit.hangs, Unit.launch_dies)


@pytest.mark.parametrize("way", [Unit.is_silent, *LOSSES, *map(told_one, [*LOSSES, Unit.streams])])
def test_whatever_a_node_does_everything_is_played_once(play, way):
    done = play(StubCluster(ways=[way]))
    assert (done.played, done.error, done.end) == (EVERYTHING, "", RunEnd.COMPLETE), done.said
    assert all(line.mark for line in done.lines)


FOREIGN = CaseInLaunch(journals.case("another", "tokens", seq_len=4), 1).fields()


@pytest.mark.parametrize(
    "line",
    [
        *("", "[]", '{"type": "Ended", "index": 0}', '{"type": "Else"}'),
        *(written(Ended(index, [], 1.0)) for index in (-1, 99)),
        *(written(Ended(0, [line], 1.0)) for line in ({}, FOREIGN)),
    ],
)
def test_a_node_that_tells_what_cannot_be_read_is_lost_alone(play, line):
    done = play(StubCluster(ways=[lambda unit: unit.tell(line)]))
    assert (done.played, done.said.count("node 0: it told what cannot be read")) == (EVERYTHING, 1)


def test_what_cost_two_nodes_is_given_up_in_a_sentence_and_the_run_is_cut_short(play):
    first = (CASES[0].setting, 1)

    def dies_of_the_first(unit):
        is_hit = (unit.tasks[0].setting, unit.tasks[0].launch) == first
        (Unit.dies if is_hit else Unit.streams)(unit)

    done = play(StubCluster(ways=repeat(dies_of_the_first)))
    lost = Counter((case, 1) for case in CASES if (case.setting, 1) == first)
    assert (done.played, done.end) == (EVERYTHING - lost, RunEnd.CUT_SHORT)
    assert done.said.count(f"launch 1 of {first[0].label} cost two nodes") == 1


def test_a_node_that_hung_tells_in_vain_and_plays_again_once_it_answers(play):
    def as_the_first_goes_on(unit):
        unit.streams()
        cluster.units[0].streams()

    cluster = StubCluster(ways=[Unit.hangs, Unit.streams, as_the_first_goes_on])
    done = play(cluster)
    assert (done.played, done.said.count("node 0: it hangs")) == (EVERYTHING, 1)
    cluster.units[0].cancel.assert_called()
    assert "node 0" in {unit.address for unit in cluster.units[1:]}


def test_a_unit_that_tells_nothing_for_too_long_is_played_elsewhere(play):
    done = play(StubCluster(ways=[lambda _: None]), waits=0, first_calls=0)
    assert (done.played, done.said.count("node 0: its launch hangs")) == (EVERYTHING, 1)


def test_a_joiner_is_used_and_so_is_a_node_that_comes_back_at_its_address(play):
    def is_replaced(unit):
        cluster.seen = {"joiner" if unit.address == "node 0" else "node 0": 0.0}

    cluster = StubCluster(nodes=1, ways=[is_replaced, is_replaced])
    assert play(cluster).played == EVERYTHING
    assert [unit.address for unit in cluster.units][:3] == ["node 0", "joiner", "node 0"]
    assert all(unit.brings_files for unit in cluster.units[:3])  # another process, another folder
    assert not any(unit.brings_files for unit in cluster.units[3:])


@pytest.mark.parametrize(
    ("way", "sentence"),
    [(Unit.leaves, "no node is left"), (Unit.scheduler_dies, "scheduler was lost")],
)
def test_a_run_without_a_node_or_scheduler_goes_on_with_others(play, way, sentence):
    done = play(StubCluster(nodes=1, ways=[told_one(way)]), alone=0.2)
    assert sentence in done.error
    assert 0 < done.played.total() < EVERYTHING.total()
    assert done.played + play(StubCluster(), done.lines).played == EVERYTHING


def test_a_resumed_run_plays_on_where_its_answer_is_open(play):
    lines = [line for line in play(StubCluster(), most=8).lines if line.number <= 5]
    assert {line.number for line in play(StubCluster(), lines, most=8).lines} == {6, 7, 8}


def test_a_node_on_which_launches_die_twice_in_a_row_is_used_no_more(play):
    cluster, ways = StubCluster(), {"node 0": Unit.streams, "node 1": Unit.launch_dies}
    cluster.ways = repeat(lambda unit: ways[unit.address](unit))
    assert play(cluster).played == EVERYTHING
    assert [*cluster.nodes] == ["node 0"]
    by_turns = StubCluster(nodes=1, ways=[Unit.launch_dies, Unit.streams, Unit.launch_dies])
    assert play(by_turns).error == ""
    assert [*by_turns.nodes] == ["node 0"]


def test_nodes_that_lack_something_are_left_out_and_no_setting_is_to_blame(play):
    cluster = StubCluster(nodes=9, ways=[Unit.lacks_room] * 8)
    assert play(cluster).played == EVERYTHING
    assert len(cluster.nodes) == 1
    assert "make room" in play(StubCluster(nodes=1, ways=[Unit.lacks_room])).error


def test_a_reader_that_read_nothing_goes_to_another_launch(play):
    cluster = StubCluster(nodes=1, ways=[Unit.ends_early])
    play(cluster)
    first, *others = (task for unit in cluster.units for task in unit.tasks if task.peaks)
    assert first.setting in {task.setting for task in others}


def test_nodes_of_a_kind_go_on_while_another_kind_has_work(play):
    """The first unit of the slow kind ends once the quick kind has played to the end."""
    quick, slow = (
        [Case(replace(case.setting, machine=kind), case.strategy) for case in cases]
        for kind, cases in {"quick": CASES[:2], "slow": CASES[2:]}.items()
    )
    slow_units = []

    def streams_or_waits(unit):
        if unit.tasks[0].setting.machine == "slow":
            slow_units.append(unit)
        if len(slow_units) != 1 or unit is not slow_units[0]:
            unit.streams()
        if unit.tasks[0].launch == 8 and unit not in slow_units:
            slow_units[0].streams()
            slow_units[0].ended(slow_units[0])

    cluster = StubCluster(ways=repeat(streams_or_waits), kinds=("quick", "slow"))
    done = play(cluster, most=8, cases=[*quick, *slow], waits=9.0, first_calls=0)
    assert done.played == Counter(product((*quick, *slow), range(1, 9)))
    assert "lost" not in done.said


def test_a_unit_that_is_lost_is_asked_to_stop(play):
    cluster, asked = StubCluster(ways=[lambda unit: unit.tell("")]), []
    cluster.client.run = lambda _stop, names, *, workers: asked.append((*names, *workers))
    assert play(cluster).played == EVERYTHING
    wait_until(lambda: asked, "an order to stop")
    assert asked == [(cluster.units[0].name, "node 0")]


def test_units_are_asked_to_stop_where_a_run_is_interrupted(play):
    cluster, asked = StubCluster(ways=[Unit.is_interrupted]), {}

    def run(_stop, names, *, workers):  # as Dask's, which has no `wait=False` for a function
        asked.update(zip(names, workers, strict=True))

    cluster.client.run = run
    assert play(cluster, stopping=0.0).end is RunEnd.INTERRUPTED
    playing = [unit for unit in cluster.units if unit.ends_with is None]
    assert asked == {unit.name: unit.address for unit in playing} != {}


def test_a_unit_that_begins_after_it_was_asked_to_stop_is_asked_again(play):
    cluster, asked = StubCluster(nodes=1, ways=[Unit.is_interrupted]), []

    def run(_stop, names, **_):
        asked.extend(names)
        if len(asked) == 2:
            cluster.units[0].is_silent()
            cluster.units[0].ended(cluster.units[0])

    cluster.client.run = run
    done = play(cluster, stopping=9.0)
    assert (done.end, len(asked)) == (RunEnd.INTERRUPTED, 2)
    assert done.played.total() == sum(len(task.rivals) for task in cluster.units[0].tasks)


NODES = ("--cluster", "local:2")
#: At the end of a strategy: its own environment.
TELLS = """
import json, os, pathlib, tempfile
if "MALLOC_ARENA_MAX" not in os.environ:  # it reads no peak memory
    pathlib.Path(tempfile.gettempdir()).with_name("told.json").write_text(json.dumps(dict(os.environ)))
"""
#: Variables that differ: folders, and pytest's mark of itself.
OWN = {COMPILED_FOLDER, RUN_PROCESS, "PYTHONPATH", "PYTEST_VERSION", "TMPDIR"}


def test_two_nodes_play_everything_once_in_the_environment_of_one_machine(tmp_path):
    machines, told = [], []
    for name, words in {"alone": (), "nodes": NODES}.items():
        folder = project(tmp_path / name, ("native",), {"tells": strategy() + TELLS})
        done = bench(folder, "bench/test_forward.py", *SMALL, *words)
        assert done.returncode == 0, done.stdout + done.stderr
        header, *lines, _ = records_of(folder)
        assert sorted(played(folder).values()) == [1] * 2 * 2
        machines.append(header["machine"])
        told.append(json.loads((tmp_path / "told.json").read_text()))
    assert len({line["mark"] for line in lines}) == 2
    assert machines[0]["drift"] == machines[1]["drift"]
    assert machines[0]["identity"] | {"cores": 1} == machines[1]["identity"]
    alone, on_node = (set(variables.items()) for variables in told)
    assert {name for name, _ in alone ^ on_node} <= OWN
    of_nanny = dask.config.get("distributed.nanny.pre-spawn-environ")
    assert set(of_nanny) > {"OMP_NUM_THREADS", "MALLOC_TRIM_THRESHOLD_"}  # no node's launch has


@pytest.mark.whole
def test_an_interrupt_of_a_terminal_ends_a_run_on_nodes_with_what_there_is(tmp_path):
    folder = project(tmp_path / "run", GOOD)
    run = start(folder, *LONGER, *NODES, start_new_session=True)
    wait_until(lambda: list(folder.glob("results/*/*.jsonl")), "a journal")
    wait_for_lines(folder, 2)
    os.killpg(run.pid, signal.SIGINT)
    said, _ = run.communicate(timeout=Patience().stopping)
    assert (run.returncode, records_of(folder)[-1]["exit"]) == (2, "interrupted"), said
    assert "lost the node" not in said
    assert "Traceback" not in said
