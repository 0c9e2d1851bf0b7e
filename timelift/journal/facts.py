"""The facts of a case beside its samples, and how each is merged over launches."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Any, get_type_hints

import msgspec

#: What an array of 64-bit numbers can hold; anything beyond is a slip.
_NO_SLIP = msgspec.Meta(ge=-(2**63), le=2**63 - 1)
Number = Annotated[int, _NO_SLIP] | Annotated[float, _NO_SLIP]


class Merge(StrEnum):
    LARGEST = "largest"
    #: What a user waits for once: the geometric mean, where all are positive.
    WAITED = "waited"
    MEDIAN = "median"


@dataclass(frozen=True)
class FactRule:
    """How a fact is merged, and whether tables of cases show it.

    One that is `exact` repeats itself in every launch, so any change of it is a change of the code:
    of weights in whichever direction, since others are another layer; of the rest `more_is_worse`.
    `unit` is what notebooks call its unit.
    """

    merge: Merge = Merge.MEDIAN
    shown: bool = False
    exact: bool = False
    #: The fact that holds a bound where this one is too small to be read.
    bound: str = ""
    more_is_worse: bool = True
    unit: str = ""


_WAITED = FactRule(Merge.WAITED, shown=True, unit="seconds")
_EXACT = FactRule(Merge.LARGEST, shown=True, exact=True)
_WEIGHTS = replace(_EXACT, more_is_worse=False)
_MEMORY = FactRule(Merge.LARGEST, shown=True, bound="peak_bytes_below", unit="bytes")
_ERROR = FactRule(Merge.LARGEST, shown=True, unit="largest relative difference")
_SHOWN, _HIDDEN = FactRule(shown=True), FactRule()


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The facts of one case in one launch; None where unknown."""

    build_seconds: Annotated[Number | None, _WAITED] = None
    trace_seconds: Annotated[Number | None, _WAITED] = None
    #: The trace included.
    first_call_seconds: Annotated[Number | None, _WAITED] = None
    traces: Annotated[Number | None, _EXACT] = None
    graph_nodes: Annotated[Number | None, _EXACT] = None
    #: Of a call: of the host's memory in one launch and in those that try a suspect, of a GPU's in
    #: all.
    peak_bytes: Annotated[Number | None, _MEMORY] = None
    weights: Annotated[Number | None, _WEIGHTS] = None
    #: Of one call.
    valid_steps: Annotated[Number | None, _SHOWN] = None
    law_error: Annotated[Number | None, _ERROR] = None
    #: In place of `peak_bytes` where that is too little to be read.
    peak_bytes_below: Annotated[Number | None, _HIDDEN] = None
    #: True if the sample length was found.
    steady: Annotated[bool | Number | None, _HIDDEN] = None
    #: Rounds that are lost because a rival retraced.
    dropped_rounds: Annotated[Number | None, _HIDDEN] = None
    #: What all threads waited for a processor, over the time of the rounds.
    waited_share: Annotated[Number | None, _HIDDEN] = None
    #: What a hypervisor took of the processors' time meanwhile.
    stolen_share: Annotated[Number | None, _HIDDEN] = None
    #: How often a container's quota held it back.
    throttled_periods: Annotated[Number | None, _HIDDEN] = None
    #: One beat of `timelift.canary`.
    canary_seconds: Annotated[Number | None, _HIDDEN] = None
    #: The place in the order of building, from 1.
    built: Annotated[Number | None, _HIDDEN] = None
    #: 1 if the device's clocks were held down when the rounds had been played.
    throttled: Annotated[Number | None, _HIDDEN] = None
    #: How many nodes of each kind its graph has as it was traced, in the first launch of a run
    #: against another side.
    operations: Annotated[dict[str, int] | None, _HIDDEN] = None
    #: Of gates of older versions: both sides run one program, so that neither was timed.
    same_program: Annotated[bool | None, _HIDDEN] = None
    #: Once for each device: its name and the switches of its backend.
    engine: Annotated[dict[str, Any] | None, _HIDDEN] = None

    def number(self, name: str) -> float | None:
        """Return a fact that is a number as a float; None where it is unknown."""
        value: Number | None = getattr(self, name)
        return None if value is None else float(value)

    def number_or_bound(self, name: str) -> float | None:
        """Return a fact, or the bound that it is below where no more is known."""
        value, bound = self.number(name), FACT_RULES[name].bound
        return self.number(bound) if value is None and bound else value

    def fields(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


FACT_RULES: Mapping[str, FactRule] = {
    name: kind.__metadata__[0] for name, kind in get_type_hints(Facts, include_extras=True).items()
}
SHOWN_FACTS = tuple(name for name, about in FACT_RULES.items() if about.shown)
#: The gravest first: another layer, another graph, traced again.
EXACT_FACTS = tuple(reversed([name for name, about in FACT_RULES.items() if about.exact]))
#: What means nothing of a launch that builds beside another process.
WAITED_FACTS = tuple(name for name, about in FACT_RULES.items() if about.merge is Merge.WAITED)


def merge_fact(name: str, launches: Sequence[Facts]) -> float | None:
    """Merge a fact over launches; None where none of them holds a number for it."""
    numbers = [value for one in launches if (value := one.number(name)) is not None]
    if not numbers:
        return None
    merge = FACT_RULES[name].merge
    if merge is Merge.LARGEST:
        return max(numbers)
    if merge is Merge.WAITED and min(numbers) > 0:
        return statistics.geometric_mean(numbers)
    return statistics.median(numbers)
