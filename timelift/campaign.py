"""The campaign: which settings every launch plays, and what each case came to.

Launches are the outer loop, so that the launches of a setting lie apart in time and see the slow
drift of the machine; within a launch the settings come in an order drawn anew.
"""

import functools
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from timelift.case import Case, Setting, Status
from timelift.grid import Catalogue
from timelift.launch import Launch, Limits, Outcome
from timelift.wire import Rival, Task

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
    """Measure cases by launches; `results` fills while `run` goes on."""

    def __init__(self, cases: Iterable[Case], catalogue: Catalogue, plan: Plan) -> None:
        self.plan, self.catalogue = plan, catalogue
        self.results = {case: Result(case) for case in cases}

    def run(self, record: Record, show: Show) -> None:
        """Play every launch; each finished case of each launch is recorded before the next."""
        for number in range(1, self.plan.launches + 1):
            settings = self._open_settings()
            if not settings or self._stopped():
                return
            share = (number - 1) / self.plan.launches
            show(share, f"launch {number}/{self.plan.launches}: importing the backend")
            self._launch(number, settings, record, show)

    def _launch(self, number: int, settings: list[Setting], record: Record, show: Show) -> None:
        dice = random.Random(f"{self.plan.seed} {number}")
        dice.shuffle(settings)
        with Launch("tensorflow", self.plan.limits) as launch:
            for index, setting in enumerate(settings):
                where = f"launch {number}/{self.plan.launches}, setting {index + 1}/{len(settings)}"
                share = (number - 1 + index / len(settings)) / self.plan.launches
                watch = functools.partial(_watch, show, share, f"{where}: {setting.label}: ")
                task = self._task(setting, dice.randrange(_SEEDS))
                for outcome in launch.measure(task, watch):
                    self._take(Case(setting, outcome.rival.name), number, outcome, record)
                if self._stopped():
                    return

    def _take(self, case: Case, number: int, outcome: Outcome, record: Record) -> None:
        result = self.results[case]
        if outcome.samples is None:
            result.status, result.reason = outcome.status, outcome.reason
        else:
            result.launches.append({"launch": number, **outcome.samples})
        record(
            {
                "kind": "launch",
                "launch": number,
                "case": case.fields(),
                "status": outcome.status,
                "reason": outcome.reason,
                **(outcome.samples or {}),
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


def _watch(show: Show, share: float, where: str, doing: str) -> None:
    show(share, where + doing)


_NO_FAULT = frozenset({Status.MEASURED, Status.REFUSED, Status.UNAVAILABLE, Status.TRACING_LIMIT})
