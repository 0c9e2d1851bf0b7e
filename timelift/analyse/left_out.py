"""What a run was asked for and has no figure of, each reason once.

What fails, takes too long, cannot run here or was not begun is always told. A refusal is told if
the strategy was asked for: it was named by `--strategies`, or none was and it is the usual code or
`native`. In a setting with less than two lifts that have figures all refusals are told, since they
are why nothing is compared there. Others are expected of a grid that tries everything.
"""

import contextlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter

from timelift.analyse.ranking import lift_measurements
from timelift.analyse.results import Run
from timelift.case import SKIPPED, AxisValue, Case, Setting, Status
from timelift.inner_layer import TIME_DISTRIBUTED
from timelift.measurement import Measurement

#: The strategies of a default grid that are measured for their own sake.
_ASKED_BY_DEFAULT = frozenset({TIME_DISTRIBUTED, "native"})
_NUMBER = re.compile(r"\d[\d.,]*(?:e[+-]?\d+)?")


class Kind(AxisValue):
    """How it is told that cases have no figure; what is told first comes first."""

    GIVEN_UP = "given up"
    FAILED = "failed"
    LEFT_OUT = "left out"
    EXPECTED = "refused"


@dataclass(frozen=True)
class LeftOut:
    """Cases without a figure for one reason; reasons that differ in numbers alone are one.

    `asked_in` are all settings of the `strategies`. What was not begun has no `reason`.
    """

    kind: Kind
    status: Status
    reason: str
    cases: tuple[Case, ...]
    strategies: tuple[str, ...]
    settings: tuple[Setting, ...]
    asked_in: tuple[Setting, ...]


def left_out(run: Run) -> list[LeftOut]:
    """Return what has no figure, a finding or a failure first."""
    asked = [*run.measurements, *_not_begun(run)]
    lifts = Counter(each.case.setting for each in lift_measurements(run) if each.was_measured)
    is_named = run.header.options.get("strategies") not in {None, "", "all"}
    groups: dict[tuple[Kind, Status, str], list[Measurement]] = defaultdict(list)
    for each in asked:
        is_asked = is_named or each.case.strategy in _ASKED_BY_DEFAULT
        if not each.was_measured:
            kind = _kind(each.status, is_expected=not is_asked and lifts[each.case.setting] > 1)
            groups[kind, each.status, _NUMBER.sub("0", each.reason)].append(each)
    found = []
    for (kind, status, _), group in groups.items():
        names = dict.fromkeys(each.case.strategy for each in group)
        settings = {each.case.setting for each in group}
        asked_in = {each.case.setting for each in asked if each.case.strategy in names}
        cases = tuple(each.case for each in group)
        of_settings = tuple(sorted(settings)), tuple(sorted(asked_in))
        found.append(LeftOut(kind, status, group[0].reason, cases, tuple(names), *of_settings))
    return sorted(found, key=attrgetter("kind"))


def _not_begun(run: Run) -> Iterator[Measurement]:
    """Yield the cases that a run which was cut short ended before."""
    for label in (run.header.planned or ()) if run.cut_short else ():
        with contextlib.suppress(ValueError):
            if (case := Case.from_label(label)) not in run.by_case:
                yield Measurement(case)


def _kind(status: Status, *, is_expected: bool) -> Kind:
    if status is Status.TRACING_LIMIT:
        return Kind.GIVEN_UP
    if status not in SKIPPED | {Status.MEASURED}:
        return Kind.FAILED
    return Kind.EXPECTED if is_expected and status is Status.REFUSED else Kind.LEFT_OUT
