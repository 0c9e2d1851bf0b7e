"""A cluster as the place of a run: units go to free nodes, and what they tell is recorded."""

import contextlib
import dataclasses
import os
import queue
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from distributed import CancelledError, Future, KilledWorker
from distributed.comm import CommClosedError

from timelift.case import Case, Setting
from timelift.cluster.node import TOPIC, file_digest, run_unit, stop_units
from timelift.cluster.nodes import Cluster
from timelift.cluster.parcel import (
    BROUGHT,
    SENT,
    Begun,
    Ended,
    Failed,
    Said,
    left_behind,
    pack,
    read_told,
    translated,
)
from timelift.cluster.schedule import Item, Node, Schedule
from timelift.errors import UserError, counted
from timelift.measure import progress
from timelift.measure.campaign import Campaign, by_setting
from timelift.measure.launch_pool import LaunchOptions
from timelift.measurement import CaseInLaunch, is_again
from timelift.messages import PeakReading, Task
from timelift.project import Project

# In seconds:
_UNIT = 60.0  # the work of a unit
_ANSWERS = 20.0  # the limit for a node to hand over its result
_HEARS = 1.0  # the limit for nodes to hear of a stop
_GO_ON = "what was measured is in the journal; go on with: timelift bench --resume"


@dataclass(frozen=True)
class Patience:
    """How long a run waits for its nodes, in seconds, and `first_calls` in limits of one."""

    between_looks: float = 2.0
    hangs: float = 60.0  # since Dask heard of a node
    waits: float = 900.0  # of a unit for its machine; a rival then takes at most `first_calls`
    first_calls: int = 10
    alone: float = 60.0  # for a node to play, or the run ends
    stopping: float = 30.0  # for units that were asked to stop


@dataclass
class _Unit:
    """The tasks that a node plays in one launch; indexes of those that have `begun` or `ended`."""

    node: Node
    tasks: list[Task]
    future: Future
    begun: set[int] = field(default_factory=set)
    ended: set[int] = field(default_factory=set)
    heard: float = field(default_factory=time.monotonic)

    def lines_of(self, ended: Ended) -> list[CaseInLaunch] | None:
        """Read the lines of the rivals of a task that ended; None where they are not its own."""
        try:
            lines = [CaseInLaunch.from_fields(line) for line in ended.lines]
            task = dict(enumerate(self.tasks))[ended.index]
        except (ValueError, LookupError, TypeError, AttributeError):
            return None
        asked = {Case(task.setting, rival.name) for rival in task.rivals}
        is_own = all(line.number == task.launch and line.case in asked for line in lines)
        return lines if is_own else None


