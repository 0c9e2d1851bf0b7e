"""The answer of `timelift choose`: a few lines, code with them as comments, or a JSON object.

Names from the file are escaped once, where a line leaves this module.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from timelift.analyse.estimates import Interval
from timelift.analyse.findings import RunFindings
from timelift.analyse.meaning import OtherWords
from timelift.analyse.ranking import declared
from timelift.choose.choices import Answer, Goal, Query, of_unknown_meaning
from timelift.errors import UserError
from timelift.escape import plain
from timelift.journal.lines import object_or_empty
from timelift.measure.options import option_flag
from timelift.measurement import fact_or_bound
from timelift.present import words
from timelift.present.conditions import neighbours, state
from timelift.present.page import page_words
from timelift.present.usage import code_to_paste, how_to_use
from timelift.project import Project

_LEAST = {Goal.MEMORY: "Least memory", Goal.FIRST_CALL: "First call soonest"}


def answer_lines(
    query: Query, answer: Answer, findings: RunFindings, project: Project, trust: str
) -> Iterator[str]:
    """Yield the answer and the facts of its strategy, how it is built, and the line of `trust`."""
    used = how_to_use(answer.strategy, query.setting, findings.run, project)
    about = {
        "what": _title(answer.strategy, findings),
        "use it": used,
        "trust": trust,
        "noise": neighbours(findings.run),
    }
    yield from map(plain, _answered(query, answer, findings))
    yield from (plain(f"{label}: {text}") for label, text in about.items() if text)


def answer_as_code(
    query: Query, answer: Answer, findings: RunFindings, project: Project, trust: str
) -> Iterator[str]:
    """Yield code to paste, below the answer as comments."""
    code = code_to_paste(answer.strategy, query.setting, findings.run, project)
    if not code:
        raise UserError(
            f"--code: expected a strategy that is here, received {answer.strategy!r}; its file is "
            "where it was measured"
        )
    comments = (*_answered(query, answer, findings), f"trust: {trust}")
    yield from (f"# {plain(line)}" for line in comments)
    yield from ("", *code.rstrip("\n").split("\n"))


def undecided_lines(query: Query, answer: Answer, findings: RunFindings) -> Iterator[str]:
    """Yield why there is no answer, what is known nearby, and the command that would decide it."""
    yield from _state(findings)
    for each in (answer, *answer.nearest):
        yield plain(f"{each.setting.label}: {_lead(query, each, findings)}")
    yield plain(f"decide it with: {deciding_command(query, answer, findings)}")


def deciding_command(query: Query, answer: Answer, findings: RunFindings) -> str:
    """Return the command that measures the setting, with the run's options of a user's layer."""
    header = findings.run.header
    lifts = object_or_empty(header.options.get("lifts"))
    options = [
        ("--layer", str(lifts[value])) if value in lifts else (flag, value)
        for flag, value in words.axis_options(query.setting)
    ]
    if answer.between:
        options.append(("--strategies", ",".join(answer.between)))
    if answer.longer:
        options += [("--precision", "1%"), ("--budget", "15m")]
    is_measured = query.setting.workload in {case.setting.workload for case in findings.run.by_case}
    texts = header.layer_options.items()  # of the layer, which another workload has not
    options += [(option_flag(name), text) for name, text in texts if text and is_measured]
    return words.bench_command(options)


def _answered(query: Query, answer: Answer, findings: RunFindings) -> Iterator[str]:
    yield from _state(findings)
    yield f"{query.setting.label}: {_lead(query, answer, findings)}"
    if changes := _changes(query, answer, findings):
        yield f"{answer.strategy} changes in training: {words.changes_in_words(changes)}."
    assert answer.ranking
    for name, why in of_unknown_meaning(answer.ranking, findings).items():
        yield f"{name} is not ranked: {why}"
    facts = zip(page_words.FACTS, page_words.facts(answer.row, findings), strict=True)
    yield from (f"{title}: {text}" for title, text in facts if text)


def _changes(query: Query, answer: Answer, findings: RunFindings) -> OtherWords:
    assert answer.ranking
    baseline = answer.ranking.baseline
    return {} if query.serves else findings.meanings.changes(answer.row.case, baseline)


def _state(findings: RunFindings) -> Iterator[str]:
    if findings.run.is_provisional:
        yield state(findings.run)


def _lead(query: Query, answer: Answer, findings: RunFindings) -> str:
    """Write the answer, as the page does for its case, or why there is none."""
    if answer.why:
        return f"Not decided: {answer.why}."
    if query.goal is Goal.TIME:
        return page_words.lead(answer.ranking, answer.best, findings)
    close = [other.strategy for other in answer.others if not other.costs_more]
    ties = f"; not shown to differ: {', '.join(close)}" if close else ""
    return f"{_LEAST[query.goal]}: {answer.strategy}, {_value(query, answer)}{ties}."


def _value(query: Query, answer: Answer) -> str:
    if query.goal is Goal.FIRST_CALL:
        return words.time_in_words(answer.value)
    return f"{'less than ' if answer.is_bound else ''}{words.human_bytes(answer.value)}"


def _title(strategy: str, findings: RunFindings) -> str:
    return dict(declared(findings.run, "title")).get(strategy, "")


# As JSON: seconds, bytes and ratios with six figures, null for what is not known ------------------


def answer_as_json(
    query: Query, answer: Answer, findings: RunFindings, project: Project, trust: str
) -> Iterator[str]:
    strategy, row, run = answer.strategy, answer.row, findings.run
    assert answer.ranking
    baseline, speed_up = answer.ranking.baseline, row.speed_up
    measurement = run.by_case[row.case]
    peak, is_peak_bound = fact_or_bound(measurement, "peak_bytes")
    yield from _object(
        query,
        decided=True,
        provisional=run.is_provisional,
        strategy=strategy,
        title=_title(strategy, findings) or None,
        launches=row.launches,
        seconds_per_call=_ends("estimate", row.seconds_per_call),
        speed_up=speed_up
        and {
            "baseline": baseline,
            **_ends("times", speed_up),
            "is_shown": speed_up.verdict.is_shown,
        },
        cost_over_best_high=answer.best.price.ratio if answer.best else None,
        alternatives=[
            {
                "strategy": other.strategy,
                **_ends("ratio", other.ratio),
                "shown_to_cost_more": other.costs_more,
            }
            for other in answer.others
        ],
        first_call_seconds=fact_or_bound(measurement, "first_call_seconds")[0],
        peak_bytes=None if peak is None else round(peak),
        is_peak_bound=is_peak_bound,
        meaning=dict(_changes(query, answer, findings)) or None,
        not_ranked=of_unknown_meaning(answer.ranking, findings),
        trust=trust,
        noise=neighbours(run) or None,
        use=how_to_use(strategy, query.setting, run, project),
        code=code_to_paste(strategy, query.setting, run, project) or None,
    )


def _ends(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.value, "low": interval.low, "high": interval.high}


def undecided_as_json(query: Query, answer: Answer, findings: RunFindings) -> Iterator[str]:
    yield from _object(
        query,
        decided=False,
        provisional=findings.run.is_provisional,
        strategy=None,
        why=_lead(query, answer, findings),
        between=list(answer.between),
        nearest=[
            {
                "setting": near.setting.label,
                "strategy": near.strategy or None,
                "answer": _lead(query, near, findings),
            }
            for near in answer.nearest
        ],
        decide_with=deciding_command(query, answer, findings),
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
