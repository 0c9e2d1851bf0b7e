"""The campaign: which settings every launch plays, and what each case came to.

Launches are the outer loop, so that the launches of a setting lie apart in time and see the slow
drift of the machine; within a launch the settings come in an order drawn anew.
"""

import functools
import random
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from timelift.case import Case, Setting, Status
from timelift.measure.grid import Catalogue
from timelift.measure.launch import Launch, Limits, Outcome
from timelift.measure.turns import Turns
from timelift.measure.wire import Rival, Task

#: Seeds fit the generators of every library involved.
_SEEDS = 2**31


@dataclass(frozen=True)
class Plan:
    """How much to measure: the number of launches, each rival's seconds of rounds, the limits.

    `stop_after` failures (pytest's `--maxfail`) end the campaign early; 0 never does.
    """

    launches: int
    round_seconds: float
    seed: int
    limits: Limits
    stop_after: int = 0


@dataclass
class Result:
    """A case as the campaign leaves it: its status, and its samples launch by launch."""

    case: Case
    status: Status = Status.MEASURED
    reason: str = ""
    launches: list[Mapping[str, Any]] = field(default_factory=list)


Record = Callable[[Mapping[str, Any]], None]
#: Called with the share of the campaign that is done and what is going on.
Show = Callable[[float, str], None]


class Campaign:
    """Measure cases by launches; `results` fills while `run` goes on.

    The first launch runs alone, since its build, trace and first-call seconds are facts. The others
    come in pairs that build side by side, which takes about a third off their
    price, and play in turns.
    """

    def __init__(self, cases: Iterable[Case], catalogue: Catalogue, plan: Plan) -> None:
        self.plan, self.catalogue = plan, catalogue
        self.results = {case: Result(case) for case in cases}
        self._lock, self._played = threading.RLock(), 0
        self._live: list[Launch] = []
        self._to_play = plan.launches * len(self._open_settings())

    def run(self, record: Record, show: Show) -> None:
        """Play every launch; each finished case of each launch is recorded before the next."""
        last = self.plan.launches
        pairs = [tuple(range(first, min(first + 2, last + 1))) for first in range(2, last + 1, 2)]
        for numbers in [(1,), *pairs]:
            settings = self._open_settings()
            if settings and not self._stopped():
                self._side_by_side(numbers, settings, record, show)

    def _side_by_side(
        self, numbers: tuple[int, ...], settings: list[Setting], record: Record, show: Show
    ) -> None:
        """Run launches together through the settings, in an order drawn anew."""
        random.Random(f"{self.plan.seed} {numbers}").shuffle(settings)
        turns = Turns()
        with ThreadPoolExecutor(len(numbers)) as pool:
            try:
                parts = [
                    pool.submit(self._launch, number, len(numbers), settings, turns, record, show)
                    for number in numbers
                ]
                for part in parts:
                    part.result()
            except BaseException:
                self._kill()
                raise

    def _kill(self) -> None:
        with self._lock:
            for launch in self._live:
                launch.kill()

    def _launch(  # noqa: PLR0913, PLR0917 - what one launch shares with its twin
        self,
        number: int,
        together: int,
        settings: list[Setting],
        turns: Turns,
        record: Record,
        show: Show,
    ) -> None:
        dice = random.Random(f"{self.plan.seed} {number}")
        self._show(show, f"launch {number}/{self.plan.launches}: importing the backend")
        with Launch("tensorflow", self.plan.limits.times(together), turns) as launch:
            self._live.append(launch)
            for setting in settings:
                where = f"launch {number}/{self.plan.launches}: {setting.label}: "
                watch = functools.partial(self._watch, show, where)
                task = self._task(setting, dice.randrange(_SEEDS))
                if task.rivals and not self._stopped():
                    outcomes = launch.measure(task, watch)
                    self._take_all(setting, number, together, outcomes, record)
                self._played += 1
            self._live.remove(launch)

    def _watch(self, show: Show, where: str, doing: str) -> None:
        self._show(show, where + doing)

    def _show(self, show: Show, text: str) -> None:
        with self._lock:
            show(self._played / self._to_play, text)

    def _take_all(
        self,
        setting: Setting,
        number: int,
        together: int,
        outcomes: Iterable[Outcome],
        record: Record,
    ) -> None:
        with self._lock:
            for outcome in outcomes:
                self._take(Case(setting, outcome.rival.name), number, together, outcome, record)

    def _take(
        self, case: Case, number: int, together: int, outcome: Outcome, record: Record
    ) -> None:
        result, samples = self.results[case], {}
        if outcome.samples is None:
            result.status, result.reason = outcome.status, outcome.reason
        else:
            facts = outcome.samples["facts"]
            kept = {name: facts[name] for name in facts if together == 1 or name not in _ALONE}
            samples = {**outcome.samples, "facts": kept}
            result.launches.append({"launch": number, **samples})
        record(
            {
                "kind": "launch",
                "launch": number,
                "case": case.fields(),
                "status": outcome.status,
                "reason": outcome.reason,
                **samples,
            }
        )

    def _open_settings(self) -> list[Setting]:
        """Settings with a rival left, in the order of the cases."""
        return list(dict.fromkeys(case.setting for case in self.results if self._open(case)))

    def _open(self, case: Case) -> bool:
        return self.results[case].status is Status.MEASURED

    def _stopped(self) -> bool:
        failed = sum(one.status not in _NO_FAULT for one in self.results.values())
        return 0 < self.plan.stop_after <= failed

    def _task(self, setting: Setting, seed: int) -> Task:
        workload = self.catalogue.workloads[setting.workload]
        names = [one.strategy for one in self.results if one.setting == setting and self._open(one)]
        chosen = [self.catalogue.strategies[name] for name in names]
        return Task(
            setting=setting,
            rivals=tuple(Rival(one.name, str(one.path), one.parameters) for one in chosen),
            factory=workload.factory,
            features=workload.features,
            seed=seed,
            round_seconds=self.plan.round_seconds,
            input_dtype=workload.input_dtype,
            input_high=workload.input_high,
        )


_NO_FAULT = frozenset({Status.MEASURED, Status.REFUSED, Status.UNAVAILABLE, Status.TRACING_LIMIT})
#: Facts in seconds that mean nothing when two launches build side by side.
_ALONE = frozenset({"build_seconds", "trace_seconds", "first_call_seconds"})
