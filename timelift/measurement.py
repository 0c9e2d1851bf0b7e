"""A case in a launch, from the worker to the analysis; and a case with all its launches.

A worker reports a `CaseInLaunch` once a rival has ended, the campaign writes it into the journal,
and a `Measurement` is all that a journal holds of one case. In the standard library alone, since a
worker's interpreter may have no package of ours.
"""

import itertools
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property, reduce
from typing import Annotated, Any, get_type_hints

from timelift.axis_values import Status
from timelift.case import Case, Setting

# Facts -------------------------------------------------------------------------------------------

Number = int | float


class Merge(StrEnum):
    """How a fact is merged over launches."""

    LARGEST = "largest"
    #: What a user waits for once: the geometric mean, where all are positive.
    WAITED = "waited"
    MEDIAN = "median"


@dataclass(frozen=True)
class FactRule:
    """How a fact is merged, and whether tables of cases show it.

    An `exact` fact is the same in every launch, so any change of it is a change of the code. Where
    `more_is_worse`, only an increase counts. Notebooks show the `unit`.
    """

    merge: Merge = Merge.MEDIAN
    shown: bool = False
    exact: bool = False
    #: The fact that holds a bound where this one is unknown.
    bound: str = ""
    more_is_worse: bool = True
    unit: str = ""


