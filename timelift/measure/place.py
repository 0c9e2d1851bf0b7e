"""Where the launches of a run are played: on this machine, unless a door says where else."""

import itertools
import math
import random
import sys
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Protocol

from timelift.axis_values import Backend
from timelift.case import Setting
from timelift.journal.lines import Machine
from timelift.measure import machine, progress
from timelift.measure.campaign import Campaign, Wanted, by_setting
from timelift.measure.launch_pool import LaunchOptions, LaunchPool, LaunchSlot, ProcessKey
from timelift.measure.locks import BuildOrPlayLock, Note, machine_lock
from timelift.measure.rota import Rota, Sleeper
from timelift.measure.worker_state import ShowStage
from timelift.measurement import ENOUGH_LAUNCHES, MOST_LAUNCHES, CaseInLaunch, is_again
from timelift.messages import PeakReading, Task

_Rota = Rota[tuple[Task, ShowStage], list[CaseInLaunch]]
_Sleeper = Sleeper[tuple[Task, ShowStage], list[CaseInLaunch]]


class CampaignPlayer(Protocol):
    """Plays a campaign: starts what is due, and has it recorded."""

    def play(self) -> None: ...

    def interrupt(self) -> None:
        """Stop after the round that is being played; a signal's handler may call this."""


class Place:
    """The machine of this process; another place overrides what differs."""

    @property
    def kinds(self) -> Collection[str]:
        """The kinds of machines, as values of the axis `machine`; '' alone where all are alike."""
        return ("",)

    def refuse_unable(self) -> None:
        """Raise UserError if nothing can be measured here."""
        machine.refuse_without_backend()

    def why_not(self, setting: Setting) -> str:
        """Reason why a setting cannot be measured here, or ''."""
        return machine.why_not_here(setting)

    def machines(self, used: Iterable[str]) -> Mapping[str, Machine]:
        """Describe each kind of machine, by its name, with these backends and runtimes."""
        return {"": machine.this_machine(used)}

    def lock(
        self, say: Callable[[str], None], command: str, stop: Callable[[], bool] = lambda: False
    ) -> AbstractContextManager[Note]:
        """Keep other runs from measuring here meanwhile; the command is shown to them."""
        return machine_lock(say, command, stop=stop)

    def player(self, campaign: Campaign) -> CampaignPlayer:
        """Return what plays a campaign here; raises UserError if it cannot be played."""
        options = LaunchOptions.of(campaign.options)
        return Here(campaign, LaunchPool(options, first_processes(campaign)))


#: This machine, which has no state.
HERE = Place()


def first_processes(campaign: Campaign) -> Iterator[ProcessKey]:
    """Yield the processes of the fewest launches with something left to play."""
    options = campaign.options
    numbers = range(1, 1 + options.launches.fewest)
    for number, setting in itertools.product(numbers, by_setting(campaign.results)):
        if (number, setting) not in campaign.played:
            yield ProcessKey(number, setting.backend)
            if number == options.launch_with_reader and setting.on_cpu:
                yield ProcessKey(number, setting.backend, sys.executable)


