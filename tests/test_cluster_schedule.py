"""What each node of a cluster plays: everything once, on several machines, whatever is lost."""

from collections import Counter, defaultdict
from itertools import islice, product
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from timelift.axis_values import Phase
from timelift.case import Setting
from timelift.cluster.schedule import Item, Node, Schedule

DICE = st.integers(0, 10**6).map(Random)


def settings(count: int, machine: str = "") -> list[Setting]:
    sizes = range(1, count + 1)
    return [Setting("tokens", size, 8, Phase.FORWARD, machine=machine) for size in sizes]


def waiting(of: list[Setting], launches: int = 3, unit_seconds: float = 60.0) -> Schedule:
    schedule = Schedule(unit_seconds)
    schedule.add(product(range(1, launches + 1), of), dict.fromkeys(of, 4))
    return schedule


def nodes(count: int, machine: str = "") -> list[Node]:
    return [Node(f"{machine}node {n}", f"{machine}mark {n}", machine) for n in range(count)]


class Cluster:
    """Nodes that take turns as dice fall, and what they played and lost."""

    def __init__(self, schedule: Schedule, dice: Random, *joining: Node) -> None:
        self.schedule, self.dice = schedule, dice
        self.live: dict[str, Node] = {}
        self.units: dict[str, list[Item]] = {}
        self.items: list[Item] = []
        self.players: list[Node] = []
        self.lost: list[Item] = []
        self.join(*joining)

    def join(self, *joining: Node) -> None:
        for node in joining:
            self.schedule.join(node)
            self.live[node.address], self.units[node.address] = node, []

    def step(self) -> bool:
        """Let a node play one item of its unit, or start one; False if there is none."""
        for address in self.dice.sample(sorted(self.live), len(self.live)):
            if self.units[address]:
                self.play(address)
                return True
            if self.start(address):
                return True
        return False

    def start(self, address: str) -> list[Item]:
        self.units[address] = unit = list(self.schedule.next_unit(address))
        assert len(unit) == 1 or not {*unit} & {*self.lost}  # what was charged is a unit by itself
        return unit

    def begin(self, address: str) -> None:
        """Have any item of the node's unit at work, as one that sleeps is called back."""
        unit = self.units[address]
        self.dice.shuffle(unit)
        if unit:
            self.schedule.begun(address, unit[0])

    def play(self, address: str) -> None:
        self.begin(address)
        item = self.units[address].pop(0)
        self.schedule.played(address, item, 1 + self.dice.random())
        self.items.append(item)
        self.players.append(self.live[address])

    def lose(self, address: str) -> None:
        """Lose a node, and what was at work for good where that was charged before."""
        self.begin(address)
        charged = self.units.pop(address)[:1]
        given_up = tuple(item for item in charged if item in self.lost)
        del self.live[address]
        assert self.schedule.leave(address) == given_up
        self.lost += charged

    def play_all(self) -> None:
        while self.step():
            pass
        assert (self.schedule.waiting, self.schedule.left) == (0, 0)

    def launches_by_machine(self) -> list[Counter[str]]:
        marks: dict[Setting, Counter[str]] = defaultdict(Counter)
        for node, (_, setting) in zip(self.players, self.items, strict=True):
            marks[setting][node.mark] += 1
        return [*marks.values()]


@given(st.integers(1, 5), st.integers(1, 20), st.sampled_from((0.5, 20.0, 60.0)), DICE)
def test_an_item_is_played_once_or_given_up_after_two_losses(machines, count, unit_seconds, dice):
    schedule, joiners = waiting(settings(count), unit_seconds=unit_seconds), iter(nodes(1000))
    cluster = Cluster(schedule, dice)
    cluster.join(*islice(joiners, machines))
    while cluster.step():
        if dice.random() < 0.3:  # one that plays, if any does
            cluster.lose(max(cluster.live, key=lambda address: bool(cluster.units[address])))
        if not cluster.live or dice.random() < 0.1:
            cluster.join(next(joiners))
    cluster.play_all()
    given_up = cluster.schedule.given_up
    assert set(given_up) == {item for item, n in Counter(cluster.lost).items() if n == 2}
    assert sorted([*cluster.items, *given_up]) == sorted(product((1, 2, 3), settings(count)))


