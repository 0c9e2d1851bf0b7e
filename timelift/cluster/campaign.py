"""A campaign on a cluster: units go to free nodes, and what they tell goes into the journal."""

import contextlib
import dataclasses
import json
import os
import queue
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distributed import CancelledError, Future, KilledWorker
from distributed.comm import CommClosedError

from timelift.case import Case, Setting
from timelift.cluster.node import TOPIC, file_digest, play, stop
from timelift.cluster.parcel import BROUGHT, SENT, left_behind, pack, translated
from timelift.cluster.schedule import Item, Node, Schedule
from timelift.errors import UserError, counted
from timelift.journal.files import PlayedSettings
from timelift.measure import progress
from timelift.measure.campaign import SEEDS, Campaign, by_setting
from timelift.measure.catalogue import Catalogue
from timelift.measure.launch_pool import LaunchSlot
from timelift.measure.locks import BuildOrPlayLock
from timelift.measure.run_options import RunOptions
from timelift.measurement import CaseInLaunch, is_again
from timelift.messages import Task
from timelift.project import Project

if TYPE_CHECKING:
    from timelift.cluster.nodes import Cluster

_STAGES = 10
# In seconds:
_UNIT = 60.0  # the work of a unit
_BETWEEN_LOOKS = 2.0  # between two looks at the nodes
_HANGS = 60.0  # a node hangs if Dask hears nothing of it for longer
_WAITS = 900.0  # a unit's wait for its machine; a rival takes no more than `_STAGES` first calls
_ALONE = 60.0  # a run ends if no node plays for longer
_STOPPING = 30.0  # a run that was asked to stop ends after these
_ANSWERS = 20.0  # the limit for a node to hand over its result
_HEARS = 1.0  # the limit for nodes to hear of a stop
_GO_ON = "what was measured is in the journal; go on with: timelift bench --resume"


@dataclass(frozen=True)
class _Part:
    """An item as it is sent; peak memory is read "beside" or "after" it, or not."""

    item: Item
    task: Task
    slot: LaunchSlot
    reads_peak: str

    def read(self, told: Iterable[Mapping[str, Any]]) -> list[CaseInLaunch]:
        """Read the lines of its rivals; raises ValueError for those of anything else."""
        lines = [CaseInLaunch.from_fields(fields) for fields in told]
        names = {rival.name for rival in self.task.rivals}
        for line in lines:
            if (line.number, line.case.setting) != self.item or line.case.strategy not in names:
                raise ValueError(f"expected lines of {self.item}, received {line.case.label}")
        return lines


@dataclass
class _Unit:
    """The parts that a node plays in one launch, and in `told` the places of those reported."""

    node: Node
    parts: list[_Part]
    future: Future
    told: set[int] = field(default_factory=set)
    heard: float = field(default_factory=time.monotonic)

    def is_silent(self, first_call_limit: float) -> bool:
        """True if nothing came for longer than a wait for the lock and all stages may take."""
        rivals = max(len(part.task.rivals) for part in self.parts)
        patience = _WAITS + _STAGES * rivals * first_call_limit
        return time.monotonic() - self.heard > patience