class Nodes:
    """Plays launches of settings as a `Schedule` hands them out; each is recorded once, as it ends.

    How tasks ended is taken as a node streams it and once more from the result of its unit; a
    second telling is dropped. Unlike on one machine no launch waits for others: a setting goes on
    as soon as its own launches are in and a node is free for which nothing waits. All fewest
    launches are played, and none again for a disturbance, which marks it alone. All happens in one
    loop, in the thread of `play`: what Dask calls from threads of its own waits in an inbox.
    """

    def __init__(
        self, cluster: Cluster, campaign: Campaign, patience: Patience = Patience()
    ) -> None:
        self._cluster, self._campaign, self._patience = cluster, campaign, patience
        self._schedule = Schedule(_UNIT)
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._units: dict[str, _Unit] = {}
        self._sent = set[str]()
        self._asked = by_setting(campaign.results)
        #: The last launch of each setting that was planned, and how many have ended.
        self._planned, self._ended = Counter[Setting](), Counter[Setting]()
        self._known, self._has_news = {*cluster.nodes}, True
        self._failed = set[str]()  # nodes whose last launch failed before it told of anything
        self._looked = self._asked_to_stop = 0.0
        self._played_at = time.monotonic()
        self._shipment = Shipment(campaign)

    def interrupt(self) -> None:
        self._campaign.interrupted = True  # for the loop, since a signal's handler calls this

    def play(self) -> None:
        campaign, nodes = self._campaign, self._cluster.nodes
        campaign.display.say(f"{campaign.plan} on {counted(len(nodes), 'node')}")
        self._plan_all()
        for node in nodes.values():
            self._schedule.join(node)
        client = self._cluster.client
        client.subscribe_topic(TOPIC, self._hear)
        campaign.pace.start()
        try:
            while not self._is_over():
                self._step()
        finally:
            self._ask_to_stop(self._units)
            with contextlib.suppress(Exception):  # the scheduler may be gone
                client.unsubscribe_topic(TOPIC)

    def _step(self) -> None:
        if not self._campaign.has_stopped:
            self._hand_out()
        elif not self._asked_to_stop:
            self._asked_to_stop = time.monotonic()
            self._ask_to_stop(self._units)
        with contextlib.suppress(queue.Empty):
            action = self._inbox.get(timeout=0.2)
            while True:
                action()
                action = self._inbox.get_nowait()
        if time.monotonic() - self._looked > self._patience.between_looks:
            self._look_for_nodes()
            if self._asked_to_stop:  # once more, since a unit that waited may have begun
                self._ask_to_stop(self._units)
            self._looked = time.monotonic()

    def _is_over(self) -> bool:
        asked = self._asked_to_stop
        if asked and time.monotonic() - asked > self._patience.stopping:
            return True
        return not self._units and (self._campaign.has_stopped or not self._may_go_on())

    def _later(self, action: Callable[..., None], *arguments: Any) -> None:
        self._inbox.put(partial(action, *arguments))

    def _ask_to_stop(self, units: Mapping[str, _Unit], hears: float = _HEARS) -> None:
        """Ask nodes to stop these units, and wait for so many seconds until they have heard."""
        names, nodes = [*units], [unit.node.address for unit in units.values()]

        def ask() -> None:
            with contextlib.suppress(Exception):  # of nodes that are gone, which Dask tries long
                self._cluster.client.run(stop_units, names, workers=nodes)

        if names:
            asking = threading.Thread(target=ask, daemon=True)
            asking.start()
            asking.join(hears)

    # What is due ---------------------------------------------------------------------------------

    def _plan_all(self) -> None:
        """Schedule the fewest launches of each setting, or as many as a resumed run had begun."""
        last = Counter[Setting]()
        for (number, setting), lines in self._campaign.played.items():
            self._campaign.take(lines)
            self._schedule.was_played(setting, lines[0].mark)
            if not is_again(number):
                self._ended[setting] += 1
                last[setting] = max(last[setting], number)
        for setting in self._asked:
            self._plan(setting, max(self._campaign.options.launches.fewest, last[setting]))

    def _plan(self, setting: Setting, last: int) -> None:
        """Schedule the launches of a setting up to the `last`, except those already played."""
        numbers, played = range(self._planned[setting] + 1, last + 1), self._campaign.played
        items = [(number, setting) for number in numbers if (number, setting) not in played]
        self._schedule.add(items, {setting: len(self._asked[setting])})
        self._planned[setting] = last

    def _may_go_on(self) -> bool:
        if not self._schedule.waiting:
            self._plan_further()
        budget = self._campaign.budget
        return bool(self._schedule.waiting) and budget.left(beyond_fewest=False) > 0

    def _plan_further(self) -> None:
        """Plan launches up to the next decision for open settings whose last ones have ended."""
        campaign, most = self._campaign, self._campaign.options.launches.most
        has_news, self._has_news = self._has_news, False
        if (
            not has_news
            or not campaign.is_contested
            or campaign.budget.left(beyond_fewest=True) <= 0
        ):
            return
        for setting, cases in campaign.doubtful().items():
            last = self._planned[setting]
            if self._ended[setting] == last < most:
                self._asked[setting] = [*cases]
                later = (point for point in campaign.referee.decision_points if point > last)
                self._plan(setting, min(next(later, most), most))

    def _hand_out(self) -> None:
        busy = {unit.node.address for unit in self._units.values()}
        for node in [*self._cluster.nodes.values()]:
            while node.address not in busy and self._may_go_on():
                if not self._schedule.waits_for(node.address):  # but for nodes of other kinds
                    self._plan_further()
                left = self._campaign.budget.left(beyond_fewest=False)
                self._schedule.unit_seconds = min(_UNIT, left)
                items = self._schedule.next_unit(node.address)
                tasks = [task for item in items if (task := self._task(node, item))]
                if tasks:
                    self._send(node, tasks)
                if tasks or not items:
                    break

    def _task(self, node: Node, item: Item) -> Task | None:
        """Return what a node plays of an item; None where no case of it is open."""
        (number, setting), campaign = item, self._campaign
        task = campaign.task(number, setting, self._asked[setting])
        if not task.rivals:
            self._end_item(node, item, None)
            return None
        kinds = (PeakReading.BESIDE, PeakReading.AFTER)
        peaks = next((when for when in kinds if campaign.claim_reader(task, when)), task.peaks)
        return replace(task, peaks=peaks)

    def _send(self, node: Node, tasks: list[Task]) -> None:
        name, core, shipment = uuid.uuid4().hex, self._cluster.core_of(node.address), self._shipment
        order = shipment.order | {"core": core, "tasks": [*map(dataclasses.asdict, tasks)]}
        order = translated(order, shipment.there)
        is_there = node.address in self._sent
        parcel = shipment.parcel._replace(data=b"") if is_there else shipment.parcel
        self._sent.add(node.address)  # where it is unpacked
        future = self._cluster.submit(node.address, run_unit, name, parcel, shipment.by_path, order)
        self._units[name] = _Unit(node, tasks, future)
        future.add_done_callback(lambda _: self._later(self._end_unit, name))

    # What nodes tell -----------------------------------------------------------------------------

    def _hear(self, event: tuple[float, Mapping[str, str]]) -> None:
        self._later(self._take, event[1]["unit"], event[1]["line"])

    def _take(self, name: str, line: str) -> None:
        """Take a line of a unit: a sentence, why its launch failed, or how a task of it ended."""
        unit = self._units.get(name)
        if unit is None:  # it was lost
            return
        unit.heard = time.monotonic()
        match read_told(line, self._shipment.back):
            case Said(text):
                self._campaign.display.say(f"{unit.node.address}: {text}")
            case Failed(why):
                self._note_failure(unit, why)
            case Begun(index) if index in range(len(unit.tasks)):
                task = unit.tasks[index]
                unit.begun.add(index)
                self._schedule.begun(unit.node.address, (task.launch, task.setting))
            case Ended() as ended if (lines := unit.lines_of(ended)) is not None:
                self._end_task(unit, ended, lines)
            case _:
                self._lose(unit.node.address, f"it told what cannot be read: {line:.80}")

    def _end_task(self, unit: _Unit, ended: Ended, lines: Iterable[CaseInLaunch]) -> None:
        """Record how a task of a unit ended, unless that was told before."""
        if ended.index in unit.ended:
            return
        unit.ended.add(ended.index)
        task = unit.tasks[ended.index]
        self._failed.discard(unit.node.address)
        self._end_item(unit.node, (task.launch, task.setting), ended.seconds)
        self._campaign.record(task, [replace(line, mark=unit.node.mark) for line in lines])

    def _note_failure(self, unit: _Unit, why: str) -> None:
        """Try a node once more if its launch failed: a second time in a row is the node's fault.

        But if it had built a task, and begun another, it is one of these that is at fault.
        """
        address = unit.node.address
        if len(unit.begun) < 2 and not unit.ended and address in self._failed:  # noqa: PLR2004
            self._refuse(unit.node, why)
            return
        self._lose(address, f"{why}; it is tried once more")
        self._failed.add(address)
        self._cluster.nodes[address] = unit.node
        self._schedule.join(unit.node)

    def _refuse(self, node: Node, why: str) -> None:
        """Use a node no more that has to be mended; raises UserError if it was the last."""
        self._schedule.ended(node.address)  # no setting is to blame
        self._lose(node.address, why)
        if not self._cluster.nodes:
            raise UserError(f"--cluster: {why}")

    def _end_item(self, node: Node, item: Item, seconds: float | None) -> None:
        self._schedule.played(node.address, item, seconds)
        self._ended[item[1]] += 1
        self._has_news = True
        pace, left = self._campaign.pace, self._schedule.left
        pace.step()
        where = counted(len(self._cluster.nodes), "node")
        doing = f"launches of settings to go: {left}"
        gone, to_go = pace.seconds_gone, pace.seconds_for(left)
        self._campaign.display.show(progress.StageBegun(where, doing, gone, to_go))

    def _end_unit(self, name: str) -> None:
        """Record from a unit's result what its stream lacks; then the node may forget the unit."""
        unit = self._units.get(name)
        if unit is None:
            return
        try:
            lines = unit.future.result(timeout=_ANSWERS)
        except CancelledError:
            raise UserError(f"the scheduler was lost; {_GO_ON}") from None
        except (KilledWorker, TimeoutError, CommClosedError):
            self._lose(unit.node.address, "it died")
            self._known.discard(unit.node.address)  # it may start again
            return
        except Exception as error:  # noqa: BLE001 - what a node lacks, or whatever else it raises
            self._refuse(unit.node, f"{error!s:.200}")
            return
        for line in lines:
            self._take(name, line)
        if self._units.pop(name, None):
            self._give_back(unit)
            self._schedule.ended(unit.node.address)

    def _give_back(self, unit: _Unit) -> None:
        """Give back the tasks of which nothing was told."""
        for index, task in enumerate(unit.tasks):
            if index not in unit.ended:
                self._campaign.give_back(task)

    # Nodes that come and go ----------------------------------------------------------------------

    def _look_for_nodes(self) -> None:
        try:
            offered = self._cluster.offered()
        except Exception:  # noqa: BLE001 - whatever Dask raises where a scheduler is gone
            raise UserError(f"the scheduler was lost; {_GO_ON}") from None
        latest, patience = max(offered.values(), default=0.0), self._patience
        for address in [*self._cluster.nodes]:
            if address not in offered:
                self._lose(address, "it left")
            elif latest - offered[address] > patience.hangs:
                self._lose(address, "it hangs")
                self._known.discard(address)  # it may go on later
        for unit in [*self._units.values()]:
            if self._is_silent(unit):
                self._lose(unit.node.address, "its launch hangs")
        self._known &= offered.keys()
        for address in offered.keys() - self._known:
            self._known.add(address)
            looking = self._cluster.look(address)
            looking.add_done_callback(lambda it, at=address: self._later(self._join, at, it))
        if self._units:
            self._played_at = time.monotonic()
        elif time.monotonic() - self._played_at > patience.alone:
            raise UserError(f"no node is left for what waits; {_GO_ON}")

    def _is_silent(self, unit: _Unit) -> bool:
        """True if nothing came for longer than a wait for the lock and all stages may take."""
        first_calls = self._patience.first_calls * max(len(task.rivals) for task in unit.tasks)
        seconds = first_calls * self._campaign.options.first_call_limit
        return time.monotonic() - unit.heard > self._patience.waits + seconds

    def _join(self, address: str, looked: Future) -> None:
        self._sent.discard(address)  # another process may have taken the address
        if looked.status != "cancelled":
            try:
                self._schedule.join(self._cluster.join(self._cluster.read(address, looked)))
            except UserError as error:
                self._campaign.display.say(str(error))

    def _lose(self, address: str, why: str) -> None:
        """Reschedule what a lost node did not play, except what already cost two nodes."""
        if self._cluster.nodes.pop(address, None) is None:
            return
        for name in [name for name, unit in self._units.items() if unit.node.address == address]:
            unit = self._units.pop(name)
            self._ask_to_stop({name: unit}, hears=0.0)  # Dask ends no function that has begun
            unit.future.cancel()
            self._give_back(unit)
        alone = f"; for {self._patience.alone:.0f} s another one may join"
        say = self._campaign.display.say
        say(f"lost the node {address}: {why}{'' if self._cluster.nodes else alone}")
        for number, setting in self._schedule.leave(address):
            say(f"launch {number} of {setting.label} cost two nodes, and is not tried on a third")


