"""The campaign: which settings every launch plays, and the result of each case.

Launches are the outer loop, so that the launches of a setting lie apart in time and see the slow
drift of the machine; within a launch the settings come in an order drawn anew.
"""

import itertools
import random
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Protocol

from timelift.case import SKIPPED, Backend, Case, Setting, Status
from timelift.journal.files import PlayedSettings
from timelift.journal.lines import RunEnd
from timelift.measure import progress
from timelift.measure.catalogue import Catalogue
from timelift.measure.launch_pool import LaunchPool, LaunchSlot, ProcessKey
from timelift.measure.locks import BuildOrPlayLock
from timelift.measure.run_options import RunOptions
from timelift.measure.worker_state import ShowStage
from timelift.measurement import (
    ENOUGH_LAUNCHES,
    MOST_LAUNCHES,
    WAITED_FACTS,
    CaseInLaunch,
    Measurement,
    is_again,
)
from timelift.messages import RivalSpec, Task

#: Seeds fit the generators of every library involved.
SEEDS = 2**31
#: Seconds of rounds that a rival plays in one of the fewest launches.
_ROUND_SECONDS = 0.1
#: Launches beyond the fewest play so many times as long: few rivals are left in them, each built
#: anew, so that longer rounds cost little more. By the measured spreads twice is near the cheapest.
_LONGER = 2

#: The cases to play, by setting.
Wanted = Mapping[Setting, Sequence[Case]]


class CampaignReferee(Protocol):
    """Decides, from what was recorded, which cases need another launch."""

    @property
    def decision_points(self) -> Sequence[int]:
        """The numbers of launches at which a verdict may be given."""

    def take(self, line: CaseInLaunch) -> None:
        """Note a line of the journal."""

    def to_play(self) -> frozenset[Case]:
        """Return the cases that need more launches."""

    def doubts_peak_of(self) -> frozenset[Case]:
        """Return the cases whose peak memory is to be read again in those launches."""


