"""What a run was asked for and has no figure of, each reason once.

What fails, takes too long, cannot run here or was not begun is always told. A refusal is told if
the strategy was asked for: it was named by `--strategies`, or none was and it is the usual code or
`native`. In a setting with less than two lifts that have figures all refusals are told, since they
are why nothing is compared there. Others are expected of a grid that tries everything.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from timelift.analyse.ranking import lift_measurements
from timelift.analyse.results import Run
from timelift.case import SKIPPED, Case, Setting, Status
from timelift.inner_layer import TIME_DISTRIBUTED
from timelift.measurement import Measurement, fact

#: The strategies of a default grid that are measured for their own sake.
_ASKED_BY_DEFAULT = frozenset({TIME_DISTRIBUTED, "native"})
#: Lifts of a setting that make a comparison.
_CONTEST = 2
_NUMBER = re.compile(r"\d[\d.,]*(?:e[+-]?\d+)?")


@dataclass(frozen=True)
class LeftOut:
    """Cases without a figure for one `reason`, the first of those that differ in numbers alone.

    The `status` of what was not begun is `measured`. `asked_in` are all settings that any of the
    `strategies` was asked for in. With `is_everyone` nothing in the `settings` has a figure.
    """

    status: Status
    reason: str
    is_expected: bool
    strategies: tuple[str, ...]
    settings: tuple[Setting, ...]
    asked_in: tuple[Setting, ...]
    cases: int
    is_everyone: bool

    @property
    def is_failure(self) -> bool:
        return self.status not in SKIPPED | {Status.MEASURED}

    @property
    def was_given_up(self) -> bool:
        """True if tracing took too long, which is a finding."""
        return self.status is Status.TRACING_LIMIT


def left_out(run: Run) -> list[LeftOut]:
    """Return what has no figure: what was given up first, then failures, expected refusals last."""
    asked = [*run.measurements, *_not_begun(run)]
    lifts = Counter(each.case.setting for each in lift_measurements(run) if each.was_measured)
    is_named = run.header.options.get("strategies") not in {None, "", "all"}
    groups: dict[tuple[Status, str, bool], list[Measurement]] = defaultdict(list)
    for measurement in asked:
        if not measurement.was_measured:
            case, status = measurement.case, measurement.status
            is_asked = is_named or case.strategy in _ASKED_BY_DEFAULT
            is_expected = not is_asked and lifts[case.setting] >= _CONTEST
            reason = _NUMBER.sub("0", measurement.reason)
            groups[status, reason, is_expected and status is Status.REFUSED].append(measurement)
    cases = [measurement.case for measurement in asked]
    found = [_together(group, cases, is_expected=key[-1]) for key, group in groups.items()]
    return sorted(found, key=_place)


def _not_begun(run: Run) -> Iterator[Measurement]:
    """Yield the cases that a run which was cut short ended before."""
    for label in (run.header.planned or ()) if run.cut_short else ():
        try:
            case = Case.from_label(label)
        except ValueError:
            continue
        if case not in run.by_case:
            yield Measurement(case)


def _place(group: LeftOut) -> tuple[bool, bool, bool]:
    return group.is_expected, not group.was_given_up, not group.is_failure


def _together(group: Sequence[Measurement], asked: Sequence[Case], *, is_expected: bool) -> LeftOut:
    names = tuple(dict.fromkeys(measurement.case.strategy for measurement in group))
    settings = {measurement.case.setting for measurement in group}
    return LeftOut(
        status=group[0].status,
        reason=group[0].reason,
        is_expected=is_expected,
        strategies=names,
        settings=tuple(sorted(settings)),
        asked_in=tuple(sorted({case.setting for case in asked if case.strategy in names})),
        cases=len(group),
        is_everyone=len(group) == sum(case.setting in settings for case in asked),
    )


def quickest_to_trace(run: Run, setting: Setting) -> tuple[str, float] | None:
    """Return the lift of a setting with the shortest first call, and its seconds, if any is known.

    What was given up while it was traced is told beside it.
    """
    own = (each for each in lift_measurements(run) if each.case.setting == setting)
    firsts = ((fact(each, "first_call_seconds"), each) for each in own if each.was_measured)
    known = {each.case.strategy: seconds for seconds, each in firsts if seconds is not None}
    return min(known.items(), key=lambda item: item[1], default=None)
