"""Two stored runs beside each other: what was found between them, and each one's own figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from timelift.analyse.changes.decide import Decision, decision
from timelift.analyse.changes.judge import Findings, judge
from timelift.analyse.changes.shift import measured
from timelift.analyse.runs.measurement import Measurement, Run
from timelift.analyse.stats.verdicts import GATE_MARGIN
from timelift.case import Case, Setting


@dataclass(frozen=True)
class Side:
    """One of the two runs: its commit, and the seconds per call of its measured cases."""

    run: Run
    seconds: Mapping[Case, float]

    @cached_property
    def _by_setting(self) -> dict[Setting, list[float]]:
        found: dict[Setting, list[float]] = {}
        for case, seconds in self.seconds.items():
            found.setdefault(case.setting, []).append(seconds)
        return found

    def rank(self, case: Case) -> tuple[int, int]:
        """Return the place of a case among its rivals, the fastest first, and how many they are."""
        rivals = self._by_setting[case.setting]
        return 1 + sum(one < self.seconds[case] for one in rivals), len(rivals)


@dataclass(frozen=True)
class Compared:
    """Two runs and what was found between them; `advisory` where they are of two machines."""

    old: Side
    new: Side
    findings: Findings
    decision: Decision
    advisory: bool = False


def compared(
    old: Run,
    new: Run,
    history: Sequence[Run] = (),
    gate: float = GATE_MARGIN,
    *,
    advisory: bool = False,
) -> Compared:
    """Compare two runs; `history` are the machine's other runs in the order of their times."""
    findings = judge(old, new, history, gate)
    return Compared(_side(old), _side(new), findings, decision(old, new), advisory)


def _side(run: Run) -> Side:
    return Side(run, {case: _seconds(one) for case, one in measured(run).items()})


def _seconds(one: Measurement) -> float:
    return float(np.nanmedian([np.nanmedian(x.seconds_per_call) for x in one.launches]))