class ClusterCampaign(Campaign):
    """Launches of settings as a `Schedule` hands them out; each is recorded once, as it ends.

    Lines are taken as a node streams them and once more from the result of its unit; a second
    telling is dropped. Unlike on one machine no launch waits for others: a setting goes on as soon
    as its own launches are in and a node is free.
    """

    def __init__(
        self,
        cluster: "Cluster",
        cases: Iterable[Case],
        catalogue: Catalogue,
        options: RunOptions,
        played: PlayedSettings,
    ) -> None:
        super().__init__(cases, catalogue, options, played)
        self._cluster, self._schedule = cluster, Schedule(_UNIT)
        self._where = f" on {counted(len(cluster.nodes), 'node')}"
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._units: dict[str, _Unit] = {}
        self._sent = set[str]()
        self._asked = by_setting(self.results)
        #: The last launch of each setting that was planned, and how many have ended.
        self._planned, self._ended = Counter[Setting](), Counter[Setting]()
        self._known, self._has_news = {*cluster.nodes}, True
        self._failed = set[str]()  # nodes whose last launch failed before it told of anything
        self._looked = self._asked_to_stop = 0.0
        self._played_at = time.monotonic()
        self._pack()  # before there is a journal, since it refuses what is too large

    def interrupt(self) -> None:
        self.interrupted = True  # for the loop, since a signal's handler calls this

    def _play(self) -> None:
        for (_, setting), lines in self._played.items():
            self._add_to_results(lines)
            self._schedule.was_played(setting, lines[0].mark)
        usual = [place for place in sorted(self._played) if not is_again(place[0])]
        self._ended.update(setting for _, setting in usual)
        last = {setting: number for number, setting in usual}
        for setting in self._asked:
            self._plan(setting, max(self.options.launches.fewest, last.get(setting, 0)))
        for each in self._cluster.nodes.values():
            self._schedule.join(each)
        client = self._cluster.client
        client.subscribe_topic(TOPIC, self._hear)
        self._pace.start()
        try:
            while not self._is_over():
                self._step()
        finally:
            self._ask_to_stop()
            with contextlib.suppress(Exception):  # the scheduler may be gone
                client.unsubscribe_topic(TOPIC)

    def _step(self) -> None:
        if not self._stopped():
            self._hand_out()
        elif not self._asked_to_stop:
            self._asked_to_stop = time.monotonic()
            self._ask_to_stop()
        with contextlib.suppress(queue.Empty):
            action = self._inbox.get(timeout=0.2)
            while True:
                action()
                action = self._inbox.get_nowait()
        if time.monotonic() - self._looked > _BETWEEN_LOOKS:
            self._look_for_nodes()
            self._looked = time.monotonic()

    def _is_over(self) -> bool:
        if self._asked_to_stop and time.monotonic() - self._asked_to_stop > _STOPPING:
            return True
        return not self._units and (self._stopped() or not self._may_go_on())

    def _later(self, action: Callable[..., None], *arguments: Any) -> None:
        """Act in the loop: Dask calls from threads of its own."""
        self._inbox.put(partial(action, *arguments))

    def _ask_to_stop(self) -> None:
        units = {name: unit.node.address for name, unit in self._units.items()}

        def ask() -> None:
            with contextlib.suppress(Exception):  # of nodes that are gone, which Dask tries long
                self._cluster.client.run(stop, [*units], workers=[*units.values()])

        if units:
            asking = threading.Thread(target=ask, daemon=True)
            asking.start()
            asking.join(_HEARS)

    # What is played ------------------------------------------------------------------------------

    def _plan(self, setting: Setting, last: int) -> None:
        """Schedule the launches of a setting up to the `last`, except those already played."""
        numbers = range(self._planned[setting] + 1, last + 1)
        items = [(number, setting) for number in numbers if (number, setting) not in self._played]
        self._schedule.add(items, {setting: len(self._asked[setting])})
        self._planned[setting] = last

    def _may_go_on(self) -> bool:
        if self._has_news and not self._schedule.waiting:
            self._has_news = False
            self._extend()
        return bool(self._schedule.waiting) and self._budget.left(beyond_fewest=False) > 0

    def _extend(self) -> None:
        """Plan launches up to the next decision for open settings whose last ones have ended."""
        if not self._is_contested or self._budget.left(beyond_fewest=True) <= 0:
            return
        doubtful, most = self._referee.to_play(), self.options.launches.most
        peaks = self._referee.doubts_peak_of()
        self._doubtful_peaks = frozenset(case.setting for case in peaks)
        for setting, cases in by_setting(filter(self._is_open, doubtful)).items():
            last = self._planned[setting]
            if self._ended[setting] == last < most:
                self._asked[setting] = cases
                later = (point for point in self._referee.decision_points if point > last)
                self._plan(setting, min(next(later, most), most))

    def _hand_out(self) -> None:
        busy = {unit.node.address for unit in self._units.values()}
        for node in [*self._cluster.nodes.values()]:
            while node.address not in busy and self._may_go_on():
                left = self._budget.left(beyond_fewest=False)
                self._schedule.unit_seconds = min(_UNIT, left)
                items = self._schedule.next_unit(node.address)
                parts = [part for item in items if (part := self._part(node, item))]
                if parts:
                    self._send(node, parts)
                if parts or not items:
                    break

    def _part(self, node: Node, item: Item) -> _Part | None:
        """Return an item with its task; None where no case of it is open."""
        number, setting = item
        slot = LaunchSlot(number, (number,), BuildOrPlayLock())
        dice = random.Random(f"{self.options.seed} {number} {setting.label}")
        task = self._task(setting, self._asked[setting], slot, dice.randrange(SEEDS))
        if not task.rivals:
            self._end_item(node, item, 0.0)
            return None
        beside = number == self.options.launch_with_reader
        when = ("after", "beside")[beside] if self._reads_peaks(slot, setting) else ""
        return _Part(item, task, replace(slot, reads_beside=when == "beside"), when)

    def _send(self, node: Node, parts: list[_Part]) -> None:
        unit, core = uuid.uuid4().hex, self._cluster.core_of(node.address)
        tasks = [dataclasses.asdict(part.task) | {"reads_peak": part.reads_peak} for part in parts]
        order = translated(self._order | {"core": core, "tasks": tasks}, self._there)
        parcel = self._parcel._replace(data=b"") if node.address in self._sent else self._parcel
        self._sent.add(node.address)  # where it is unpacked
        future = self._cluster.submit(node.address, play, unit, parcel, self._by_path, order)
        self._units[unit] = _Unit(node, parts, future)
        future.add_done_callback(lambda _: self._later(self._end_unit, unit))

    def _pack(self) -> None:
        """Pack the project's files; other files a node must have, at the same paths."""
        options, catalogue = self.options, self.catalogue
        rivals = {case.strategy: catalogue.rival(case, 1) for case in self.results}.values()
        workloads = [catalogue.workloads[setting.workload] for setting in self._asked]
        named = [dataclasses.asdict(rival) for rival in rivals]
        sources = {text for workload in workloads for text in (workload.factory, workload.data)}
        homes = [home for rival in rivals for home in rival.home.split(os.pathsep) if home]
        own = [path.resolve() for path in options.import_folders]
        folders, brought = [*dict.fromkeys([*own, *map(Path, homes)])], Project(Path()).brought
        others = left_behind([named, sorted(sources)], [*folders, brought])
        by_path = [path for path in others if path.suffix != ".py"]
        by_path += [Path(options.other_python)] if options.other_python else []
        self._by_path = {str(path): file_digest(path) for path in by_path}
        self._parcel = pack([*folders, *(path for path in others if path.suffix == ".py")])
        sent = {root: f"{SENT}/{place}" for root, place in self._parcel.places.items()}
        self._there = {str(brought): BROUGHT, **sent, **{path: path for path in self._by_path}}
        self._back = {there: here for here, there in self._there.items()}
        here = Path.cwd()
        self._order = {
            "first_call_limit": options.first_call_limit,
            "two_sided": options.two_sided,
            "other_python": options.other_python,
            "import_folders": [*map(str, own)],
            "folder": str(here if any(map(here.is_relative_to, folders)) else (*own, SENT)[0]),
        }

    # What nodes tell -----------------------------------------------------------------------------

    def _hear(self, event: tuple[float, Mapping[str, str]]) -> None:
        self._later(self._take, event[1]["unit"], event[1]["line"])

    def _take(self, name: str, line: str) -> None:
        """Record a line of a unit, unless it was told before or the unit was lost."""
        unit = self._units.get(name)
        if unit is None:
            return
        unit.heard = time.monotonic()
        try:
            told = translated(json.loads(line), self._back)
            is_note = not told.keys().isdisjoint(("said", "error"))
            part = None if is_note else dict(enumerate(unit.parts))[told["part"]]
            lines = part.read(told["lines"]) if part else []
            seconds = float(told["seconds"]) if part else 0.0
        except (ValueError, LookupError, TypeError, AttributeError):
            self._lose(unit.node.address, f"it told what cannot be read: {line:.80}")
            return
        if part is None:
            self._note(unit, told)
        elif told["part"] not in unit.told:
            unit.told.add(told["part"])
            self._failed.discard(unit.node.address)
            self._end_item(unit.node, part.item, seconds)
            lines = [replace(each, mark=unit.node.mark) for each in lines]
            self._record_together(part.slot, lines)
            self._end_cases_without_layer(part.task, part.slot, lines)

    def _note(self, unit: _Unit, told: Mapping[str, str]) -> None:
        """Note that a node waits, or that its launch failed: a second time is the node's fault."""
        address = unit.node.address
        if "said" in told:
            self._display.say(f"{address}: {told['said']}")
        elif not unit.told and address in self._failed:
            self._refuse(unit.node, told["error"])
        else:
            self._lose(address, f"{told['error']}; it is tried once more")
            self._failed.add(address)
            self._cluster.nodes[address] = unit.node
            self._schedule.join(unit.node)

    def _refuse(self, node: Node, why: str) -> None:
        """Use a node no more that has to be mended; raises UserError if it was the last."""
        self._schedule.ended(node.address)  # no setting is to blame
        self._lose(node.address, why)
        if not self._cluster.nodes:
            raise UserError(f"--cluster: {why}")

    def _end_item(self, node: Node, item: Item, seconds: float) -> None:
        self._schedule.played(node.address, item, seconds)
        self._ended[item[1]] += 1
        self._has_news = True
        self._pace.step()
        left = self._schedule.left
        where = counted(len(self._cluster.nodes), "node")
        doing = f"launches of settings to go: {left}"
        gone, to_go = self._pace.seconds_gone, self._pace.seconds_for(left)
        self._display.show(progress.StageBegun(where, doing, gone, to_go))

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
            self._schedule.ended(unit.node.address)

    # Nodes that come and go ----------------------------------------------------------------------

    def _look_for_nodes(self) -> None:
        try:
            offered = self._cluster.offered()
        except Exception:  # noqa: BLE001 - whatever Dask raises where a scheduler is gone
            raise UserError(f"the scheduler was lost; {_GO_ON}") from None
        latest = max(offered.values(), default=0.0)
        for address in [*self._cluster.nodes]:
            if address not in offered:
                self._later(self._lose, address, "it left")
            elif latest - offered[address] > _HANGS:
                self._later(self._lose, address, "it hangs")
                self._known.discard(address)  # it may go on later
        for unit in self._units.values():
            if unit.is_silent(self.options.first_call_limit):
                self._later(self._lose, unit.node.address, "its launch hangs")
        self._known &= offered.keys()
        for address in offered.keys() - self._known:
            self._known.add(address)
            looking = self._cluster.look(address)
            looking.add_done_callback(lambda it, at=address: self._later(self._join, at, it))
        if self._units:
            self._played_at = time.monotonic()
        elif time.monotonic() - self._played_at > _ALONE:
            raise UserError(f"no node is left for what waits; {_GO_ON}")

    def _join(self, address: str, looked: Future) -> None:
        if looked.status != "cancelled":
            try:
                self._schedule.join(self._cluster.join(self._cluster.read(address, looked)))
            except UserError as error:
                self._display.say(str(error))

    def _lose(self, address: str, why: str) -> None:
        """Reschedule what a lost node did not play, except what already cost two nodes."""
        if self._cluster.nodes.pop(address, None) is None:
            return
        for name in [name for name, unit in self._units.items() if unit.node.address == address]:
            unit = self._units.pop(name)
            unit.future.cancel()
            for place, part in enumerate(unit.parts):
                if part.reads_peak and place not in unit.told:
                    self._peaks_read.discard(part.item[1])
        rest = "" if self._cluster.nodes else f"; for {_ALONE:.0f} s another one may join"
        self._display.say(f"lost the node {address}: {why}{rest}")
        for number, setting in self._schedule.leave(address):
            self._display.say(
                f"launch {number} of {setting.label} cost two nodes, and is not tried on a third"
            )
