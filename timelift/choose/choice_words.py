"""The answer of `timelift choose`: a few lines, code with them as comments, or a JSON object.

Names from the file are escaped in every line.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from timelift.analyse.estimates import Interval
from timelift.analyse.ranking import declared
from timelift.analyse.results import Run
from timelift.analyse.verdicts import Verdict
from timelift.case import AXIS_FLAGS, SIZES, Setting, option_flag
from timelift.choose.choices import Alternative, Choice, Goal, Question, Undecided
from timelift.errors import UserError, counted
from timelift.escape import plain
from timelift.measurement import fact_or_bound
from timelift.present.answer import FASTEST, LEAST_TO_LOSE
from timelift.present.conditions import state
from timelift.present.usage import code_to_paste, how_to_use
from timelift.present.words import (
    axis_options,
    bench_command,
    human_bytes,
    over_the_best,
    three_figures,
    unit_for,
    value_in_words,
)
from timelift.project import Project

#: How many slower alternatives are named.
_NAMED = 3
_SHOWN = {Verdict.FASTER, Verdict.SLOWER}
_BEST = {Goal.TIME: FASTEST, Goal.MEMORY: "least memory", Goal.FIRST_CALL: "first call soonest"}


def answer_lines(
    question: Question, choices: Sequence[Choice], run: Run, project: Project, trust: str
) -> Iterator[str]:
    """Write the strategy, what it takes and gains, how it is built, and the line of `trust`."""
    strategy = choices[0].strategy
    yield from map(plain, _answer(question, choices, run, _title(strategy, run)))
    yield plain(f"use it: {how_to_use(strategy, question.setting, run, project)}")
    yield plain(f"trust: {trust}")


def answer_as_code(
    question: Question, choices: Sequence[Choice], run: Run, project: Project, trust: str
) -> Iterator[str]:
    """Write code to paste, below the answer as comments."""
    strategy, setting = choices[0].strategy, question.setting
    code = code_to_paste(strategy, setting, run, project)
    if not code:
        raise UserError(
            f"--code: expected a strategy of this project's strategies/, received {strategy!r}; "
            f"{how_to_use(strategy, setting, run, project)}"
        )
    lines = (*_answer(question, choices, run), f"trust: {trust}")
    yield from (f"# {plain(line)}" for line in lines)
    yield from ("", *code.rstrip("\n").split("\n"))


def undecided_lines(question: Question, undecided: Undecided, run: Run) -> Iterator[str]:
    """Write why there is no answer yet, and the one command that would give it."""
    yield from filter(None, [_provisional(run)])
    where = _setting_in_words(question.setting)
    yield plain(f"{where}: not decided by this run: {undecided.why}")
    for setting, answer in undecided.neighbours:
        best = answer.why if isinstance(answer, Undecided) else _best(question.goal, answer)
        yield plain(f"at {_size(setting, question.setting)}: {best}")
    if undecided.between:
        yield plain(f"it is one of {', '.join(undecided.between)}")
    yield plain(f"decide it with: {deciding_command(question, undecided, run)}")


def deciding_command(question: Question, undecided: Undecided, run: Run) -> str:
    """Return what would measure the setting, with what is particular to the run's workload."""
    options = [*axis_options(question.setting)]
    if undecided.between:
        options.append((AXIS_FLAGS["strategy"], ",".join(undecided.between)))
    if undecided.longer:
        options += [("--precision", "1%"), ("--budget", "15m")]
    layer = run.header.layer_options.items()
    return bench_command([*options, *((option_flag(name), text) for name, text in layer if text)])


def _answer(
    question: Question, choices: Sequence[Choice], run: Run, title: str = ""
) -> Iterator[str]:
    yield from filter(None, [_provisional(run)])
    where, called = _setting_in_words(question.setting), f" ({title})" if title else ""
    best = f"{where}: {_best(question.goal, *choices)}{called}"
    choice, *others = choices
    if others:
        sizes = " and ".join(f"at {_size(one.setting, question.setting)}" for one in choices)
        yield f"{best} {sizes}, and nothing was measured between them"
        return
    yield best
    yield f"{_value(question.goal, choice)}, from {counted(choice.launches, 'launch')}"
    gain = [*_speed_up(choice)]
    price = [_price(choice)]
    yield from (gain + price if question.goal is Goal.TIME else price + gain)


def _provisional(run: Run) -> str:
    return state(run) if run.is_provisional else ""


def _title(strategy: str, run: Run) -> str:
    return dict(declared(run, "title")).get(strategy, "")


def _best(goal: Goal, *choices: Choice) -> str:
    is_first = goal is not Goal.TIME or all(one.is_fastest for one in choices)
    return f"{_BEST[goal] if is_first else LEAST_TO_LOSE} is {choices[0].strategy}"


def _size(setting: Setting, asked: Setting) -> str:
    """Write the size in which a measured setting differs from the one asked for."""
    axis = next(axis for axis in SIZES if getattr(setting, axis) != getattr(asked, axis))
    return value_in_words(axis, getattr(setting, axis))


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


