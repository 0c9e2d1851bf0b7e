"""The answer in a few lines: what, how long, what it gains and costs, how to use it, the trust.

Names from the file are escaped in every line.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from timelift.analyse.choose.decide import DEAREST
from timelift.analyse.choose.question import (
    Alternative,
    Basis,
    Choice,
    ChooseQuestion,
    Doubt,
    Goal,
    SpeedUpHere,
    Undecided,
)
from timelift.case import Setting, TimeAxis
from timelift.errors import UserError, counted
from timelift.escape import plain
from timelift.present.advised import value_in_words
from timelift.present.changed import FACTS
from timelift.present.command_lines import to_measure
from timelift.present.recommended import LEAST_TO_LOSE, ONE_LAUNCH, over_the_best
from timelift.present.units import human_bytes, percent, three_figures, unit_for

#: How many slower alternatives are named.
_NAMED = 3
_FAR = 10.0
_UNITS = {"seq_len": "steps", "batch": "sequences"}
_BEST = {Goal.TIME: "fastest", Goal.MEMORY: "least memory", Goal.FIRST_CALL: "first call soonest"}


@dataclass(frozen=True)
class CodeToPaste:
    """Code for each strategy, in which the shape of a sequence is left open, and what fills it.

    `inputs` are the shape of a step and the type of whole numbers, by workload, where known.
    """

    by_strategy: Mapping[str, str]
    inputs: Mapping[str, tuple[tuple[object, ...], str | None]]


@dataclass(frozen=True)
class BuildCall:
    """How to build a strategy: the file to copy, and what its `build` is called with.

    The file of a strategy that is no longer there is not `in_project`. `parameters` are keywords as
    Python writes them.
    """

    file: str
    in_project: bool
    features: tuple[object, ...] | None
    input_dtype: str | None
    parameters: Sequence[str] = ()


@dataclass(frozen=True)
class AboutChoice:
    """What the project and the run say of a chosen strategy.

    `title` is empty where the run has none, `code` where its source is not in the project, and
    `state` where the run is over.
    """

    title: str
    call: BuildCall
    trust: str
    code: str
    state: str = ""


def answer_lines(question: ChooseQuestion, choice: Choice, about: AboutChoice) -> Iterator[str]:
    yield from map(plain, _found(question, choice, about.title, about.state))
    yield plain(f"use it: {how_to_use(question, about.call)}")
    yield plain(f"trust: {about.trust}")


def answer_as_code(question: ChooseQuestion, choice: Choice, about: AboutChoice) -> Iterator[str]:
    """Write code to paste, below the answer as comments."""
    if not about.code:
        raise UserError(
            f"--code: expected a strategy of this project's strategies/, received "
            f"{choice.strategy!r}; {how_to_use(question, about.call)}"
        )
    answer = (*_found(question, choice, "", about.state), f"trust: {about.trust}")
    yield from (f"# {plain(line)}" for line in answer)
    yield from ("", *about.code.rstrip("\n").split("\n"))


def _found(question: ChooseQuestion, choice: Choice, title: str, state: str) -> Iterator[str]:
    if state:
        yield state
    called = f" ({title})" if title else ""
    best = _BEST[question.goal] if choice.is_fastest else LEAST_TO_LOSE
    yield f"{_setting_in_words(question.setting)}: {best} is {choice.strategy}{called}"
    yield f"{_value(question.goal, choice)}{_basis(choice)}"
    gain = choice.speed_up
    told = [_speed_up(gain)] if gain and gain.baseline != choice.strategy else []
    by_time = question.goal is Goal.TIME
    yield from (*told, _price(choice)) if by_time else (_price(choice), *told)


def undecided_lines(
    question: ChooseQuestion,
    found: Undecided,
    options: dict[str, str],
    state: str = "",
) -> Iterator[str]:
    """Write that there is no answer yet, and the one command that would give it.

    `options` are those of the run without which it would have measured something else.
    """
    between = found.between if len(found.between) > 1 else ()
    command = to_measure(question, options, between, longer=found.longer)
    where = _setting_in_words(question.setting)
    if state:
        yield state
    yield plain(f"{where}: not decided by this run: {why_undecided(found)}")
    if between:
        yield plain(f"it is one of {', '.join(between)}")
    yield plain(f"decide it with: {command}")


def _setting_in_words(setting: Setting) -> str:
    """Write a setting, the usual values of its rarer axes left out."""
    unusual = [
        value_in_words(axis, value) if axis == "threads" else str(value)
        for axis, value in setting.unusual.items()
        if axis not in {"mode", "device"}
    ]
    sizes = (value_in_words(axis, getattr(setting, axis)) for axis in ("seq_len", "batch"))
    execution = (setting.phase, setting.mode, setting.device)
    return ", ".join((setting.workload, *sizes, *execution, *unusual))


#: Each doubt in words; what is in braces is a field of the answer or made of several below.
_DOUBTS = {
    Doubt.NOT_MEASURED: "this workload, phase and execution were not measured at any size",
    Doubt.OUTSIDE: "{lengths} and batch {batches} were measured, and nothing is extrapolated",
    Doubt.NOT_AROUND: "no measured settings lie on every side of it",
    Doubt.ALONE: "a strategy was measured alone, beside no other",
    Doubt.ONE_LAUNCH: ONE_LAUNCH,
    Doubt.DEAR: "the first of them may cost {more}",
    Doubt.ONE_SIDE: "not measured on both sides: {names}",
    Doubt.DEAR_BETWEEN: "between {low} and {high}, {first} may cost more than {most} over the best",
    Doubt.TOO_NEAR: "{first} is fastest at {low} and {last} at {high}, and they meet too near",
    Doubt.DIFFERENT_WINNERS: "the settings around it have different winners",
    Doubt.NOT_SURE: "the settings around it are not sure enough",
    Doubt.FACT_UNKNOWN: "{fact} is known of fewer than two strategies",
    Doubt.FACT_MISSING: "{fact} of {names} is not known, and may be the least",
}
_BASES = {
    Basis.FASTEST_AT_BOTH: "{best} is fastest at both",
    Basis.AHEAD: "{best} is shown ahead of {other} here, which is fastest at the other end",
    Basis.TIED: "{first} and {last} meet near here, so it matters little",
    Basis.FASTEST_IN_ALL: "{best} is fastest in all four",
    Basis.LEAST_ON_EVERY_SIDE: "{best} has the least, or nearly, on every side",
}


def why_undecided(found: Undecided) -> str:
    first, last = (found.strategies or ("",))[0], (found.strategies or ("",))[-1]
    return _DOUBTS[found.doubt].format(
        lengths=f"{_range(*found.lengths)} {'step' if found.lengths[1] == 1 else 'steps'}",
        batches=_range(*found.batches),
        more=over_the_best(found.price),
        most=percent(DEAREST - 1, 0),
        names=", ".join(found.strategies),
        first=first,
        last=last,
        low=found.sizes[0],
        high=found.sizes[1],
        fact=FACTS[found.fact][0] if found.fact else "",
    )


def _range(least: int, most: int) -> str:
    return f"{least} to {most}" if most > least else str(least)


def _why(choice: Choice) -> str:
    first, last = (choice.winners or ("",))[0], (choice.winners or ("",))[-1]
    other = last if choice.strategy == first else first
    words = _BASES[choice.basis]
    return words.format(best=choice.strategy, other=other, first=first, last=last)


def _value(goal: Goal, choice: Choice) -> str:
    if math.isnan(choice.value):
        return "not measured at this very size"
    if goal is Goal.MEMORY:
        below = "less than " if choice.is_bound else ""
        return f"{below}{human_bytes(choice.value)} at the peak of a call"
    if goal is Goal.FIRST_CALL:
        return f"{three_figures(choice.value)} s until the first result"
    unit = unit_for([choice.value])
    shown = [three_figures(one / unit.size) for one in (choice.value, choice.low, choice.high)]
    interval = f" [{shown[1]}, {shown[2]}]" if shown[1] else ""
    return f"{'' if interval else 'about '}{shown[0]} {unit.name} a call{interval}"


def _basis(choice: Choice) -> str:
    many = counted(choice.launches, "launch")
    if choice.position.measured:
        return f", from {many}"
    corners = choice.position.corners
    if choice.position.axis:
        low, high = (getattr(one, choice.position.axis) for one in corners)
        where = f"between {low} and {high} {_UNITS[choice.position.axis]}"
    else:
        first, last = corners[0], corners[-1]
        where = f"between {first.seq_len} and {last.seq_len} steps, batch {first.batch} and "
        where += str(last.batch)
    way = ", interpolated" if math.isfinite(choice.value) else ", but"
    return f"{way} {where} ({many} each): {_why(choice)}"


def _speed_up(one: SpeedUpHere) -> str:
    if not one.is_known:
        return f"how many times as fast as {one.baseline} is not known at this size"
    if not one.has_interval:
        return f"{_ratio(one.times)} times as fast as {one.baseline} (seen, no interval)"
    told = f"{_with_interval(one.times, one.low, one.high)} times as fast as {one.baseline}"
    if one.is_shown:
        return told
    open_still = (
        "" if one.low <= 1 <= one.high else ": an interval without 1 is no verdict by itself"
    )
    return f"{told}, which is not shown to differ{open_still}"


def _price(choice: Choice) -> str:
    close = [one.strategy for one in choice.not_shown_to_cost_more]
    parts = []
    if choice.may_cost:
        parts.append(f"costs at most {over_the_best(choice.price)}")
    elif choice.price_is_known:
        parts.append("as fast as any" if close else "shown faster than every other")
    if close:
        parts.append(f"not shown to differ: {', '.join(close)}")
    told = choice.speed_up.baseline if choice.speed_up and choice.speed_up.is_known else ""
    slower = [
        one for one in choice.costing_more if one.strategy != told or math.isnan(choice.price)
    ]
    parts += [_slower(slower)] if slower else []
    return "; ".join(parts) or "what the others take is not known at this size"


def _slower(others: Sequence[Alternative]) -> str:
    shown = others if len(others) <= _NAMED else [*others[: _NAMED - 1], others[-1]]
    return "times as much: " + ", ".join(f"{one.strategy} {_times(one)}" for one in shown)


def _times(one: Alternative) -> str:
    if math.isinf(one.high):
        return f"at least {_ratio(one.low)}"
    return _with_interval(one.ratio, one.low, one.high)


def _with_interval(ratio: float, low: float, high: float) -> str:
    return f"{_ratio(ratio)} [{_ratio(low)}, {_ratio(high)}]"


def _ratio(ratio: float) -> str:
    """Write a ratio with two decimals, three figures from ten on."""
    return f"{ratio:.2f}" if ratio < _FAR else three_figures(ratio)


def how_to_use(question: ChooseQuestion, call: BuildCall) -> str:
    place = "" if call.in_project else " (where you keep it)"
    steps = "None" if question.setting.time_axis is TimeAxis.DYNAMIC else question.setting.seq_len
    sizes = "*features" if call.features is None else ", ".join(map(str, call.features))
    arguments = ["layer", f"({steps}, {sizes})"]
    arguments += [f"dtype={call.input_dtype!r}"] if call.input_dtype else []
    arguments += call.parameters
    return f"copy {call.file}{place}, then: model = build({', '.join(arguments)})"