_Waited = Annotated[Number | None, FactRule(Merge.WAITED, shown=True, unit="seconds")]
_Started = Annotated[Number | None, FactRule(Merge.WAITED, bound="first_call_seconds")]
_EXACT = FactRule(Merge.LARGEST, shown=True, exact=True)
_Exact = Annotated[Number | None, _EXACT]
_Weights = Annotated[Number | None, replace(_EXACT, more_is_worse=False)]
_Memory = Annotated[
    Number | None, FactRule(Merge.LARGEST, shown=True, bound="peak_bytes_below", unit="bytes")
]
_Error = Annotated[
    Number | None, FactRule(Merge.LARGEST, shown=True, unit="largest relative difference")
]
_Bytes = Annotated[Number | None, FactRule(Merge.LARGEST, shown=True, unit="bytes")]
_Shown = Annotated[Number | None, FactRule(shown=True)]
_HIDDEN = FactRule()
_Hidden = Annotated[Number | None, _HIDDEN]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The facts of one case in one launch; None where unknown."""

    build_seconds: _Waited = None
    trace_seconds: _Waited = None
    #: Of a model that a runtime executes; there a first call is the load and one call.
    export_seconds: _Waited = None
    load_seconds: _Waited = None
    #: The trace included.
    first_call_seconds: _Waited = None
    #: From its file's import to the end of the first call, without checks. Older files have none.
    start_seconds: _Started = None
    #: Of its model, or where lengths vary of a hundred calls.
    traces: _Exact = None
    #: Where lengths vary, what all traces take, and their share of `CALLS_OF_A_RUN` calls. Older
    #: files have the share of a hundred calls alone.
    tracing_seconds: Annotated[Number | None, FactRule(shown=True, unit="seconds")] = None
    tracing_share: _Shown = None
    graph_nodes: _Exact = None
    #: The axes of the largest tensor in an exported model, which some chips bound, and its size.
    largest_rank: Annotated[Number | None, FactRule(Merge.LARGEST, shown=True)] = None
    artefact_bytes: _Bytes = None
    #: Of a call. The host's is read in one launch and in those that try a suspect, a GPU's in all.
    peak_bytes: _Memory = None
    weights: _Weights = None
    #: In int8, the share of its numbers that are.
    quantised_share: _Hidden = None
    #: Of one call.
    valid_steps: _Shown = None
    law_error: _Error = None
    #: In place of a `peak_bytes` that is too small to be read.
    peak_bytes_below: _Hidden = None
    #: The share of the weights' gradients that are zero, or too small for Adam's second moment.
    zero_gradients: _Hidden = None
    #: Of a train step on a CPU: what `fit` adds to it, or takes from it if that is negative.
    fit_adds_seconds: _Hidden = None
    #: Rounds that are lost because a rival retraced.
    dropped_rounds: _Hidden = None
    #: The processors that other programs took of those that the worker may use, on average.
    others_cores: _Hidden = None
    #: What of them the worker might have used itself, by its threads and its quota.
    missing_cores: _Hidden = None
    #: The share of the processors' time that a hypervisor took during the rounds.
    stolen_share: _Hidden = None
    #: Periods in which a container's quota stopped the worker.
    throttled_periods: _Hidden = None
    #: The two beats of `timelift.canary`: a hash, and a copy of memory.
    canary_seconds: _Hidden = None
    copy_seconds: _Hidden = None
    #: Beside served calls, the 99th percentile of a fixed piece of work over its median.
    canary_tail: _Hidden = None
    #: 1 if the device's clocks were held down when the rounds had been played.
    throttled: _Hidden = None
    #: The number of nodes of each kind in its traced graph or exported model, in the first launch
    #: of a run against another side, or of what a runtime executes.
    operations: Annotated[dict[str, int] | None, _HIDDEN] = None
    #: What training may add to the layer, as its state and losses tell in the first launch.
    added: Annotated[list[str] | None, _HIDDEN] = None
    #: What the strategy makes in training of what is `added`, by the constant that declares it: the
    #: word that was observed, else the declared one, else `source.UNKNOWN`. In the first launch,
    #: where a call differentiates.
    meaning: Annotated[dict[str, str] | None, _HIDDEN] = None
    #: In the first launch of a usual run: the device's name and the switches of its backend.
    engine: Annotated[dict[str, Any] | None, _HIDDEN] = None

    def number(self, name: str) -> float | None:
        value: Number | None = getattr(self, name)
        return None if value is None else float(value)

    def number_or_bound(self, name: str) -> float | None:
        value, bound = self.number(name), FACT_RULES[name].bound
        return self.number(bound) if value is None and bound else value

    def fields(self) -> dict[str, Any]:
        """Return the facts that are known, by name."""
        values = ((name, getattr(self, name)) for name in FACT_RULES)
        return {name: value for name, value in values if value is not None}


FACT_RULES: Mapping[str, FactRule] = {
    name: kind.__metadata__[0] for name, kind in get_type_hints(Facts, include_extras=True).items()
}
SHOWN_FACTS = tuple(name for name, rule in FACT_RULES.items() if rule.shown)
#: The gravest first: another layer, another graph, traced again.
EXACT_FACTS = tuple(reversed([name for name, rule in FACT_RULES.items() if rule.exact]))
#: Facts that mean nothing in a launch that builds beside another process.
WAITED_FACTS = tuple(name for name, rule in FACT_RULES.items() if rule.merge is Merge.WAITED)


# A case in a launch ------------------------------------------------------------------------------

#: The most launches that a run may be asked for.
MOST_LAUNCHES = 1_000
#: A launch that misses more processors than this was disturbed: what is counted of them comes in
#: ticks of 10 ms, over a second or more.
MISSING_CORES = 0.1
#: Undisturbed launches beside which disturbed ones do not count: as many as a verdict needs.
ENOUGH_LAUNCHES = 3


@dataclass(frozen=True)
class CaseInLaunch:
    """One case in one launch; a status other than `measured` has a reason and no samples.

    `number` is the launch's, from 1. `seconds_per_call` has a value for each round, NaN where the
    rival sat it out: position `i` of every rival of the setting in the launch is the same moment.
    `bursts` are the numbers of rounds that were played in a row, between which its launch did what
    else it had to do; empty in older files. A sample is its seconds per call times
    `calls_per_sample`, which is 1 where a file lacks it. `rivals` is how many lines of the journal
    were written together. `mark` is that of the machine, '' in older files; `run` that of its run,
    where several were put together, and is in no file.
    """

    case: Case
    number: int
    rivals: int | None = None
    status: Status = Status.MEASURED
    reason: str = ""
    seconds_per_call: Sequence[float] = ()
    bursts: Sequence[int] = ()
    calls_per_sample: int = 1
    facts: Facts = Facts()
    mark: str = ""
    run: str = ""

    @property
    def machine(self) -> str:
        """The machine of the mark, without the cores that a process was bound to."""
        return machine_of(self.mark)

    @cached_property
    def median_seconds(self) -> float:
        """The median seconds per call; NaN where no round was played."""
        return median(seconds for seconds in self.seconds_per_call if not math.isnan(seconds))

    @property
    def was_timed(self) -> bool:
        return not all(map(math.isnan, self.seconds_per_call))

    @property
    def is_disturbed(self) -> bool:
        """True if other programs took cores that the launch might have used; False if unknown."""
        return is_disturbance(self.facts.number("missing_cores"))

    def fields(self) -> dict[str, Any]:
        """Return fields for JSON: the median before the samples, which a reader may then skip."""
        fields = {
            "kind": "launch",
            "launch": self.number,
            "rivals": self.rivals,
            "mark": self.mark or None,
            "case": self.case.fields(),
            "status": self.status,
            "reason": self.reason or None,
        }
        if self.status is Status.MEASURED:
            fields |= {
                "median_seconds_per_call": self.median_seconds if self.was_timed else None,
                "seconds_per_call": [None if math.isnan(x) else x for x in self.seconds_per_call],
                "bursts": [*self.bursts] or None,
                "calls_per_sample": self.calls_per_sample,
                "facts": self.facts.fields(),
            }
        return {name: value for name, value in fields.items() if value is not None}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "CaseInLaunch":
        """Rebuild what `fields` returns, as a worker sent it.

        Lines of a file are read with checks (`timelift.journal.reading`).
        """
        rounds = fields.get("seconds_per_call", ())
        return cls(
            Case.from_fields(fields["case"]),
            fields["launch"],
            status=Status(fields["status"]),
            reason=fields.get("reason", ""),
            seconds_per_call=[math.nan if seconds is None else seconds for seconds in rounds],
            bursts=fields.get("bursts", ()),
            calls_per_sample=fields.get("calls_per_sample", 1),
            facts=Facts(**fields.get("facts", {})),
        )


#: The fewest calls of which a share tells a percentile: four lie beyond it.
LEAST_CALLS = {0.9: 40, 0.99: 400}


def percentile(seconds: Iterable[float], share: float) -> float | None:
    """Return what such a share of served calls, one of `LEAST_CALLS`, takes at most.

    NaN is no call. Return None if there are too few.
    """
    calls = sorted(_played(seconds))
    return calls[math.ceil(share * len(calls)) - 1] if len(calls) >= LEAST_CALLS[share] else None


def tail(seconds: Sequence[float]) -> float | None:
    """Return the 99th percentile of served calls over their median, or None likewise."""
    slow = percentile(seconds, 0.99)
    return None if slow is None else slow / median(_played(seconds))


def _played(seconds: Iterable[float]) -> list[float]:
    return [each for each in seconds if not math.isnan(each)]


def machine_of(mark: str) -> str:
    """Return the machine of a mark, without the cores that a process was bound to."""
    return mark.partition("-")[0]


def is_disturbance(missing_cores: float | None) -> bool:
    return (missing_cores or 0.0) > MISSING_CORES


def is_again(number: int) -> bool:
    """True if a run's launch, by its number, plays disturbed settings again."""
    return number > MOST_LAUNCHES


