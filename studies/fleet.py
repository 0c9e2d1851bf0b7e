"""Play a cluster's schedule by simulation: `python -m studies.fleet [RUN]`.

The schedule is that of `--cluster`, not a copy. Its settings last as long as those of a recorded
run (default: the newest under results/), and there are enough for `UNITS` units a machine. A third
of them plays on after three launches. The coordinator does one thing at a time. `--quick` has few
machines and made-up durations.

A journal has the seconds that rivals took to start and to play: 197 s of a run of 322 s, of which
15 s were imports. The rest, `UNRECORDED`, went into the law, forks and the reading of peaks.
"""

import argparse
import heapq
import itertools
import math
import random
import statistics
import sys
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from studies import ROOT, parser, program
from studies.scoreboard import Column, Row, Scoreboard
from timelift.analyse.results import load_usual
from timelift.axis_values import Phase
from timelift.case import Setting
from timelift.cluster.schedule import Item, Node, Schedule
from timelift.journal.files import find_run
from timelift.measurement import fact

UNRECORDED = 1.56
UNITS, SECONDS_OF_UNIT = 30, 60.0
#: Seconds from a unit's sending to its first setting: a process and the backend's import.
START_SECONDS = 4.5
#: Seconds of the coordinator for an item: lines of eight rivals are read twice (0.8 ms each), are
#: written (3.2 ms, mostly the disk's) and brought by Dask; and for a unit, a task of Dask's.
ITEM_SECONDS, UNIT_SECONDS = 0.005, 0.004
#: The launches of a setting and the most; one setting in so many goes on, with the half of its
#: rivals, which play twice as long, for this part of the usual seconds.
LAUNCHES, MOST_LAUNCHES, ONE_IN, LATER = 3, 5, 3, 0.65
#: How machines and launches (sd of logs) differ in speed, and how slow a slow machine is.
SPEEDS, LAUNCH_SD, SLOW = statistics.NormalDist(1.0, 0.03), 0.1, 3.0
#: Deaths of a machine, and the seconds until one is noticed and until another machine joins.
DEATHS_AN_HOUR, NOTICED, REPLACED = 0.1, 30.0, 120.0

BOARD = Scoreboard(
    (
        Column("machines", width=12),
        Column("settings", ","),
        Column("an hour", ",.0f"),
        Column("times one", ",.2f"),
        Column("of target", ".2f", least=1.0),
        *(Column(title, ".1%") for title in ("starts", "idle", "busy")),
        *(Column(title, ",.0f") for title in ("answer", "us", "deaths", "given up")),
        *(Column(title, most=0) for title in ("doubled", "missing")),
    ),
    f"""
rough    1 in 20, at least 1, is {SLOW:g} times as slow; 0.1 an hour die; others join for these
an hour  settings with all their launches; the target is 9 times one on 10 machines, 80 on 100
starts   of the machines' time, starts of units; idle: waiting for one; busy: the coordinator
answer   seconds to the first setting with three launches
us       microseconds that the schedule took to choose an item, as measured
given up items that cost two machines; doubled, missing: items played twice, or neither
""",
)
TARGETS = {10: 9.0, 100: 80.0}
#: The number of rivals of a setting, and their seconds in a launch.
Durations = Mapping[Setting, tuple[int, float]]


def recorded(path: Path) -> Durations:
    seconds: dict[Setting, list[float]] = defaultdict(list)
    for case, rival in load_usual(path).measured.items():
        first = rival.launches[0]
        calls = sum(one for one in first.seconds_per_call if not math.isnan(one))
        start = fact(rival, "start_seconds") or 0.0
        seconds[case.setting].append(UNRECORDED * (start + calls * first.calls_per_sample))
    return {setting: (len(rivals), sum(rivals)) for setting, rivals in seconds.items()}


def made_up(dice: random.Random) -> Durations:
    kinds = itertools.product(("frames", "sensor", "tokens"), range(1, 9))
    settings = [Setting(workload, size, 8, Phase.FORWARD) for workload, size in kinds]
    return {setting: (8, dice.lognormvariate(0.8, 0.6)) for setting in settings}


def grid(of: Durations, machines: int, dice: random.Random) -> Durations:
    """Return as many settings as take `UNITS` units a machine, in an order drawn anew."""
    launches = LAUNCHES + LATER / ONE_IN * (MOST_LAUNCHES - LAUNCHES)
    seconds = statistics.fmean(seconds for _, seconds in of.values()) * launches
    count = round(machines * UNITS * SECONDS_OF_UNIT / seconds)
    many = dice.sample([*itertools.islice(itertools.cycle(of), count)], count)
    return {replace(one, seq_len=size): of[one] for size, one in enumerate(many, start=1)}


@dataclass(eq=False)
class Machine:
    """A machine with one node, `pace` times as slow as the recorded one; times are in seconds."""

    node: Node
    pace: float
    joined: float
    died: float | None = None
    playing: float = 0.0
    starting: float = 0.0
    unit: deque[Item] = field(default_factory=deque)