def test_what_a_stopped_unit_did_not_play_waits_again_and_is_not_charged():
    cluster = Cluster(waiting(settings(4), 1), Random(1), *nodes(1))
    unit = cluster.start("node 0")
    cluster.schedule.ended("node 0")
    assert len(unit) > 1
    assert set(cluster.start("node 0")) == set(unit)


def test_what_is_told_of_items_that_are_in_no_unit_is_passed_over():
    cluster = Cluster(waiting(settings(2), 1), Random(1), *nodes(1))
    cluster.start("node 0")
    cluster.play("node 0")
    cluster.schedule.begun("node 0", cluster.items[0])
    assert cluster.schedule.leave("node 0") == ()
    assert cluster.schedule.waiting == 1  # of two settings


@given(st.sampled_from((3, 5)), st.integers(2, 6), st.integers(1, 20), DICE)
def test_each_machine_plays_as_many_launches_of_a_setting(launches, machines, count, dice):
    cluster = Cluster(waiting(settings(count), launches), dice, *nodes(machines))
    cluster.start("node 0").clear()  # a unit that is stopped counts for nothing
    cluster.play_all()
    for marks in cluster.launches_by_machine():
        assert len(marks) == min(launches, machines)
        assert max(marks.values()) - min(marks.values()) <= 1


def test_several_nodes_of_a_machine_are_one_machine_also_after_a_resumption():
    schedule = waiting(settings(9), 2)
    for setting in settings(9):
        schedule.was_played(setting, "a")
    cluster = Cluster(schedule, Random(1), *(Node(m + n, m) for m in "abc" for n in "12"))
    cluster.play_all()
    assert [*map(set, cluster.launches_by_machine())] == [{"b", "c"}] * 9


def test_a_kind_of_machine_plays_its_own_settings_alone():
    both = [*settings(9, "a"), *settings(5, "b")]
    cluster = Cluster(waiting(both), Random(1), *nodes(2, "a"), *nodes(1, "b"))
    cluster.play_all()
    kinds = [setting.machine for _, setting in cluster.items]
    assert kinds == [node.machine for node in cluster.players]


def test_three_machines_play_the_same_settings_first():
    cluster = Cluster(waiting(settings(99)), Random(1), *nodes(3))
    units = [cluster.start(address) for address in cluster.live]
    assert [{launch for launch, _ in unit} for unit in units] == [{1}, {2}, {3}]
    assert len({tuple(setting for _, setting in unit) for unit in units}) == 1


def test_the_launches_of_a_setting_on_one_machine_lie_apart_in_time():
    cluster = Cluster(waiting(settings(90)), Random(1), *nodes(1))
    cluster.play_all()
    for setting in settings(90):
        first, second, third = (cluster.items.index((launch, setting)) for launch in (1, 2, 3))
        assert min(second - first, third - second) > 45


def test_units_last_their_seconds_as_learnt_and_are_small_at_the_end():
    cluster, sizes = Cluster(waiting(settings(900), 1, 30.0), Random(1), *nodes(9)), []
    while cluster.start("node 0"):
        sizes.append(len(cluster.units["node 0"]))
        while cluster.units["node 0"]:
            cluster.play("node 0")
    assert sizes[0] == 8  # four rivals, a second each where nothing is known
    assert 18 <= sizes[5] <= 22
    assert max(sizes[-9:]) <= 2


def test_items_that_had_nothing_to_play_teach_no_seconds():
    schedule = waiting(settings(900), 1, 30.0)
    (node,) = nodes(1)
    schedule.join(node)
    sizes = []
    for _ in range(9):
        unit = schedule.next_unit(node.address)
        sizes.append(len(unit))
        for item in unit:
            schedule.played(node.address, item, None)
    assert set(sizes) == {8}
