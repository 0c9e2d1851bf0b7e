"""The answer to `timelift choose`: a few lines, code with them as comments, or a JSON object.

Names from the file are escaped in every line.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from timelift.analyse.estimates import Interval
from timelift.analyse.verdicts import Verdict
from timelift.case import SIZES, Setting
from timelift.choose import Agreed, Alternative, Choice, ChooseQuestion, Goal, Undecided
from timelift.errors import UserError, counted
from timelift.escape import plain
from timelift.present.answer import LEAST_TO_LOSE
from timelift.present.command_lines import to_measure
from timelift.present.units import (
    human_bytes,
    over_the_best,
    three_figures,
    unit_for,
    value_in_words,
)

#: How many slower alternatives are named.
_NAMED = 3
_SHOWN = {Verdict.FASTER, Verdict.SLOWER}
_BEST = {Goal.TIME: "fastest", Goal.MEMORY: "least memory", Goal.FIRST_CALL: "first call soonest"}


@dataclass(frozen=True)
class AboutChoice:
    """What the project and the run say of a chosen strategy.

    `title` is empty where the run has none, `code` where its source is not in the project, and
    `state` where the run is over. `use` is how the strategy is built.
    """

    title: str
    use: str
    trust: str
    code: str
    state: str = ""


def answer_lines(
    question: ChooseQuestion, answer: Choice | Agreed, about: AboutChoice
) -> Iterator[str]:
    yield from map(plain, _answer(question, answer, about.title, about.state))
    yield plain(f"use it: {about.use}")
    yield plain(f"trust: {about.trust}")


def answer_as_code(
    question: ChooseQuestion, answer: Choice | Agreed, about: AboutChoice
) -> Iterator[str]:
    """Write code to paste, below the answer as comments."""
    if not about.code:
        raise UserError(
            f"--code: expected a strategy of this project's strategies/, received "
            f"{answer.strategy!r}; {about.use}"
        )
    lines = (*_answer(question, answer, "", about.state), f"trust: {about.trust}")
    yield from (f"# {plain(line)}" for line in lines)
    yield from ("", *about.code.rstrip("\n").split("\n"))


def _answer(
    question: ChooseQuestion, answer: Choice | Agreed, title: str, state: str
) -> Iterator[str]:
    if state:
        yield state
    where, called = _setting_in_words(question.setting), f" ({title})" if title else ""
    if isinstance(answer, Agreed):
        smaller, larger = (_size(answer.axis, one.setting) for one in answer.choices)
        between = f"at {smaller} and at {larger}, and nothing was measured between them"
        yield f"{where}: {_best(question.goal, *answer.choices)}{called} {between}"
        return
    yield f"{where}: {_best(question.goal, answer)}{called}"
    yield f"{_value(question.goal, answer)}, from {counted(answer.launches, 'launch')}"
    gain = [_speed_up(answer)] if answer.speed_up and answer.baseline != answer.strategy else []
    price = [_price(answer)]
    yield from (gain + price if question.goal is Goal.TIME else price + gain)


def _best(goal: Goal, *choices: Choice) -> str:
    best = _BEST[goal] if all(one.is_fastest for one in choices) else LEAST_TO_LOSE
    return f"{best} is {choices[0].strategy}"


def _size(axis: str, setting: Setting) -> str:
    return value_in_words(axis, getattr(setting, axis))


def undecided_lines(
    question: ChooseQuestion,
    answer: Undecided,
    options: dict[str, str],
    state: str = "",
) -> Iterator[str]:
    """Write that there is no answer yet, and the one command that would give it.

    `options` are those of the run without which it would have measured something else.
    """
    if state:
        yield state
    where = _setting_in_words(question.setting)
    yield plain(f"{where}: not decided by this run: {answer.why}")
    for setting, end in answer.neighbours:
        told = end.why if isinstance(end, Undecided) else _best(question.goal, end)
        yield plain(f"at {_size(answer.axis, setting)}: {told}")
    if answer.between:
        yield plain(f"it is one of {', '.join(answer.between)}")
    yield plain(f"decide it with: {_command(question, answer, options)}")


def _command(question: ChooseQuestion, answer: Undecided, options: dict[str, str]) -> str:
    return to_measure(question, options, answer.between, longer=answer.longer)


def _setting_in_words(setting: Setting) -> str:
    """Write a setting, the usual values of its rarer axes left out."""
    unusual = [
        value_in_words(axis, value) if axis == "threads" else str(value)
        for axis, value in setting.unusual.items()
        if axis not in {"mode", "device"}
    ]
    sizes = (value_in_words(axis, getattr(setting, axis)) for axis in SIZES)
    execution = (setting.phase, setting.mode, setting.device)
    return ", ".join((setting.workload, *sizes, *execution, *unusual))


def _value(goal: Goal, choice: Choice) -> str:
    estimate = choice.estimate
    if goal is Goal.MEMORY:
        below = "less than " if choice.is_bound else ""
        return f"{below}{human_bytes(estimate.value)} at the peak of a call"
    if goal is Goal.FIRST_CALL:
        return f"{three_figures(estimate.value)} s until the first result"
    unit = unit_for([estimate.value])
    shown = [
        three_figures(seconds / unit.size)
        for seconds in (estimate.value, estimate.low, estimate.high)
    ]
    return f"{shown[0]} {unit.name} a call [{shown[1]}, {shown[2]}]"


def _speed_up(choice: Choice) -> str:
    gain, baseline = choice.speed_up, choice.baseline
    assert gain
    if not gain.is_known:
        return f"{three_figures(gain.value)} times as fast as {baseline} (seen, no interval)"
    told = f"{_with_interval(gain)} times as fast as {baseline}"
    if gain.verdict in _SHOWN:
        return told
    open_still = (
        "" if gain.low <= 1 <= gain.high else ": an interval without 1 is no verdict by itself"
    )
    return f"{told}, which is not shown to differ{open_still}"


def _price(choice: Choice) -> str:
    close = [one.strategy for one in choice.not_shown_to_cost_more]
    parts = []
    if choice.price > 1:
        parts.append(f"costs at most {over_the_best(choice.price)}")
    elif math.isfinite(choice.price):
        parts.append("as fast as any" if close else "shown faster than every other")
    if close:
        parts.append(f"not shown to differ: {', '.join(close)}")
    told = choice.baseline if choice.speed_up and math.isfinite(choice.price) else ""
    slower = [one for one in choice.costing_more if one.strategy != told]
    parts += [_slower(slower)] if slower else []
    return "; ".join(parts)


def _slower(others: Sequence[Alternative]) -> str:
    shown = others if len(others) <= _NAMED else [*others[: _NAMED - 1], others[-1]]
    return "times as much: " + ", ".join(f"{one.strategy} {_times(one)}" for one in shown)


def _times(one: Alternative) -> str:
    if math.isinf(one.ratio.high):
        return f"at least {three_figures(one.ratio.low)}"
    return _with_interval(one.ratio)


def _with_interval(ratio: Interval) -> str:
    return f"{three_figures(ratio.value)} [{three_figures(ratio.low)}, {three_figures(ratio.high)}]"


# As JSON: seconds, bytes and ratios with six figures, null for what is not known ------------------

#: What is not claimed of a size between two that were measured.
_NOT_MEASURED: Mapping[str, Any] = {
    "seconds_per_call": None,
    "speed_up": None,
    "cost_over_best_high": None,
    "alternatives": [],
    "first_call_seconds": None,
    "peak_bytes": None,
    "is_peak_bound": False,
}


def answer_as_json(
    question: ChooseQuestion, answer: Choice | Agreed, about: AboutChoice
) -> Iterator[str]:
    choices = answer.choices if isinstance(answer, Agreed) else (answer,)
    yield from _object(
        question,
        decided=True,
        provisional=bool(about.state),
        strategy=answer.strategy,
        title=about.title or None,
        basis={
            "kind": "measured" if isinstance(answer, Choice) else "same_on_both_sides",
            "settings": [one.setting.label for one in choices],
            "launches": min(one.launches for one in choices),
        },
        **(_numbers(question.goal, answer) if isinstance(answer, Choice) else _NOT_MEASURED),
        trust=about.trust,
        use=about.use,
        code=about.code or None,
    )


def _numbers(goal: Goal, choice: Choice) -> dict[str, Any]:
    estimate = choice.estimate
    seconds = {"estimate": estimate.value, "low": estimate.low, "high": estimate.high}
    gain = choice.speed_up
    return {
        "seconds_per_call": seconds if goal is Goal.TIME else None,
        "speed_up": gain
        and {
            "baseline": choice.baseline,
            "times": gain.value,
            "low": gain.low,
            "high": gain.high,
            "is_shown": gain.verdict in _SHOWN,
        },
        "cost_over_best_high": choice.price,
        "alternatives": [
            {
                "strategy": one.strategy,
                "ratio": one.ratio.value,
                "low": one.ratio.low,
                "high": one.ratio.high,
                "shown_to_cost_more": one.costs_more,
            }
            for one in choice.others
        ],
        "first_call_seconds": choice.first_call_seconds,
        "peak_bytes": round(choice.peak_bytes) if math.isfinite(choice.peak_bytes) else None,
        "is_peak_bound": choice.is_peak_bound,
    }


def undecided_as_json(
    question: ChooseQuestion,
    answer: Undecided,
    options: dict[str, str],
    state: str = "",
) -> Iterator[str]:
    yield from _object(
        question,
        decided=False,
        provisional=bool(state),
        strategy=None,
        why=answer.why,
        between=list(answer.between),
        neighbours=[
            {
                "setting": setting.label,
                "strategy": None if isinstance(end, Undecided) else end.strategy,
                "why": end.why if isinstance(end, Undecided) else None,
            }
            for setting, end in answer.neighbours
        ],
        decide_with=_command(question, answer, options),
    )


def _object(question: ChooseQuestion, **fields: Any) -> list[str]:
    asked = {**asdict(question.setting), "goal": question.goal}
    return json.dumps(_known({"question": asked, **fields}), indent=2).splitlines()


def _known(value: Any) -> Any:
    """Return the value with six figures a number, null for one not known or without end."""
    if isinstance(value, dict):
        return {key: _known(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_known(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