class Campaign:
    """Measure cases by launches; `results` fills while `run` goes on.

    The first few launches run one at a time, so that their build, trace and first-call seconds can
    be recorded, except in the launch beside which peak memory is read. The others come in pairs
    that build side by side, which saves about a third of their time, and play in turns. Launches
    `played` before an interruption are kept, and not played again.
    """

    #: Where it is played, for the plan in words.
    _where = ""

    def __init__(
        self,
        cases: Iterable[Case],
        catalogue: Catalogue,
        options: RunOptions,
        played: PlayedSettings | None = None,
    ) -> None:
        self.options, self.catalogue, self.interrupted = options, catalogue, False
        self.results = {case: Measurement(case) for case in cases}
        self._played: PlayedSettings = played or {}
        self._settings = len(by_setting(self.results))
        self._budget = progress.Budget(options.budget, options.spare_seconds)
        self._pace = progress.Pace()
        self._lock = threading.RLock()
        self._fits: dict[tuple[int, Setting], bool] = {}
        self._doubtful: frozenset[Case] | None = None
        self._doubtful_peaks: frozenset[Setting] = frozenset()
        self._peaks_read: set[Setting] = set()
        self._pool: LaunchPool | None = None
        self._last_again = MOST_LAUNCHES

    @property
    def exit_word(self) -> RunEnd:
        if self.interrupted:
            return RunEnd.INTERRUPTED
        is_cut_short = any(
            self._is_open(case) and len(result.launches) < self.options.launches.fewest
            for case, result in self.results.items()
        )
        return RunEnd.CUT_SHORT if is_cut_short and self._is_contested else RunEnd.COMPLETE

    @property
    def _is_contested(self) -> bool:
        """False if no setting has two rivals left: a single launch is enough to show that.

        True if one strategy a setting was requested, since its time is wanted, or two sides were.
        """
        left = [case for case in self.results if self._is_open(case)]
        has_pair = len({case.setting for case in left}) < len(left)
        return has_pair or self.options.two_sided or self._settings == len(self.results)

    def interrupt(self) -> None:
        """Stop after the round that is being played; what is being built is abandoned."""
        self.interrupted = True
        if self._pool:
            self._pool.finish_early()

    def run(
        self,
        record: Callable[[Sequence[CaseInLaunch]], None],
        display: progress.Display,
        referee: CampaignReferee,
    ) -> None:
        """Play every launch; the rivals of a setting are recorded together, before the next."""
        self._record, self._display, self._referee = record, display, referee
        plan = progress.plan_in_words(len(self.results), self._settings, self.options)
        display.say(plan + self._where)
        self._play()

    def _play(self) -> None:
        starting = "starting the first launches"
        self._display.show(progress.StageBegun("", starting, 0.0, float("inf")))
        self._pool = LaunchPool(self.options, self._first_processes())
        if self.interrupted:
            self._pool.finish_early()
        with self._pool as pool:
            self._budget.import_seconds = pool.import_seconds
            self._pace.start()
            for group in self.options.groups(self._referee.decision_points):
                if self._is_beyond_fewest(group):
                    self._play_again(pool)
                wanted = self._wanted(group)
                if not wanted or self._stopped():
                    break
                self._play_side_by_side(pool, group, wanted)
            self._play_again(pool)

    def _play_again(self, pool: LaunchPool) -> None:
        """Play disturbed settings again, for as long as that may take.

        A run with two sides plays none again, since both are disturbed alike.
        """
        few = self.options.launches.fewest < ENOUGH_LAUNCHES
        if self.options.two_sided or few or not self._is_contested:
            return
        with self._budget.playing_again():
            while not self._stopped() and (wanted := self._disturbed(self._last_again + 1)):
                self._last_again += 1
                self._play_side_by_side(pool, (self._last_again,), wanted)

    def _disturbed(self, number: int) -> Wanted:
        """Return the cases with fewer undisturbed launches than usual ones, to play as a launch."""
        cases = []
        for case, result in self.results.items():
            usual = sum(not is_again(launch.number) for launch in result.launches)
            quiet = sum(not launch.is_disturbed for launch in result.launches)
            if self._is_open(case) and quiet < usual:
                cases.append(case)
        return {
            setting: own
            for setting, own in by_setting(cases).items()
            if (number, setting) in self._played or self._budget.fits_again(setting)
        }

    def _first_processes(self) -> Iterator[ProcessKey]:
        """Yield the processes of the fewest launches with something left to play."""
        numbers = range(1, 1 + self.options.launches.fewest)
        for number, setting in itertools.product(numbers, by_setting(self.results)):
            if (number, setting) not in self._played:
                yield number, setting.backend, ""
                if number == self.options.launch_with_reader and setting.on_cpu:
                    yield number, setting.backend, sys.executable

    def _is_beyond_fewest(self, group: Sequence[int]) -> bool:
        return group[0] > self.options.launches.fewest

    def _wanted(self, group: Sequence[int]) -> Wanted:
        """Return the cases for these launches to play; none if there is no time left for any."""
        open_cases = [case for case in self.results if self._is_open(case)]
        if group[0] > 1 and not self._is_contested:
            return {}
        if not self._is_beyond_fewest(group):
            return by_setting(open_cases)
        decides = group[0] - 1 in self._referee.decision_points
        if self._doubtful is None or decides:
            self._doubtful = self._referee.to_play()
            peaks = self._referee.doubts_peak_of()
            self._doubtful_peaks = frozenset(case.setting for case in peaks)
        doubtful = self._doubtful
        wanted = by_setting(case for case in open_cases if case in doubtful)
        return wanted if self._budget.fits_any(wanted, beyond_fewest=True) else {}

    def _play_side_by_side(self, pool: LaunchPool, group: tuple[int, ...], wanted: Wanted) -> None:
        """Run launches in parallel through the settings, in an order drawn anew."""
        dice = random.Random(f"{self.options.seed} {group}")
        ordered = {setting: wanted[setting] for setting in _draw_order(list(wanted), dice)}
        lock = BuildOrPlayLock()
        slots = [LaunchSlot(number, group, lock) for number in group]
        with ThreadPoolExecutor(len(slots)) as threads:
            try:
                launches = [
                    threads.submit(self._play_launch, pool, slot, ordered) for slot in slots
                ]
                for launch in launches:
                    launch.result()
            except BaseException:
                pool.kill()
                raise

    def _play_launch(self, pool: LaunchPool, slot: LaunchSlot, wanted: Wanted) -> None:
        dice = random.Random(f"{self.options.seed} {slot.number}")
        for place, (setting, cases) in enumerate(wanted.items(), start=1):
            show_stage = partial(self._show_stage, slot, setting, place, len(wanted))
            task = self._task(setting, cases, slot, dice.randrange(SEEDS))
            if (slot.number, setting) in self._played:
                with self._lock:
                    self._add_to_results(self._played[slot.number, setting])
                continue
            if task.rivals and not self._stopped() and self._in_time(slot, setting):
                has_reader = slot.number == self.options.launch_with_reader
                reads_beside = has_reader and self._reads_peaks(slot, setting)
                slot_of_setting = replace(slot, reads_beside=reads_beside)
                outcomes = self._measure_with_peaks(pool, slot_of_setting, task, show_stage)
                if self.interrupted and len(outcomes) < len(task.rivals):
                    break  # unfinished: --resume plays the setting again
                self._record_together(slot_of_setting, outcomes)
                self._end_cases_without_layer(task, slot_of_setting, outcomes)
            self._pace.step()
        pool.close(slot)

    def _measure_with_peaks(
        self, pool: LaunchPool, slot: LaunchSlot, task: Task, show_stage: ShowStage
    ) -> list[CaseInLaunch]:
        show_stage("starting")
        pool.open(slot, task.setting.backend)  # importing is no price of a setting
        with self._budget.paying(task.setting):
            outcomes = pool.measure(slot, task, show_stage)
        if slot.reads_beside or not self._reads_peaks(slot, task.setting):
            return outcomes
        return pool.add_peaks(slot, task, outcomes, show_stage)

    def _reads_peaks(self, slot: LaunchSlot, setting: Setting) -> bool:
        """Decide and note that this launch reads peak memory: once a setting, and again in doubt.

        If the launch that should read it was interrupted, the next one of the resumed run does. A
        reader takes about as long as a new launch, and a budget must have that left.
        """
        if self.interrupted or not (self.options.reads_peak_memory and setting.on_cpu):
            return False
        if not self._budget.fits_any([setting], beyond_fewest=False):
            return False
        if slot.number < self.options.launch_with_reader:
            return False
        with self._lock:
            first = setting not in self._peaks_read
            self._peaks_read.add(setting)
        return first or (self._is_beyond_fewest(slot.group) and setting in self._doubtful_peaks)

    def _in_time(self, slot: LaunchSlot, setting: Setting) -> bool:
        """Decide once for all launches of a group whether they play a setting."""
        with self._lock:
            if is_again(slot.number):
                fits = self._budget.fits_again(setting)
            else:
                fits = self._budget.fits(setting, beyond_fewest=self._is_beyond_fewest(slot.group))
            return self._fits.setdefault((slot.group[0], setting), fits)

    def _show_stage(
        self, slot: LaunchSlot, setting: Setting, place: int, settings: int, doing: str
    ) -> None:
        launches = self.options.launches
        is_more = self._is_beyond_fewest(slot.group)
        of = f"at most {launches.most}" if is_more else str(launches.fewest)
        launch = f"launch {slot.number} of {of}"
        launch = "disturbed settings again" if is_again(slot.number) else launch
        where = f"{launch} · setting {place} of {settings}"
        with self._lock:
            left = self._seconds_left(slot.group, place, settings)
            seconds = self._pace.seconds_gone, left
            self._display.show(progress.StageBegun(where, f"{doing} · {setting.label}", *seconds))

    def _seconds_left(self, group: Sequence[int], place: int, settings: int) -> float:
        """Return the seconds that the remaining launches take, or those that they may take."""
        launches, pace, budget = self.options.launches, self._pace, self._budget
        if is_again(group[0]):
            return budget.left_again
        played = group[0] - 1 + len(group) * (place - 1) / settings
        more = launches.most - max(played, launches.fewest)
        imports = more * budget.import_seconds / 2  # they come in pairs, which import at once
        most = pace.seconds_for((launches.most - played) * settings) + imports
        fewest = pace.seconds_for(max(0, launches.fewest - played) * settings)
        within = max(fewest, min(most, budget.left(beyond_fewest=True)))
        return max(0.0, min(within, budget.left(beyond_fewest=False)))

    def _record_together(self, slot: LaunchSlot, outcomes: Sequence[CaseInLaunch]) -> None:
        """Record how a setting's rivals ended, without facts that launches beside it disturbed."""
        lines = [replace(outcome, rivals=len(outcomes)) for outcome in outcomes]
        if slot.at_once > 1 and not self.options.two_sided:
            unknown = dict.fromkeys(WAITED_FACTS)
            lines = [replace(line, facts=replace(line.facts, **unknown)) for line in lines]
        with self._lock:
            self._add_to_results(lines)
            if lines:
                self._record(lines)

    def _end_cases_without_layer(
        self, task: Task, slot: LaunchSlot, outcomes: Iterable[CaseInLaunch]
    ) -> None:
        """End the cases of other settings with the same inner layer, if it could not be made.

        Cases that were measured before are left: their layer could be made.
        """
        rivals = {rival.name: rival for rival in task.rivals}
        without_layer = {
            _layer_key(task.setting, rivals[outcome.case.strategy]): outcome
            for outcome in outcomes
            if outcome.status is Status.NO_LAYER
        }
        if not without_layer:
            return
        ended: dict[Setting, list[CaseInLaunch]] = defaultdict(list)
        with self._lock:
            for case, result in self.results.items():
                if result.launches or not self._is_open(case):
                    continue
                rival = self.catalogue.rival(case, slot.number)
                if outcome := without_layer.get(_layer_key(case.setting, rival)):
                    ended[case.setting].append(replace(outcome, case=case))
            for lines in ended.values():
                self._record_together(slot, lines)

    def _add_to_results(self, lines: Iterable[CaseInLaunch]) -> None:
        for line in lines:
            facts = line.facts
            if (facts.peak_bytes, facts.peak_bytes_below) != (None, None):
                self._peaks_read.add(line.case.setting)
            result = self.results.get(line.case)
            if result is None:
                continue
            self.results[line.case] = result.plus(line)
            self._referee.take(line)

    def _is_open(self, case: Case) -> bool:
        return self.results[case].status is Status.MEASURED

    def _stopped(self) -> bool:
        failed = {
            (case.setting.workload, result.reason) if result.status is Status.NO_LAYER else case
            for case, result in self.results.items()
            if result.status not in {Status.MEASURED, *SKIPPED}
            and not self.catalogue.strategies[case.strategy].is_other_side
        }
        return self.interrupted or 0 < self.options.stop_after <= len(failed)

    def _task(self, setting: Setting, cases: Iterable[Case], slot: LaunchSlot, seed: int) -> Task:
        workload, options = self.catalogue.workloads[setting.workload], self.options
        chosen = [case for case in cases if self._is_open(case)]
        is_first = slot.number == 1 and not options.once
        is_usual = not (options.two_sided or workload.is_model)
        round_seconds = _ROUND_SECONDS * (_LONGER if self._is_beyond_fewest(slot.group) else 1)
        return Task(
            setting=setting,
            rivals=tuple(self.catalogue.rival(case, slot.number) for case in chosen),
            factory=workload.factory,
            inputs=workload.inputs,
            seed=seed,
            launch=slot.number,
            round_seconds=0.0 if options.once else round_seconds,
            is_model=workload.is_model,
            data=workload.data,
            memory_bytes=options.memory_limit,
            varying_limit=options.first_call_limit,
            counts_operations=is_first and options.two_sided,
            names_device=is_first and is_usual,
        )


def _layer_key(setting: Setting, rival: RivalSpec) -> tuple[object, ...]:
    """Return what making an inner layer depends on, which no size does."""
    axes = setting.workload, setting.dtype, setting.device, setting.backend
    return *axes, rival.layer, rival.in_other_python


def _draw_order(settings: Sequence[Setting], dice: random.Random) -> list[Setting]:
    """Draw an order in which settings that differ in the backend alone stay together."""
    place: dict[Setting, int] = {}
    drawn = dice.sample(settings, len(settings))
    for setting in drawn:
        place.setdefault(replace(setting, backend=Backend.TENSORFLOW), len(place))
    return sorted(drawn, key=lambda setting: place[replace(setting, backend=Backend.TENSORFLOW)])


def by_setting(cases: Iterable[Case]) -> dict[Setting, list[Case]]:
    by_setting: dict[Setting, list[Case]] = defaultdict(list)
    for case in cases:
        by_setting[case.setting].append(case)
    return dict(by_setting)
