"""The answer of `timelift choose`: a few lines, code with them as comments, or a JSON object.

Names from the file are escaped in every line.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from timelift.analyse.estimates import Interval
from timelift.analyse.meaning import OtherWords, TrainedMeanings
from timelift.analyse.ranking import declared
from timelift.analyse.results import Run
from timelift.case import SIZES, Setting, option_flag
from timelift.choose.choices import Choice, Goal, Query, Undecided, of_unknown_meaning
from timelift.errors import UserError, counted
from timelift.escape import plain
from timelift.journal.lines import object_or_empty
from timelift.measurement import fact_or_bound
from timelift.present import words
from timelift.present.answer import FASTEST, LEAST_TO_LOSE, label_of
from timelift.present.conditions import neighbours, state
from timelift.present.usage import code_to_paste, how_to_use
from timelift.project import Project

#: At most so many of the strategies that take more are named.
_NAMED = 3
_BEST = {Goal.TIME: FASTEST, Goal.MEMORY: "least memory", Goal.FIRST_CALL: "first call soonest"}


def answer_lines(
    query: Query, choices: Sequence[Choice], run: Run, project: Project, trust: str
) -> Iterator[str]:
    """Yield the strategy, its value and gain, how it is built, and the line of `trust`."""
    strategy = choices[0].strategy
    yield from map(plain, _answer(query, choices, run, _title(strategy, run)))
    yield plain(f"use it: {how_to_use(strategy, query.setting, run, project)}")
    yield plain(f"trust: {trust}")
    if noise := neighbours(run):
        yield plain(f"noise: {noise}")


def answer_as_code(
    query: Query, choices: Sequence[Choice], run: Run, project: Project, trust: str
) -> Iterator[str]:
    """Yield code to paste, below the answer as comments."""
    strategy, setting = choices[0].strategy, query.setting
    code = code_to_paste(strategy, setting, run, project)
    if not code:
        raise UserError(
            f"--code: expected a strategy that is here, received {strategy!r}; its file is where "
            "it was measured"
        )
    lines = (*_answer(query, choices, run), f"trust: {trust}")
    yield from (f"# {plain(line)}" for line in lines)
    yield from ("", *code.rstrip("\n").split("\n"))


def undecided_lines(query: Query, undecided: Undecided, run: Run) -> Iterator[str]:
    """Yield the reason why there is no answer, and the command that would decide it."""
    yield from _provisional(run)
    where = _setting_in_words(query.setting)
    yield plain(f"{where}: not decided by this run: {undecided.why}")
    for setting, answer in undecided.neighbours:
        best = answer.why if isinstance(answer, Undecided) else _best(query.goal, answer)
        yield plain(f"at {_size(setting, query.setting)}: {best}")
    if undecided.between:
        yield plain(f"it is one of {', '.join(undecided.between)}")
    yield plain(f"decide it with: {deciding_command(query, undecided, run)}")


def deciding_command(query: Query, undecided: Undecided, run: Run) -> str:
    """Return the command that measures the setting, with the run's options of a user's layer."""
    lifts = object_or_empty(run.header.options.get("lifts"))
    options = [
        ("--layer", str(lifts[value])) if value in lifts else (flag, value)
        for flag, value in words.axis_options(query.setting)
    ]
    if undecided.between:
        options.append(("--strategies", ",".join(undecided.between)))
    if undecided.longer:
        options += [("--precision", "1%"), ("--budget", "15m")]
    is_measured = query.setting.workload in {case.setting.workload for case in run.by_case}
    texts = run.header.layer_options.items()  # of the layer, which another workload has not
    options += [(option_flag(name), text) for name, text in texts if text and is_measured]
    return words.bench_command(options)


def _answer(query: Query, choices: Sequence[Choice], run: Run, title: str = "") -> Iterator[str]:
    yield from _provisional(run)
    where, in_brackets = _setting_in_words(query.setting), f" ({title})" if title else ""
    best = f"{where}: {_best(query.goal, *choices)}{in_brackets}"
    choice = choices[0]
    if len(choices) > 1:
        sizes = " and ".join(f"at {_size(side.setting, query.setting)}" for side in choices)
        best = f"{best} {sizes}, and nothing was measured between them"
    yield best
    if changes := _changes(query, choice, run):
        yield f"changes in training: {words.changes_in_words(changes)}"
    yield from (
        f"{name} is not ranked: {why}"
        for name, why in of_unknown_meaning(choice.ranking, run).items()
    )
    if len(choices) > 1:
        return
    yield f"{_value(query.goal, choice)}, from {counted(choice.launches, 'launch')}"
    speed_up, price = [*_speed_up(choice)], _price(choice)
    yield from (speed_up + price if query.goal is Goal.TIME else price + speed_up)


def _changes(query: Query, choice: Choice, run: Run) -> OtherWords:
    meanings, baseline = TrainedMeanings(run), choice.ranking.baseline
    return {} if query.serves else meanings.changes(choice.row.case, baseline)


def _provisional(run: Run) -> Iterator[str]:
    if run.is_provisional:
        yield state(run)


def _title(strategy: str, run: Run) -> str:
    return dict(declared(run, "title")).get(strategy, "")


def _best(goal: Goal, *choices: Choice) -> str:
    if goal is not Goal.TIME:
        return f"{_BEST[goal]} is {choices[0].strategy}"
    labels = {label_of(choice.strategy, choice.ranking) for choice in choices}
    return f"{labels.pop() if len(labels) == 1 else LEAST_TO_LOSE} is {choices[0].strategy}"


def _size(setting: Setting, asked: Setting) -> str:
    """Return the size in which a measured setting differs from the one asked for."""
    axis = next(axis for axis in SIZES if getattr(setting, axis) != getattr(asked, axis))
    return words.value_in_words(axis, getattr(setting, axis))


def _setting_in_words(setting: Setting) -> str:
    """Return a setting without the usual values of its rarer axes."""
    unusual = [
        words.value_in_words(axis, value) if axis == "threads" else str(value)
        for axis, value in setting.unusual.items()
        if axis not in {"mode", "device"}
    ]
    sizes = (words.value_in_words(axis, getattr(setting, axis)) for axis in SIZES)
    execution = (words.value_in_words("phase", setting.phase), setting.mode, setting.device)
    return ", ".join((setting.workload, *sizes, *execution, *unusual))


def _value(goal: Goal, choice: Choice) -> str:
    estimate, call = choice.estimate, words.a_call(choice.setting.phase)
    if goal is Goal.MEMORY:
        less_than = "less than " if choice.is_bound else ""
        return f"{less_than}{words.human_bytes(estimate.value)} at the peak of {call}"
    if goal is Goal.FIRST_CALL:
        return f"{words.three_figures(estimate.value)} s until the first result"
    unit = words.unit_for([estimate.value])
    value, low, high = (
        words.three_figures(seconds / unit.size)
        for seconds in (estimate.value, estimate.low, estimate.high)
    )
    return f"{value} {unit.name} {call} [{low}, {high}]"


def _speed_up(choice: Choice) -> Iterator[str]:
    """Yield how many times as fast as the baseline the choice is, unless it is the baseline."""
    speed_up, baseline = choice.row.speed_up, choice.ranking.baseline
    if speed_up is None or baseline == choice.strategy:
        return
    times = f"times as fast as {baseline}"
    if not speed_up.is_known:
        yield f"{words.three_figures(speed_up.value)} {times} (seen, no interval)"
    elif speed_up.verdict.is_shown:
        yield f"{_with_interval(speed_up)} {times}"
    else:
        yield f"{_with_interval(speed_up)} {times}, which is not shown to differ"


def _price(choice: Choice) -> list[str]:
    """List what the choice costs at most, and the ratios of the others to it."""
    close = [other.strategy for other in choice.others if not other.costs_more]
    is_by_time = math.isfinite(choice.price)
    parts = []
    if choice.price > 1:
        parts.append(f"costs at most {words.over_the_best(choice.price)}")
    elif is_by_time:
        parts.append("as fast as any" if close else "shown faster than every other")
    if close:
        parts.append(f"not shown to differ: {', '.join(close)}")
    baseline = choice.ranking.baseline if is_by_time and choice.row.speed_up else ""
    dearer = [other for other in choice.others if other.costs_more and other.strategy != baseline]
    if dearer:
        named = dearer if len(dearer) <= _NAMED else [*dearer[: _NAMED - 1], dearer[-1]]
        times = ", ".join(f"{other.strategy} {_with_interval(other.ratio)}" for other in named)
        parts.append(f"times as much: {times}")
    return parts


def _with_interval(ratio: Interval) -> str:
    low = words.three_figures(ratio.low)
    if math.isinf(ratio.high):
        return f"at least {low}"
    return f"{words.three_figures(ratio.value)} [{low}, {words.three_figures(ratio.high)}]"


# As JSON: seconds, bytes and ratios with six figures, null for what is not known ------------------


def answer_as_json(
    query: Query, choices: Sequence[Choice], run: Run, project: Project, trust: str
) -> Iterator[str]:
    strategy, is_measured = choices[0].strategy, len(choices) == 1
    yield from _object(
        query,
        decided=True,
        provisional=run.is_provisional,
        strategy=strategy,
        title=_title(strategy, run) or None,
        basis={
            "kind": "measured" if is_measured else "same_on_both_sides",
            "settings": [choice.setting.label for choice in choices],
            "launches": min(choice.launches for choice in choices),
        },
        **(_numbers(query.goal, choices[0], run) if is_measured else _NOT_MEASURED),
        meaning=dict(_changes(query, choices[0], run)) or None,
        not_ranked=of_unknown_meaning(choices[0].ranking, run),
        trust=trust,
        noise=neighbours(run) or None,
        use=how_to_use(strategy, query.setting, run, project),
        code=code_to_paste(strategy, query.setting, run, project) or None,
    )


def _numbers(goal: Goal, choice: Choice, run: Run) -> dict[str, Any]:
    estimate, speed_up = choice.estimate, choice.row.speed_up
    measurement = run.by_case[choice.row.case]
    peak, is_peak_bound = fact_or_bound(measurement, "peak_bytes")
    return {
        "seconds_per_call": _ends("estimate", estimate) if goal is Goal.TIME else None,
        "speed_up": speed_up
        and {
            "baseline": choice.ranking.baseline,
            **_ends("times", speed_up),
            "is_shown": speed_up.verdict.is_shown,
        },
        "cost_over_best_high": choice.price,
        "alternatives": [
            {
                "strategy": other.strategy,
                **_ends("ratio", other.ratio),
                "shown_to_cost_more": other.costs_more,
            }
            for other in choice.others
        ],
        "first_call_seconds": fact_or_bound(measurement, "first_call_seconds")[0],
        "peak_bytes": None if peak is None else round(peak),
        "is_peak_bound": is_peak_bound,
    }


def _ends(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.value, "low": interval.low, "high": interval.high}


#: The numbers of a choice that are unknown at a size between two that were measured.
_NOT_MEASURED: dict[str, Any] = {
    **dict.fromkeys(("seconds_per_call", "speed_up", "cost_over_best_high")),
    "alternatives": [],
    **dict.fromkeys(("first_call_seconds", "peak_bytes")),
    "is_peak_bound": False,
}


def undecided_as_json(query: Query, undecided: Undecided, run: Run) -> Iterator[str]:
    yield from _object(
        query,
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
        decide_with=deciding_command(query, undecided, run),
    )


def _object(query: Query, **fields: Any) -> list[str]:
    asked = {**asdict(query.setting), "goal": query.goal}
    return json.dumps(_as_data({"question": asked, **fields}), indent=2).splitlines()


def _as_data(value: Any) -> Any:
    """Return the value with six figures a number; NaN and infinities are null in JSON."""
    if isinstance(value, dict):
        return {key: _as_data(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_data(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
