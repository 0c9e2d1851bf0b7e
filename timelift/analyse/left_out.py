"""What a run was asked for and has no figure of, each reason once."""

import re
from collections import defaultdict
from dataclasses import dataclass

from timelift.analyse.results import Run
from timelift.axis_values import SKIPPED, UNSERVED, AxisValue, Status
from timelift.case import Case, Setting
from timelift.measurement import Measurement

_NUMBER = re.compile(r"0x[0-9a-f]+|\d+")


class Kind(AxisValue):
    """How it is told that cases have no figure; what is told first comes first."""

    GIVEN_UP = "given up"
    FAILED = "failed"
    NOT_SERVED = "not served"
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
        if self.status in UNSERVED:
            return Kind.NOT_SERVED
        skipped = self.status in SKIPPED | {Status.MEASURED}
        return Kind.LEFT_OUT if skipped else Kind.FAILED


def left_out(run: Run) -> list[LeftOut]:
    """Return what has no figure, a finding or a failure first, and then what has most cases."""
    begun = {*run.by_case, *(case.label for case in run.by_case)}
    planned = dict.fromkeys(run.header.planned_cases() if run.cut_short else ())
    not_begun = [one for one in planned if one not in begun]
    asked = [*run.measurements, *(Measurement(one) for one in not_begun if isinstance(one, Case))]
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
    if labels := tuple(one for one in not_begun if isinstance(one, str)):
        found.append(LeftOut(Status.MEASURED, "", (), labels, (), ()))
    return sorted(found, key=lambda group: (group.kind, -len(group.cases)))
