"""The campaign: what a run has measured, what is due, and what it may still cost."""

import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from timelift.axis_values import SKIPPED, Status
from timelift.case import Case, Setting
from timelift.journal.files import PlayedSettings
from timelift.journal.lines import RunEnd
from timelift.measure import progress
from timelift.measure.catalogue import Catalogue
from timelift.measure.options import RunOptions
from timelift.measurement import WAITED_FACTS, CaseInLaunch, Measurement, is_again
from timelift.messages import PeakReading, RivalSpec, Task

#: Seeds fit the generators of every library involved.
_SEEDS = 2**31
#: Seconds of rounds that a rival plays in one of the fewest launches.
_ROUND_SECONDS = 0.1
#: Launches beyond the fewest play so many times as long: few rivals are left in them, each built
#: anew, so that longer rounds cost little more. By the measured spreads twice is near the cheapest.
_LONGER = 2

#: The cases to play, by setting.
Wanted = Mapping[Setting, Sequence[Case]]
#: Writes how the rivals of a setting ended in a launch, all together.
Write = Callable[[Sequence[CaseInLaunch]], None]


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
    """The cases of a run, which a player measures by launches; `results` fill meanwhile.

    Launches `played` before an interruption are kept, and not played again.
    """

    def __init__(  # noqa: PLR0913 - all that a run consists of
        self,
        cases: Iterable[Case],
        catalogue: Catalogue,
        options: RunOptions,
        referee: CampaignReferee,
        display: progress.Display,
        *,
        write: Write = lambda _: None,
        played: PlayedSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.catalogue, self.options = catalogue, options
        self.referee, self.display = referee, display
        self.results = {case: Measurement(case) for case in cases}
        self.played: PlayedSettings = played or {}
        self._under_way = set[tuple[int, Setting]]()
        self.clock = clock
        self.budget = progress.Budget(options.budget, options.spare_seconds, clock)
        self.pace = progress.Pace(clock)
        self.interrupted = False
        self._write = write
        self._doubtful: Wanted | None = None
        self._doubtful_peaks: frozenset[Setting] = frozenset()
        self._peaks_read, self._peaks_claimed = set[Setting](), set[Setting]()

    @property
    def plan(self) -> str:
        """How much there is to measure, in words."""
        return progress.plan_in_words(
            len(self.results), len(by_setting(self.results)), self.options
        )

    @property
    def exit_word(self) -> RunEnd:
        if self.interrupted:
            return RunEnd.INTERRUPTED
        is_cut_short = any(
            self._is_open(case) and len(result.launches) < self.options.launches.fewest
            for case, result in self.results.items()
        )
        return RunEnd.CUT_SHORT if is_cut_short and self.is_contested else RunEnd.COMPLETE

    @property
    def has_stopped(self) -> bool:
        """True once it was interrupted, or as many cases failed as the options allow."""
        failed = {
            (case.setting.workload, result.reason) if result.status is Status.NO_LAYER else case
            for case, result in self.results.items()
            if result.status not in {Status.MEASURED, *SKIPPED}
            and not self.catalogue.strategies[case.strategy].is_other_side
        }
        return self.interrupted or 0 < self.options.stop_after <= len(failed)

    # What is due ---------------------------------------------------------------------------------

    def _is_open(self, case: Case) -> bool:
        return self.results[case].status is Status.MEASURED

    @property
    def is_contested(self) -> bool:
        """True if more launches are worth it: two rivals are left in a setting, or two sides race.

        A run with one strategy in every setting is asked for its times, so they are worth it there.
        """
        left = [case for case in self.results if self._is_open(case)]
        has_pair = len({case.setting for case in left}) < len(left)
        is_alone = len(by_setting(self.results)) == len(self.results)
        return has_pair or self.options.two_sided or is_alone

    def is_beyond_fewest(self, number: int) -> bool:
        return number > self.options.launches.fewest

    def due(self, number: int) -> Wanted:
        """Return the cases for a launch to play; none if there is no time left for any.

        Beyond the fewest launches they are those of the last decision point that are still open.
        """
        if number > 1 and not self.is_contested:
            return {}
        if not self.is_beyond_fewest(number):
            return self._open(self.results)
        if self._doubtful is None or number - 1 in self.referee.decision_points:
            self._doubtful = self.doubtful()
        wanted = self._open(case for cases in self._doubtful.values() for case in cases)
        return wanted if self.budget.fits_any(wanted, beyond_fewest=True) else {}

    def doubtful(self) -> Wanted:
        """Return the open cases of which the referee wants more launches now.

        It may also doubt peaks, which are read again in these launches.
        """
        to_play = self.referee.to_play()
        self._doubtful_peaks = frozenset(case.setting for case in self.referee.doubts_peak_of())
        return self._open(case for case in self.results if case in to_play)

    def disturbed(self, number: int) -> Wanted:
        """Return the open cases with fewer undisturbed launches than usual ones.

        There has to be time to play them as the launch of this number, unless it was played.
        """
        cases = []
        for case, result in self.results.items():
            usual = sum(not is_again(launch.number) for launch in result.launches)
            quiet = sum(not launch.is_disturbed for launch in result.launches)
            if quiet < usual:
                cases.append(case)
        return {
            setting: own
            for setting, own in self._open(cases).items()
            if (number, setting) in self.played or self.budget.fits_again(setting)
        }

    def _open(self, cases: Iterable[Case]) -> dict[Setting, list[Case]]:
        return by_setting(filter(self._is_open, cases))

    def claim_reader(self, task: Task, when: PeakReading) -> bool:
        """Have the peak memory of a task read then; False if it is not.

        The reader goes to the first launch from `launch_with_reader` on that claims it; in a
        resumed run that may be a later one. It builds beside that launch, and after any other one.
        Further claims are granted where the referee doubts a peak, beyond the fewest launches. A
        reader takes about as long as a new launch, and a budget must have that left, where it knows
        how long one takes: on a cluster it does not.
        """
        options, setting, number = self.options, task.setting, task.launch
        if self.interrupted or not (options.reads_peak_memory and setting.on_cpu):
            return False
        if setting.is_exported:  # to export it once more takes longer than all its rounds
            return False
        is_beside = number == options.launch_with_reader
        if number < options.launch_with_reader or is_beside != (when is PeakReading.BESIDE):
            return False
        if not self.budget.fits_any([setting], beyond_fewest=False):
            return False
        is_first = setting not in self._peaks_read | self._peaks_claimed
        self._peaks_claimed.add(setting)
        return is_first or (self.is_beyond_fewest(number) and setting in self._doubtful_peaks)

    def give_back(self, task: Task) -> None:
        """Note that a task is lost, and that another launch may claim the reader that it had."""
        self._under_way.discard((task.launch, task.setting))
        if task.peaks is not PeakReading.NEVER:
            self._peaks_claimed.discard(task.setting)

    def task(self, number: int, setting: Setting, cases: Iterable[Case]) -> Task:
        """Return what a launch has to measure: those of the cases that are open."""
        dice = random.Random(f"{self.options.seed} {number} {setting.label}")
        workload, options = self.catalogue.workloads[setting.workload], self.options
        is_first = number == 1 and not options.once
        is_usual = not (options.two_sided or workload.is_model)
        round_seconds = _ROUND_SECONDS * (_LONGER if self.is_beyond_fewest(number) else 1)
        rivals = [self.catalogue.rival(case, number) for case in cases if self._is_open(case)]
        if rivals:
            self._under_way.add((number, setting))
        return Task(
            setting=setting,
            rivals=tuple(rivals),
            factory=workload.factory,
            inputs=workload.inputs,
            seed=dice.randrange(_SEEDS),
            launch=number,
            round_seconds=0.0 if options.once else round_seconds,
            is_model=workload.is_model,
            data=workload.data,
            memory_bytes=options.memory_limit,
            varying_limit=options.first_call_limit,
            counts_operations=is_first and options.two_sided,
            names_device=is_first and is_usual,
        )

    # What was measured ---------------------------------------------------------------------------

    def record(self, task: Task, lines: Sequence[CaseInLaunch], at_once: int = 1) -> None:
        """Record how the rivals of a task ended, and those that have the same inner layer.

        If a reader or other launches, of `at_once`, built beside it, facts that they disturbed are
        left out. If the inner layer could not be made, the cases of other settings with it end,
        too, except those that were measured before, whose layer could be made, and those that are
        under way, which end by themselves.
        """
        is_beside = at_once > 1 or task.peaks is PeakReading.BESIDE
        if is_beside and not self.options.two_sided:
            unknown = dict.fromkeys(WAITED_FACTS)
            lines = [replace(line, facts=replace(line.facts, **unknown)) for line in lines]
        self._under_way.discard((task.launch, task.setting))
        self._record_setting(lines)
        rivals = {rival.name: rival for rival in task.rivals}
        without_layer = {
            _layer_key(task.setting, rivals[line.case.strategy]): line
            for line in lines
            if line.status is Status.NO_LAYER
        }
        ended: dict[Setting, list[CaseInLaunch]] = defaultdict(list)
        for case, result in self.results.items() if without_layer else ():
            is_under_way = (task.launch, case.setting) in self._under_way
            if self._is_open(case) and not (result.launches or is_under_way):
                rival = self.catalogue.rival(case, task.launch)
                if line := without_layer.get(_layer_key(case.setting, rival)):
                    ended[case.setting].append(replace(line, case=case))
        for of_setting in ended.values():
            self._record_setting(of_setting)

    def _record_setting(self, lines: Sequence[CaseInLaunch]) -> None:
        together = [replace(line, rivals=len(lines)) for line in lines]
        self.take(together)
        if together:
            self._write(together)

    def take(self, lines: Iterable[CaseInLaunch]) -> None:
        """Add lines to the results that are written already."""
        for line in lines:
            if (line.facts.peak_bytes, line.facts.peak_bytes_below) != (None, None):
                self._peaks_read.add(line.case.setting)
            if line.case in self.results:
                self.results[line.case] = self.results[line.case].plus(line)
                self.referee.take(line)


def _layer_key(setting: Setting, rival: RivalSpec) -> tuple[object, ...]:
    """Return what making an inner layer depends on, which no size does."""
    axes = setting.workload, setting.dtype, setting.device, setting.backend
    return *axes, rival.layer, rival.in_other_python


def by_setting(cases: Iterable[Case]) -> dict[Setting, list[Case]]:
    by_setting: dict[Setting, list[Case]] = defaultdict(list)
    for case in cases:
        by_setting[case.setting].append(case)
    return dict(by_setting)
