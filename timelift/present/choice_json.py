"""The answer as a JSON object for programs: numbers in seconds, bytes, ratios; null if unknown."""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from timelift.analyse.choose.question import (
    Alternative,
    Choice,
    ChooseQuestion,
    Goal,
    Undecided,
)
from timelift.present.choice import AboutChoice, how_to_use, why_undecided
from timelift.present.command_lines import to_measure


def answer_as_json(question: ChooseQuestion, choice: Choice, about: AboutChoice) -> Iterator[str]:
    yield from _object(
        question,
        decided=True,
        provisional=bool(about.state),
        strategy=choice.strategy,
        title=about.title or None,
        basis=_basis(choice),
        seconds_per_call=_seconds(question.goal, choice),
        speed_up=_speed_up(choice),
        cost_over_best_high=choice.price,
        alternatives=[_alternative(one) for one in choice.others],
        first_call_seconds=choice.first_call_seconds,
        peak_bytes=round(choice.peak_bytes) if math.isfinite(choice.peak_bytes) else None,
        is_peak_bound=choice.is_peak_bound,
        trust=about.trust,
        use=how_to_use(question, about.call),
        code=about.code or None,
    )


def undecided_as_json(
    question: ChooseQuestion,
    found: Undecided,
    options: dict[str, str],
    state: str = "",
) -> Iterator[str]:
    between = found.between if len(found.between) > 1 else ()
    yield from _object(
        question,
        decided=False,
        provisional=bool(state),
        strategy=None,
        why=why_undecided(found),
        between=list(between),
        decide_with=to_measure(question, options, between, longer=found.longer),
    )


def _object(question: ChooseQuestion, **fields: Any) -> list[str]:
    asked = {**asdict(question.setting), "goal": question.goal}
    return json.dumps(_known({"question": asked, **fields}), indent=2).splitlines()


def _basis(choice: Choice) -> dict[str, Any]:
    return {
        "kind": choice.basis.name.lower(),
        "settings": [one.label for one in choice.position.corners],
        "launches": choice.launches,
        "interpolated_along": choice.position.axis or None,
    }


def _seconds(goal: Goal, choice: Choice) -> dict[str, float] | None:
    if goal is not Goal.TIME or math.isnan(choice.value):
        return None
    return {"estimate": choice.value, "low": choice.low, "high": choice.high}


def _speed_up(choice: Choice) -> dict[str, Any] | None:
    return asdict(choice.speed_up) if choice.speed_up else None


def _alternative(one: Alternative) -> dict[str, Any]:
    numbers = {"ratio": one.ratio, "low": one.low, "high": one.high}
    return {"strategy": one.strategy, **numbers, "shown_to_cost_more": one.costs_more}


def _known(value: Any) -> Any:
    """Return the value with six figures a number, null for one not known or without end."""
    if isinstance(value, dict):
        return {key: _known(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_known(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