def _speed_up(choice: Choice) -> Iterator[str]:
    """Write how many times as fast as the baseline it is, unless it is the baseline."""
    gain, baseline = choice.row.speed_up, choice.ranking.baseline
    if gain is None or baseline == choice.strategy:
        return
    times = f"times as fast as {baseline}"
    if not gain.is_known:
        yield f"{three_figures(gain.value)} {times} (seen, no interval)"
    elif gain.verdict in _SHOWN:
        yield f"{_with_interval(gain)} {times}"
    else:
        covers_one = gain.low <= 1 <= gain.high
        more = "" if covers_one else ": an interval without 1 is no verdict by itself"
        yield f"{_with_interval(gain)} {times}, which is not shown to differ{more}"


def _price(choice: Choice) -> str:
    """Write what it costs at most, and what the others take."""
    close = [one.strategy for one in choice.others if not one.costs_more]
    parts = []
    if choice.price > 1:
        parts.append(f"costs at most {over_the_best(choice.price)}")
    elif math.isfinite(choice.price):
        parts.append("as fast as any" if close else "shown faster than every other")
    if close:
        parts.append(f"not shown to differ: {', '.join(close)}")
    is_by_time = math.isfinite(choice.price)
    baseline = choice.ranking.baseline if is_by_time and choice.row.speed_up else ""
    dearer = [one for one in choice.others if one.costs_more and one.strategy != baseline]
    if dearer:
        named = dearer if len(dearer) <= _NAMED else [*dearer[: _NAMED - 1], dearer[-1]]
        times = ", ".join(f"{one.strategy} {_times(one)}" for one in named)
        parts.append(f"times as much: {times}")
    return "; ".join(parts)


def _times(alternative: Alternative) -> str:
    ratio = alternative.ratio
    if math.isinf(ratio.high):
        return f"at least {three_figures(ratio.low)}"
    return _with_interval(ratio)


def _with_interval(ratio: Interval) -> str:
    return f"{three_figures(ratio.value)} [{three_figures(ratio.low)}, {three_figures(ratio.high)}]"


# As JSON: seconds, bytes and ratios with six figures, null for what is not known ------------------


def answer_as_json(
    question: Question, choices: Sequence[Choice], run: Run, project: Project, trust: str
) -> Iterator[str]:
    strategy, is_measured = choices[0].strategy, len(choices) == 1
    yield from _object(
        question,
        decided=True,
        provisional=run.is_provisional,
        strategy=strategy,
        title=_title(strategy, run) or None,
        basis={
            "kind": "measured" if is_measured else "same_on_both_sides",
            "settings": [one.setting.label for one in choices],
            "launches": min(one.launches for one in choices),
        },
        **(_numbers(question.goal, choices[0], run) if is_measured else _NOT_MEASURED),
        trust=trust,
        use=how_to_use(strategy, question.setting, run, project),
        code=code_to_paste(strategy, question.setting, run, project) or None,
    )


def _numbers(goal: Goal, choice: Choice, run: Run) -> dict[str, Any]:
    estimate, gain = choice.estimate, choice.row.speed_up
    measurement = run.by_case[choice.row.case]
    peak, is_peak_bound = fact_or_bound(measurement, "peak_bytes")
    return {
        "seconds_per_call": {"estimate": estimate.value, "low": estimate.low, "high": estimate.high}
        if goal is Goal.TIME
        else None,
        "speed_up": gain
        and {
            "baseline": choice.ranking.baseline,
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
        "first_call_seconds": fact_or_bound(measurement, "first_call_seconds")[0],
        "peak_bytes": None if peak is None else round(peak),
        "is_peak_bound": is_peak_bound,
    }


#: What is not claimed of a size between two that were measured.
_NOT_MEASURED: dict[str, Any] = {
    "seconds_per_call": None,
    "speed_up": None,
    "cost_over_best_high": None,
    "alternatives": [],
    "first_call_seconds": None,
    "peak_bytes": None,
    "is_peak_bound": False,
}


def undecided_as_json(question: Question, undecided: Undecided, run: Run) -> Iterator[str]:
    yield from _object(
        question,
        decided=False,
        provisional=run.is_provisional,
        strategy=None,
        why=undecided.why,
        between=list(undecided.between),
        neighbours=[
            {
                "setting": setting.label,
                "strategy": None if isinstance(answer, Undecided) else answer.strategy,
                "why": answer.why if isinstance(answer, Undecided) else None,
            }
            for setting, answer in undecided.neighbours
        ],
        decide_with=deciding_command(question, undecided, run),
    )


def _object(question: Question, **fields: Any) -> list[str]:
    asked = {**asdict(question.setting), "goal": question.goal}
    return json.dumps(_as_data({"question": asked, **fields}), indent=2).splitlines()


def _as_data(value: Any) -> Any:
    """Return the value with six figures a number, null for one not known or without end."""
    if isinstance(value, dict):
        return {key: _as_data(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_data(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
