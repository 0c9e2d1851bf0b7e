"""What a run was asked for and has no figure of, each reason once."""

import contextlib
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from timelift.analyse.results import Run
from timelift.case import SKIPPED, AxisValue, Case, Setting, Status
from timelift.measurement import Measurement

_NUMBER = re.compile(r"0x[0-9a-f]+|\d+")


class Kind(AxisValue):
    """How it is told that cases have no figure; what is told first comes first."""

    GIVEN_UP = "given up"
    FAILED = "failed"
    LEFT_OUT = "left out"


@dataclass(frozen=True)
class LeftOut:
    """Cases without a figure for one reason; reasons that differ in numbers alone are one.

    `asked_in` are all settings of the `strategies`. What was not begun has no `reason`.
    """

    status: Status
    reason: str
    cases: tuple[Case, ...]
    strategies: tuple[str, ...]
    settings: tuple[Setting, ...]
    asked_in: tuple[Setting, ...]

    @property
    def kind(self) -> Kind:
        if self.status is Status.TRACING_LIMIT:
            return Kind.GIVEN_UP
        skipped = self.status in SKIPPED | {Status.MEASURED}
        return Kind.LEFT_OUT if skipped else Kind.FAILED


def left_out(run: Run) -> list[LeftOut]:
    """Return what has no figure, a finding or a failure first, and then what has most cases."""
    asked = [*run.measurements, *_not_begun(run)]
    groups: dict[tuple[Status, str], list[Measurement]] = defaultdict(list)
    settings_of: dict[str, set[Setting]] = defaultdict(set)
    for each in asked:
        settings_of[each.case.strategy].add(each.case.setting)
        if not each.was_measured:
            groups[each.status, _NUMBER.sub("0", each.reason)].append(each)
    found, asked_of = [], dict[tuple[str, ...], tuple[Setting, ...]]()
    for (status, _), group in groups.items():
        cases = tuple(each.case for each in group)
        names = tuple(dict.fromkeys(case.strategy for case in cases))
        settings = tuple(sorted({case.setting for case in cases}))
        if names not in asked_of:
            asked_of[names] = tuple(sorted(set().union(*(settings_of[name] for name in names))))
        found.append(LeftOut(status, group[0].reason, cases, names, settings, asked_of[names]))
    return sorted(found, key=lambda group: (group.kind, -len(group.cases)))


def _not_begun(run: Run) -> Iterator[Measurement]:
    """Yield the cases that a run which was cut short ended before."""
    for label in (run.header.planned or ()) if run.cut_short else ():
        with contextlib.suppress(ValueError):
            if (case := Case.from_label(label)) not in run.by_case:
                yield Measurement(case)
