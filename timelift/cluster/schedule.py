"""Which node of a cluster plays what next, and what is played again after a loss; no clock."""

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import filterfalse

from timelift.case import Setting

#: From so many machines on, each plays a launch of a setting before any plays its second.
MACHINES_AS_EVIDENCE = 3
#: An item that cost so many nodes is given up.
_MOST_LOSSES = 2
#: A unit has no more settings than there are for each node, so that all nodes end together (guided
#: self-scheduling: Polychronopoulos and Kuck 1987, IEEE Transactions on Computers 36(12), 1425),
#: unless it would be shorter than this: each start costs seconds.
_LEAST_SECONDS = 10.0

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
        self.given_up: list[Item] = []
        self.unit_seconds = unit_seconds
        self._nodes: dict[str, Node] = {}
        self._units: dict[str, list[Item]] = {}
        self._rivals: dict[Item, int] = {}  # of every item that is left
        self._losses: Counter[Item] = Counter()
        self._marks: dict[Setting, Counter[str]] = defaultdict(Counter)  # played or in a unit
        #: Settings with the launches that wait, by kind of machine; the first come next.
        self._settings: dict[str, OrderedDict[Setting, set[int]]] = defaultdict(OrderedDict)
        #: Seconds and rivals by workload and phase: a second for one where nothing is known.
        self._learnt: dict[tuple[str, str], tuple[float, int]] = defaultdict(lambda: (1.0, 1))

    @property
    def playing(self) -> int:
        return sum(map(len, self._units.values()))

    @property
    def waiting(self) -> int:
        return len(self._rivals) - self.playing

    @property
    def is_done(self) -> bool:
        return not self._rivals

    def add(self, items: Iterable[Item], rivals: Mapping[Setting, int]) -> None:
        for item in items:
            self._rivals[item] = rivals[item[1]]
            self._wait(item)

    def join(self, node: Node) -> None:
        self._nodes[node.address] = node
        self._units.setdefault(node.address, [])

    def next_unit(self, address: str) -> tuple[Item, ...]:
        """Return what a free node plays, all of one launch; () if there is nothing for it now."""
        node = self._nodes[address]
        nodes = [other for other in self._nodes.values() if other.machine == node.machine]
        marks, settings = {other.mark for other in nodes}, self._settings[node.machine]

        def is_due(setting: Setting) -> bool:
            played = self._marks[setting]
            least = min(played[mark] for mark in marks) if len(played) >= len(marks) else 0
            return played[node.mark] <= least

        few = len(marks) < MACHINES_AS_EVIDENCE
        unit = self._unit(filter(is_due, settings), len(nodes), few=few)
        if few and not unit:
            unit = self._unit(filterfalse(is_due, settings), len(nodes), few=few)
        for launch, setting in unit:
            self._marks[setting][node.mark] += 1
            settings[setting].remove(launch)
            if not settings[setting]:
                del settings[setting]
            elif few:
                settings.move_to_end(setting)
        self._units[address] = list(unit)
        return unit

    def played(self, address: str, item: Item, seconds: float) -> None:
        """Note that an item of the node's unit ended."""
        self._units[address].remove(item)
        kind = item[1].workload, item[1].phase
        known, rivals = self._learnt[kind]
        self._learnt[kind] = known + seconds, rivals + self._rivals.pop(item)

    def ended(self, address: str) -> None:
        """Note that the node's unit ended: what it did not play waits again."""
        for item in self._units[address]:
            self._marks[item[1]][self._nodes[address].mark] -= 1
            self._wait(item)
        self._units[address] = []

    def leave(self, address: str) -> tuple[Item, ...]:
        """Note that the node is lost and charge the item at play; return it if it is given up."""
        given_up = len(self.given_up)
        self._losses.update(self._units[address][:1])
        self.ended(address)
        del self._nodes[address], self._units[address]
        return tuple(self.given_up[given_up:])

    def _wait(self, item: Item) -> None:
        launch, setting = item
        if self._losses[item] >= _MOST_LOSSES:
            self.given_up.append(item)
            del self._rivals[item]
            return
        settings = self._settings[setting.machine]
        settings.setdefault(setting, set()).add(launch)
        if self._marks[setting]:  # it was begun
            settings.move_to_end(setting, last=False)

    def _unit(self, due: Iterable[Setting], nodes: int, *, few: bool) -> tuple[Item, ...]:
        """Return the first settings of one launch that fill a unit, or the most there are.

        On few machines a launch ends first, so that those of a setting lie apart in time.
        """
        units: dict[int, list[Item]] = defaultdict(list)
        seconds: dict[int, float] = defaultdict(float)
        for setting in due:
            waiting = self._settings[setting.machine]
            losses, launch = min((self._losses[one, setting], one) for one in waiting[setting])
            if losses:
                return ((launch, setting),)
            if few and units and launch not in units:
                break
            units[launch].append((launch, setting))
            known, rivals = self._learnt[setting.workload, setting.phase]
            seconds[launch] += known / rivals * self._rivals[launch, setting]
            is_share = len(units[launch]) >= len(waiting) / nodes
            if seconds[launch] >= self.unit_seconds or (
                is_share and seconds[launch] >= _LEAST_SECONDS
            ):
                return tuple(units[launch])
        return max(map(tuple, units.values()), key=len, default=())
