"""Which node of a cluster plays what next, and what is played again after a loss; no clock."""

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from timelift.analyse.results import LEAST_MACHINES
from timelift.case import Setting

#: An item that cost so many nodes is given up.
_MOST_LOSSES = 2
_LEARNING = 0.1

#: One launch, by its number, of one setting.
Item = tuple[int, Setting]


@dataclass(frozen=True)
class Node:
    """A player of units; its machine has a `mark` of its own and is of the kind `machine`."""

    address: str
    mark: str
    machine: str = ""


class Schedule:
    """Items wait, are in the unit of a node, and are played or given up."""

    def __init__(self, unit_seconds: float = 60.0) -> None:
        self.unit_seconds = unit_seconds
        self.given_up: list[Item] = []
        self.waiting = 0
        self._rivals: dict[Item, int] = {}  # of every item that is left
        self._nodes: dict[str, Node] = {}
        self._units: dict[str, list[Item]] = defaultdict(list)
        self._losses: Counter[Item] = Counter()
        self._marks: dict[Setting, Counter[str]] = defaultdict(Counter)  # played or in a unit
        #: Settings with the launches that wait, by kind of machine; the first come next.
        self._settings: dict[str, OrderedDict[Setting, set[int]]] = defaultdict(OrderedDict)
        #: Seconds a rival by workload and phase, as learnt.
        self._a_rival: dict[tuple[str, str], float] = defaultdict(lambda: 1.0)

    @property
    def left(self) -> int:
        """The number of items that wait or are in units."""
        return len(self._rivals)

    def add(self, items: Iterable[Item], rivals: Mapping[Setting, int]) -> None:
        for item in items:
            self._rivals[item] = rivals[item[1]]
            self._wait(item)

    def was_played(self, setting: Setting, mark: str) -> None:
        """Note that a run that is resumed has a launch from that machine."""
        self._marks[setting][mark] += 1

    def join(self, node: Node) -> None:
        self._nodes[node.address] = node

    def waits_for(self, address: str) -> bool:
        """True if an item waits for a machine of the node's kind."""
        return bool(self._settings[self._nodes[address].machine])

    def next_unit(self, address: str) -> tuple[Item, ...]:
        """Return what a free node plays, all of one launch; () if there is nothing for it now.

        A machine passes a setting over while others of its kind have played it less often.
        """
        self.ended(address)
        node = self._nodes[address]
        nodes = [other for other in self._nodes.values() if other.machine == node.machine]
        marks, settings = {other.mark for other in nodes}, self._settings[node.machine]
        # where a launch ends before the next one begins: those of a setting lie apart in time
        few = len(marks) < LEAST_MACHINES

        def is_due(setting: Setting) -> bool:
            played = self._marks[setting]
            least = min(played[mark] for mark in marks) if len(played) >= len(marks) else 0
            return played[node.mark] <= least

        # guided self-scheduling (Polychronopoulos and Kuck 1987): all nodes end at about one time
        unit = self._unit(filter(is_due, settings), len(settings) / len(nodes), few=few)
        for launch, setting in unit:
            self._marks[setting][node.mark] += 1
            settings[setting].remove(launch)
            if not settings[setting]:
                del settings[setting]
            elif few:
                settings.move_to_end(setting)
        self._units[address] = list(unit)
        self.waiting -= len(unit)
        return unit

    def _unit(self, due: Iterable[Setting], most: float, *, few: bool) -> tuple[Item, ...]:
        """Return the first settings of one launch that fill a unit, or the most there are."""
        units: dict[int, list[Item]] = defaultdict(list)
        seconds: dict[int, float] = defaultdict(float)
        for setting in due:
            waiting = self._settings[setting.machine][setting]
            losses, launch = min((self._losses[number, setting], number) for number in waiting)
            if losses:
                return ((launch, setting),)
            if few and units and launch not in units:
                break
            units[launch].append((launch, setting))
            a_rival = self._a_rival[setting.workload, setting.phase]
            seconds[launch] += a_rival * self._rivals[launch, setting]
            if seconds[launch] >= self.unit_seconds or len(units[launch]) >= most:
                return tuple(units[launch])
        return max(map(tuple, units.values()), key=len, default=())

    def played(self, address: str, item: Item, seconds: float | None) -> None:
        """Note that an item of the node's unit ended; None where nothing of it was to be played."""
        self._units[address].remove(item)
        kind, rivals = (item[1].workload, item[1].phase), self._rivals.pop(item)
        if seconds is not None:
            self._a_rival[kind] += _LEARNING * (seconds / rivals - self._a_rival[kind])

    def begun(self, address: str, item: Item) -> None:
        """Note that an item of the node's unit is at work from now on."""
        unit = self._units[address]
        if item in unit:
            unit.remove(item)
            unit.insert(0, item)

    def ended(self, address: str) -> None:
        """Note that the node's unit ended: what it did not play waits again."""
        for item in self._units[address]:
            self._marks[item[1]][self._nodes[address].mark] -= 1
            self._wait(item)
        self._units[address] = []

    def leave(self, address: str) -> tuple[Item, ...]:
        """Note that the node is lost and charge the item at play; return it if it is given up."""
        before = len(self.given_up)
        self._losses.update(self._units[address][:1])
        self.ended(address)
        del self._nodes[address], self._units[address]
        return tuple(self.given_up[before:])

    def _wait(self, item: Item) -> None:
        if self._losses[item] >= _MOST_LOSSES:
            self.given_up.append(item)
            del self._rivals[item]
        else:
            self._settings[item[1].machine].setdefault(item[1], set()).add(item[0])
            self.waiting += 1