class Here:
    """Plays a campaign on this machine, launch by launch.

    Launches are the outer loop, so that the launches of a setting lie apart in time and see the
    slow drift of the machine; within a launch the settings come in an order drawn anew. The first
    few launches, or with two sides the first one, run one at a time, so that their build, trace and
    first-call seconds can be recorded. One of them has a reader of peak memory beside it; its
    seconds are left out. The others come in pairs that build side by side, which saves about a
    third of their time, and play in turns.
    """

    def __init__(self, campaign: Campaign, pool: LaunchPool) -> None:
        self._campaign, self._options, self._pool = campaign, campaign.options, pool
        self._lock = threading.Lock()  # of the campaign, between the launches of a pair
        self._fits: dict[tuple[int, Setting], bool] = {}
        self._turns = Counter[int]()  # the last setting that each launch has begun, from 1
        self._last_again = MOST_LAUNCHES

    def interrupt(self) -> None:
        self._campaign.interrupted = True
        self._pool.finish_early()  # what is being built is abandoned

    def play(self) -> None:
        campaign, starting = self._campaign, "starting the first launches"
        campaign.display.say(campaign.plan)
        campaign.display.show(progress.StageBegun("", starting, 0.0, math.inf))
        with self._pool:
            campaign.budget.import_seconds = self._pool.import_seconds
            campaign.pace.start()
            for group in self._options.groups(campaign.referee.decision_points):
                if campaign.is_beyond_fewest(group[0]):
                    self._play_disturbed_again()
                wanted = campaign.due(group[0])
                if not wanted or campaign.has_stopped:
                    break
                self._play_side_by_side(group, wanted)
            self._play_disturbed_again()

    def _play_disturbed_again(self) -> None:
        """Play disturbed settings again, for as long as that may take.

        A run with two sides plays none again, since both are disturbed alike. Nor does one of fewer
        launches than `ENOUGH_LAUNCHES`, in which a disturbed one counts in any case, nor one
        without two rivals left.
        """
        campaign, few = self._campaign, self._options.launches.fewest < ENOUGH_LAUNCHES
        if self._options.two_sided or few or not campaign.is_contested:
            return
        with campaign.budget.playing_again():
            while not campaign.has_stopped:
                wanted = campaign.disturbed(self._last_again + 1)
                if not wanted:
                    break
                self._last_again += 1
                self._play_side_by_side((self._last_again,), wanted)

    def _play_side_by_side(self, group: tuple[int, ...], wanted: Wanted) -> None:
        """Run launches in parallel through the settings, in an order drawn anew."""
        dice = random.Random(f"{self._options.seed} {group}")
        ordered = {setting: wanted[setting] for setting in _draw_order(list(wanted), dice)}
        lock = BuildOrPlayLock()
        slots = [LaunchSlot(number, group, lock) for number in group]
        with ThreadPoolExecutor(len(slots)) as threads:
            try:
                launches = [threads.submit(self._play_launch, slot, ordered) for slot in slots]
                for launch in launches:
                    launch.result()
            except BaseException:
                self._pool.kill()
                raise

    def _play_launch(self, slot: LaunchSlot, wanted: Wanted) -> None:
        dice = random.Random(f"{self._options.seed} {slot.number} bursts")
        begun, clock = self._begun(slot, wanted), self._campaign.clock
        rota = _Rota(dice, machine.room_watch(), clock)
        for (task, show_stage), ended, seconds in rota.play(begun):
            outcomes = ended
            self._campaign.budget.pay(task.setting, seconds)
            if ended and self._claims_reader(task, PeakReading.AFTER):
                outcomes = self._pool.add_peaks(slot, task, ended, show_stage)
            if outcomes:  # else it is unfinished: --resume plays the setting again
                with self._lock:
                    self._campaign.record(task, outcomes, at_once=len(slot.group))
            self._campaign.pace.step()
        self._pool.close(slot)

    def _begun(self, slot: LaunchSlot, wanted: Wanted) -> Iterator[_Sleeper]:
        """Yield what is to be played, once that is decided of each, and take what was played."""
        campaign, number = self._campaign, slot.number
        begun = dict[Setting, _Sleeper]()
        for turn, (setting, cases) in enumerate(wanted.items(), start=1):
            if (number, setting) in campaign.played:
                with self._lock:
                    campaign.take(campaign.played[number, setting])
                continue
            task = campaign.task(number, setting, cases)
            asleep = ((one, it.seconds) for one, it in begun.items() if it.result is None)
            owed = sum(campaign.budget.owed(*each) for each in asleep)
            if task.rivals and not campaign.has_stopped and self._in_time(slot, setting, owed):
                if self._claims_reader(task, PeakReading.BESIDE):
                    task = replace(task, peaks=PeakReading.BESIDE)
                show_stage = partial(self._show_stage, slot, setting, turn, len(wanted))
                show_stage("starting")
                turns = self._pool.measure(slot, task, show_stage)
                begun[setting] = Sleeper((task, show_stage), turns, alone=not setting.on_cpu)
                yield begun[setting]
            else:
                campaign.pace.step()

    def _claims_reader(self, task: Task, when: PeakReading) -> bool:
        with self._lock:
            return self._campaign.claim_reader(task, when)

    def _in_time(self, slot: LaunchSlot, setting: Setting, owed: float) -> bool:
        """Decide once for all launches of a group whether they play a setting.

        Those that sleep are owed so many seconds.
        """
        budget, number = self._campaign.budget, slot.number
        with self._lock:
            if is_again(number):
                fits = budget.fits_again(setting, owed)
            else:
                beyond = self._campaign.is_beyond_fewest(number)
                fits = budget.fits(setting, beyond_fewest=beyond, owed=owed)
            return self._fits.setdefault((slot.group[0], setting), fits)

    def _show_stage(
        self, slot: LaunchSlot, setting: Setting, turn: int, settings: int, doing: str
    ) -> None:
        campaign, launches = self._campaign, self._options.launches
        is_more = campaign.is_beyond_fewest(slot.number)
        of = f"at most {launches.most}" if is_more else str(launches.fewest)
        launch = f"launch {slot.number} of {of}"
        launch = "disturbed settings again" if is_again(slot.number) else launch
        where = f"{launch} · setting {turn} of {settings}"
        with self._lock:
            furthest = self._turns[slot.number] = max(turn, self._turns[slot.number])
            left = self._seconds_left(slot.group, furthest, settings)
            seconds = campaign.pace.seconds_gone, left
            campaign.display.show(
                progress.StageBegun(where, f"{doing} · {setting.label}", *seconds)
            )

    def _seconds_left(self, group: Sequence[int], turn: int, settings: int) -> float:
        """Return the seconds that the remaining launches take, or those that they may take."""
        launches, budget = self._options.launches, self._campaign.budget
        if is_again(group[0]):
            return budget.left_again
        seconds_for = self._campaign.pace.seconds_for
        played = group[0] - 1 + len(group) * (turn - 1) / settings
        more = launches.most - max(played, launches.fewest)
        imports = more * budget.import_seconds / 2  # they come in pairs, which import at once
        most = seconds_for((launches.most - played) * settings) + imports
        fewest = seconds_for(max(0, launches.fewest - played) * settings)
        within = max(fewest, min(most, budget.left(beyond_fewest=True)))
        return max(0.0, min(within, budget.left(beyond_fewest=False)))


def _draw_order(settings: Sequence[Setting], dice: random.Random) -> list[Setting]:
    """Draw an order in which settings that differ in the backend alone stay together."""
    turns: dict[Setting, int] = {}
    drawn = dice.sample(settings, len(settings))
    for setting in drawn:
        turns.setdefault(replace(setting, backend=Backend.TENSORFLOW), len(turns))
    return sorted(drawn, key=lambda setting: turns[replace(setting, backend=Backend.TENSORFLOW)])