class Shipment:
    """What every unit of a run needs of the project; raises UserError if it is too large.

    Python files go in a `parcel`. Other files a node must have at the same paths: `by_path` has
    their digests. An `order` for a unit begins with what all have alike. In `there` and `back` are
    the folders here and those that stand for them in an order.
    """

    def __init__(self, campaign: Campaign) -> None:
        options, catalogue = campaign.options, campaign.catalogue
        rivals = {case.strategy: catalogue.rival(case, 1) for case in campaign.results}.values()
        names = {case.setting.workload for case in campaign.results}
        workloads = [catalogue.workloads[name] for name in names]
        named = [dataclasses.asdict(rival) for rival in rivals]
        sources = {text for workload in workloads for text in (workload.factory, workload.data)}
        homes = [home for rival in rivals for home in rival.home.split(os.pathsep) if home]
        own = tuple(str(path.resolve()) for path in options.import_folders)
        folders, brought = [*dict.fromkeys(map(Path, (*own, *homes)))], Project(Path()).brought
        others = left_behind([named, sorted(sources)], [*folders, brought])
        by_path = [path for path in others if path.suffix != ".py"]
        by_path += [Path(options.other_python)] if options.other_python else []
        self.by_path = {str(path): file_digest(path) for path in by_path}
        self.parcel = pack([*folders, *(path for path in others if path.suffix == ".py")])
        sent = {root: f"{SENT}/{folder}" for root, folder in self.parcel.places.items()}
        self.there = {str(brought): BROUGHT, **sent, **{path: path for path in self.by_path}}
        self.back = {there: here for here, there in self.there.items()}
        here = Path.cwd()
        self.order = {
            "options": dataclasses.asdict(replace(LaunchOptions.of(options), import_folders=own)),
            "folder": str(here if any(map(here.is_relative_to, folders)) else (*own, SENT)[0]),
        }


class ClusterPlace(Cluster):
    """A cluster with what plays a campaign on its nodes."""

    def player(self, campaign: Campaign) -> Nodes:
        return Nodes(self, campaign)
