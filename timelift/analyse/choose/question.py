"""A question is a setting and a goal; the answer is a choice, or that it is undecided."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Any

from timelift.analyse.runs.measurement import Run
from timelift.case import AXES, Phase, Setting, option_flag
from timelift.errors import UserError, nearest

#: Options of a run without which its workload or its strategies would be others.
_TO_REPEAT = ("layer", "layer_file", "features", "input_dtype", "input_high")
#: What an option is where nothing was asked for.
_NOT_ASKED = frozenset({"", "0"})
_LARGEST_SIZE, _MOST_DIGITS = 2**31 - 1, 12


class Goal(StrEnum):
    TIME = "time"
    MEMORY = "memory"
    FIRST_CALL = "first-call"


@dataclass(frozen=True)
class ChooseQuestion:
    setting: Setting
    goal: Goal


def options_to_repeat(run: Run) -> dict[str, str]:
    values = {name: run.header.options.get(name) for name in _TO_REPEAT}
    return {
        name: one for name, one in values.items() if isinstance(one, str) and one not in _NOT_ASKED
    }


def ask(
    asked: Mapping[str, str], goal: str, run: Run, workloads: Iterable[str] = ()
) -> ChooseQuestion:
    """Return the words of a command line as a question to a run.

    An axis that is not asked about has its usual value, or the only one that was measured.
    `workloads` are those that could be measured. Raises UserError naming the option that is wrong.
    """
    given = {name: _read(name, asked[name]) for name in AXES if asked.get(name)}
    wanted = _member("goal", goal, Goal)
    known = [one.case.setting for one in run.measurements if one.was_measured]
    known = known or [one.case.setting for one in run.measurements]
    if "workload" in given:
        _check_workload(given["workload"], known, workloads)
    values: dict[str, Any] = {}
    for name in AXES:
        values[name] = given[name] if name in given else _usual(name, known)
        known = [one for one in known if getattr(one, name) == values[name]] or known
    return ChooseQuestion(Setting(**values), wanted)


def _read(name: str, text: str) -> Any:
    kind = AXES[name]
    if kind is int:
        least = 0 if name == "threads" else 1
        short = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
        if short and least <= int(text) <= _LARGEST_SIZE:
            return int(text)
        raise UserError(
            f"{option_flag(name)}: expected a whole number from {least}, received {text!r:.40}"
        )
    return text if kind is str else _member(name, text, kind)


def _member(name: str, text: str, kind: Any) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise UserError(
            f"{option_flag(name)}: unknown value {text!r}; {nearest(text, kind)}"
        ) from None


def _usual(name: str, known: Sequence[Setting]) -> Any:
    measured = sorted({getattr(one, name) for one in known})
    phase = Phase.BACKWARD if name == "gradients" else Phase.FORWARD
    sized = name in {"workload", "seq_len", "batch"}
    usual = None if sized else getattr(Setting("", 1, 1, phase), name)
    if usual in measured or len(measured) == 1:
        return usual if usual in measured else measured[0]
    raise UserError(
        f"expected {option_flag(name)}, since the run has several: {', '.join(map(str, measured))}"
    )


def _check_workload(name: str, known: Iterable[Setting], workloads: Iterable[str]) -> None:
    measured = {one.workload for one in known}
    others = set(workloads) - measured
    if name not in measured | others:
        hint = nearest(name, measured, not_in_run=others)
        raise UserError(f"--workload: unknown workload {name!r}; {hint}")


@dataclass(frozen=True)
class Position:
    """The measured settings around a question: one, two along `axis`, or four."""

    corners: tuple[Setting, ...]
    axis: str = ""

    @property
    def measured(self) -> bool:
        return len(self.corners) == 1


class Basis(Enum):
    MEASURED = auto()
    FASTEST_AT_BOTH = auto()
    AHEAD = auto()
    TIED = auto()
    FASTEST_IN_ALL = auto()
    LEAST_ON_EVERY_SIDE = auto()


class Doubt(Enum):
    NOT_MEASURED = auto()
    OUTSIDE = auto()
    NOT_AROUND = auto()
    ALONE = auto()
    ONE_LAUNCH = auto()
    DEAR = auto()
    ONE_SIDE = auto()
    DEAR_BETWEEN = auto()
    TOO_NEAR = auto()
    DIFFERENT_WINNERS = auto()
    NOT_SURE = auto()
    FACT_UNKNOWN = auto()
    FACT_MISSING = auto()


@dataclass(frozen=True)
class Alternative:
    """How many times the chosen strategy's value another one takes, and its interval.

    `shown` is what a verdict says of whether it takes more; without one, None, the interval does.
    """

    strategy: str
    ratio: float
    low: float = math.nan
    high: float = math.nan
    shown: bool | None = None

    @property
    def costs_more(self) -> bool:
        """True if it is known to cost more than the chosen one."""
        return self.low > 1 if self.shown is None else self.shown


@dataclass(frozen=True)
class SpeedUpHere:
    """How many times as fast as the baseline, with its 95 % interval; NaN if not known here.

    `is_shown` if they were shown to differ: at a measured size by a verdict, which asks for more
    than an interval without 1.
    """

    baseline: str
    times: float = math.nan
    low: float = math.nan
    high: float = math.nan
    is_shown: bool = False

    @property
    def is_known(self) -> bool:
        return math.isfinite(self.times)

    @property
    def has_interval(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)


@dataclass(frozen=True)
class Choice:
    """The answer: a strategy, its value with an interval, and what the others take.

    `value` is in seconds or bytes; it is below that where `is_bound`. `price` is the most that it
    costs over the best, as a ratio; NaN where nothing is claimed. `winners` are the fastest at both
    ends, the smaller size first, of a size that was not measured. `is_fastest` is false where
    another strategy took less time and this one has less to lose. `speed_up` is None where no
    baseline was measured. The first call and the peak are those of a measured size, NaN elsewhere;
    the peak is below `peak_bytes` where that `is_peak_bound`.
    """

    strategy: str
    position: Position
    launches: int
    value: float
    low: float
    high: float
    price: float
    others: tuple[Alternative, ...]
    basis: Basis = Basis.MEASURED
    winners: tuple[str, ...] = ()
    is_fastest: bool = True
    is_bound: bool = False
    speed_up: SpeedUpHere | None = None
    first_call_seconds: float = math.nan
    peak_bytes: float = math.nan
    is_peak_bound: bool = False

    @property
    def price_is_known(self) -> bool:
        return math.isfinite(self.price)

    @property
    def may_cost(self) -> bool:
        return self.price_is_known and self.price > 1

    @property
    def not_shown_to_cost_more(self) -> tuple[Alternative, ...]:
        """The alternatives that are not known to cost more."""
        return tuple(one for one in self.others if not one.costs_more)

    @property
    def costing_more(self) -> tuple[Alternative, ...]:
        return tuple(one for one in self.others if one.costs_more)


@dataclass(frozen=True)
class Undecided:
    """No answer: why, and between which strategies, if that is known.

    `longer` if only a long run may decide. `strategies` are those that the doubt is about, `price`
    what the first of them may cost, `fact` what is not known; `sizes` are the ends between which
    the question lies, `lengths` and `batches` the ranges that were measured.
    """

    doubt: Doubt
    between: tuple[str, ...] = ()
    longer: bool = False
    strategies: tuple[str, ...] = ()
    price: float = math.nan
    fact: str = ""
    sizes: tuple[int, int] = (0, 0)
    lengths: tuple[int, int] = (0, 0)
    batches: tuple[int, int] = (0, 0)