class Fleet:
    """Machines that play a grid, and a coordinator, by events in the order of their time."""

    def __init__(self, grid: Durations, dice: random.Random) -> None:
        self.grid, self.dice, self.schedule = grid, dice, Schedule(SECONDS_OF_UNIT)
        self.now = self.busy = self.busy_until = self.choosing = 0.0
        self.first_answer = math.inf
        self.machines: list[Machine] = []
        self.asked: set[Item] = set()
        self.played: Counter[Item] = Counter()
        self._launches: Counter[Setting] = Counter()
        self._idle: dict[Machine, None] = {}
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._add(itertools.product(range(1, LAUNCHES + 1), grid))

    def at(self, seconds: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (seconds, next(self._numbers), event))

    def run(self) -> "Fleet":
        while self.schedule.left:
            self.now, _, event = heapq.heappop(self._events)
            event()
        self.now = max(self.now, self.busy_until)
        self.an_hour = len(self.grid) / self.now * 3600
        return self

    def join(self, pace: float, deaths_an_hour: float) -> None:
        name = str(len(self.machines))
        machine = Machine(Node(name, name), pace, self.now)
        self.machines.append(machine)
        self.schedule.join(machine.node)
        if deaths_an_hour:
            death = self.now + self.dice.expovariate(deaths_an_hour / 3600)
            self.at(death, partial(self._die, machine))
            self.at(death + NOTICED, partial(self._notice, machine))
            self.at(death + REPLACED, partial(self.join, 1.0, deaths_an_hour))
        self._idle[machine] = None
        self.at(self.now, self._wake)  # others may join at the same time

    def _add(self, items: Iterable[Item]) -> None:
        several = list(items)
        self.asked.update(several)
        self.schedule.add(several, {setting: self.grid[setting][0] for _, setting in several})

    def _serve(self, seconds: float) -> None:
        """Let the coordinator do something after what it does already."""
        self.busy += seconds
        self.busy_until = max(self.now, self.busy_until) + seconds

    def _ask(self, machine: Machine) -> None:
        began = time.perf_counter()
        machine.unit.extend(self.schedule.next_unit(machine.node.address))
        self.choosing += time.perf_counter() - began
        if not machine.unit:
            self._idle[machine] = None
            return
        self._serve(UNIT_SECONDS)
        machine.starting += START_SECONDS * machine.pace
        self._play(machine, self.busy_until + START_SECONDS * machine.pace)

    def _play(self, machine: Machine, begins: float) -> None:
        launch, setting = machine.unit[0]
        part = machine.pace * (LATER if launch > LAUNCHES else 1)
        seconds = self.grid[setting][1] * part * self.dice.lognormvariate(0, LAUNCH_SD)
        self.at(begins + seconds, partial(self._item_ended, machine, seconds))

    def _item_ended(self, machine: Machine, seconds: float) -> None:
        if machine.died is not None:
            return
        machine.playing += seconds
        item = machine.unit.popleft()
        self.schedule.played(machine.node.address, item, seconds)
        self._note(item)
        if machine.unit:
            self._play(machine, self.now)
        else:
            self._idle[machine] = None
            self._wake()

    def _note(self, item: Item) -> None:
        self._serve(ITEM_SECONDS)
        self.played[item] += 1
        self._launches[item[1]] += 1
        if self._launches[item[1]] == LAUNCHES:
            self.first_answer = min(self.first_answer, self.busy_until)
            if not item[1].seq_len % ONE_IN:
                self._add((launch, item[1]) for launch in range(LAUNCHES + 1, MOST_LAUNCHES + 1))

    def _wake(self) -> None:
        for machine in list(self._idle) if self.schedule.waiting else ():
            del self._idle[machine]
            self._ask(machine)

    def _die(self, machine: Machine) -> None:
        machine.died = self.now
        self._idle.pop(machine, None)

    def _notice(self, machine: Machine) -> None:
        self.schedule.leave(machine.node.address)
        self._wake()

    def row(self, name: str, alone: "Fleet", target: float | None) -> Row:
        there = sum((machine.died or self.now) - machine.joined for machine in self.machines)
        starting = sum(machine.starting for machine in self.machines) / there
        playing = sum(machine.playing for machine in self.machines) / there
        times, given_up = self.an_hour / alone.an_hour, self.schedule.given_up
        return (
            *(name, len(self.grid), self.an_hour, times, times / target if target else None),
            *(starting, 1 - starting - playing, self.busy / self.now),
            *(self.first_answer, self.choosing / self.played.total() * 1e6),
            *(sum(machine.died is not None for machine in self.machines), len(given_up)),
            self.played.total() - len(self.played),
            len(self.asked - {*self.played, *given_up}),
        )


def simulate(of: Durations, machines: int, seed: int, *, rough: bool = False) -> Fleet:
    dice = random.Random(f"{seed} {machines}")
    fleet = Fleet(grid(of, max(machines, 10), dice), dice)
    slow = range(5, machines + 1, 20) if rough else ()
    for place in range(machines):
        pace = SPEEDS.inv_cdf((place + 0.5) / machines)
        fleet.join(pace * (SLOW if place in slow else 1), DEATHS_AN_HOUR * rough)
    return fleet.run()


def rows(of: Durations, counts: Iterable[int], seed: int) -> Iterator[Row]:
    alone = simulate(of, 1, seed)
    yield alone.row("1", alone, None)
    for machines, rough in itertools.product(counts, (False, True)):
        fleet = simulate(of, machines, seed, rough=rough)
        yield fleet.row(f"{machines:,}{' rough' * rough}", alone, TARGETS.get(machines))


OPTIONS = parser("fleet", __doc__)
OPTIONS.add_argument("run", nargs="?", default="latest", metavar="RUN")


@program(OPTIONS)
def main(asked: argparse.Namespace) -> int:
    if asked.quick:
        return BOARD.show(rows(made_up(random.Random(asked.seed)), [10, 100], asked.seed))
    run = find_run(ROOT / "results", asked.run)
    return BOARD.show(rows(recorded(run), [10, 100, 1000], asked.seed))


if __name__ == "__main__":
    sys.exit(main())