def median(seconds: Iterable[float]) -> float:
    """Return the median of samples, none of them NaN; NaN where there are none.

    Of an even number it is the geometric mean of the two in the middle, since times are compared by
    their ratios.
    """
    ordered = sorted(seconds)
    count = len(ordered)
    return math.sqrt(ordered[(count - 1) // 2] * ordered[count // 2]) if ordered else math.nan


# A case with its launches ------------------------------------------------------------------------

_MOST_SWITCHES = 20


@dataclass(frozen=True)
class Measurement:
    """A case with the launches that measured it; another status has a `reason`."""

    case: Case
    status: Status = Status.MEASURED
    launches: tuple[CaseInLaunch, ...] = ()
    reason: str = ""

    @property
    def was_measured(self) -> bool:
        """True if the case did not fail in any launch and has samples."""
        return self.status is Status.MEASURED and self.timed_launches > 0

    @property
    def timed_launches(self) -> int:
        return sum(launch.was_timed for launch in self.launches)

    def plus(self, launch: CaseInLaunch) -> "Measurement":
        """Add a launch of the case; the status is that of the first which did not measure it."""
        if launch.status is Status.MEASURED:
            return replace(self, launches=(*self.launches, launch))
        if self.status is Status.MEASURED:
            return replace(self, status=launch.status, reason=launch.reason)
        return self


MeasurementsByCase = Mapping[Case, Measurement]


def without_disturbed(lines: Iterable[CaseInLaunch]) -> list[CaseInLaunch]:
    """Return lines without the samples of launches that `not_needed` names."""
    lines = [*lines]
    failed = {line.case for line in lines if line.status is not Status.MEASURED}
    timed = (line for line in lines if line.was_timed and line.case not in failed)
    out = not_needed((line.case, line.number, line.is_disturbed) for line in timed)
    return [
        replace(line, seconds_per_call=()) if (line.case.setting, line.number) in out else line
        for line in lines
    ]


def not_needed(timed: Iterable[tuple[Case, int, bool]]) -> set[tuple[Setting, int]]:
    """Return the disturbed launches of settings of which all rivals have `ENOUGH_LAUNCHES` others.

    `timed` has every case in a launch, True where it is disturbed. Which launch counts depends on
    other programs alone, and on no time.
    """
    timed = [*timed]
    quiet = Counter(case for case, _, is_disturbed in timed if not is_disturbed)
    needed = {(case.setting, number) for case, number, _ in timed if quiet[case] < ENOUGH_LAUNCHES}
    return {(case.setting, number) for case, number, is_disturbed in timed if is_disturbed} - needed


def merge(lines: Iterable[CaseInLaunch]) -> tuple[Measurement, ...]:
    """Merge lines by case in order of appearance; of two for one launch the first counts."""
    cases: dict[Case, dict[int, CaseInLaunch]] = {}
    for line in lines:
        cases.setdefault(line.case, {}).setdefault(line.number, line)
    merged = []
    for case, by_number in cases.items():
        launches = [by_number[number] for number in sorted(by_number)]
        merged.append(reduce(Measurement.plus, launches, Measurement(case)))
    return tuple(merged)


def fact(measurement: Measurement, name: str) -> float | None:
    """Return a fact of a case over its launches; None where no launch holds a number for it."""
    values = (launch.facts.number(name) for launch in measurement.launches)
    numbers = [value for value in values if value is not None]
    if not numbers:
        return None
    rule = FACT_RULES[name].merge
    if rule is Merge.LARGEST:
        return max(numbers)
    if rule is Merge.WAITED and min(numbers) > 0:
        return statistics.geometric_mean(numbers)
    return statistics.median(numbers)


def fact_or_bound(measurement: Measurement, name: str) -> tuple[float | None, bool]:
    """Return a fact of a case, or else the bound that it is below; and whether it is the bound."""
    value = fact(measurement, name)
    if value is not None:
        return value, False
    bounds = [launch.facts.number_or_bound(name) for launch in measurement.launches]
    bound = max((bound for bound in bounds if bound is not None), default=None)
    return bound, bound is not None


def engine_facts(measurement: Measurement) -> dict[str, str]:
    """Return the name of a case's device and its switches, such as tf32; empty where unknown."""
    engines = (launch.facts.engine for launch in measurement.launches)
    engine = next(filter(None, engines), {})
    pairs = itertools.islice(engine.items(), _MOST_SWITCHES)
    return {str(name): str(value) for name, value in pairs if isinstance(value, str | int | float)}


def trained_meaning(measurement: Measurement) -> dict[str, str]:
    """Return the `meaning` of a case, by constant; empty where no launch has asked for it."""
    told = (launch.facts.meaning for launch in measurement.launches)
    words: Mapping[str, Any] = next(filter(None, told), {})
    return {str(name): word for name, word in words.items() if isinstance(word, str)}


# Changes of exact facts --------------------------------------------------------------------------


@dataclass(frozen=True)
class FactChange:
    """One fact of one case, before and after; `worse` makes it a suspect.

    `before` and `after` are the positions of the two runs in a series of runs.
    """

    case: Case
    name: str
    old: float
    new: float
    worse: bool
    before: int = 0
    after: int = 1

    @property
    def breaks(self) -> bool:
        return self.worse and self.name == "traces"


def exact_change(case: Case, name: str, old: float | None, new: float | None) -> FactChange | None:
    """Return the change of an exact fact, None where there is none or a side is unknown."""
    if old is None or new is None or old == new:
        return None
    return FactChange(case, name, old, new, new > old or not FACT_RULES[name].more_is_worse)


def exact_changes(case: Case, old: Measurement, new: Measurement) -> tuple[FactChange, ...]:
    changes = (exact_change(case, name, fact(old, name), fact(new, name)) for name in EXACT_FACTS)
    return tuple(change for change in changes if change)
