"""The answer of `timelift choose` in words and as data, and code with it as comments."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from timelift.analyse.estimates import Interval
from timelift.analyse.findings import RunFindings
from timelift.analyse.ranking import declared
from timelift.axis_values import EXPORT_FORMATS
from timelift.case import Setting
from timelift.choose.choices import Answer, Goal, Query, of_unknown_meaning
from timelift.errors import UserError
from timelift.journal.lines import object_or_empty
from timelift.measure.options import option_flag
from timelift.measurement import fact_or_bound
from timelift.present import conditions, words
from timelift.present.document import Block, Document, lines
from timelift.present.page import page_words
from timelift.present.terminal import as_comments
from timelift.present.usage import code_to_paste, how_to_use
from timelift.project import Project

_LEAST = {Goal.MEMORY: "Least memory", Goal.FIRST_CALL: "First call soonest"}
#: Exports the model of the code above it: with an open batch it may not run.
_EXPORT = """
specs = keras.tree.map_structure(
    lambda x: keras.InputSpec(shape=({batch}, *x.shape[1:]), dtype=x.dtype), inputs
)
model.export({file!r}, format={form!r}, input_signature=[specs])
"""


def document(
    query: Query, answer: Answer, findings: RunFindings, project: Project, trust: str
) -> Document:
    """Return the answer, the facts of its strategy and how it is built; or why there is none."""
    lead = f"{query.setting.label}: {_lead(query, answer, findings)}"
    is_open = conditions.state(findings.run) if findings.run.is_provisional else ""
    if not answer.strategy:
        return Document(
            state=is_open,
            answer=lead,
            blocks=(_nearest(query, answer, findings), *_deciding(query, answer, findings)),
            data=_undecided(query, answer, findings),
        )
    facts = page_words.facts(answer.row, findings)
    used = answer.strategy, query.setting, findings.run, project
    use, call = how_to_use(*used)
    code = code_to_paste(*used)
    data = _decided(query, answer, findings, trust) | {
        "use": f"{use}: {call}" if call else use,
        "code": f"{code}{_export(query.setting)}" if code else None,
    }
    not_ranked = (f"{name} is not ranked: {why}" for name, why in data["not_ranked"].items())
    told = {
        "runtime": _runtimes(query, findings),
        **dict(zip(_facts(query.setting), facts, strict=True)),
        "what": data["title"],
        "trust": trust,
        "noise": data["noise"],
    }
    return Document(
        state=is_open,
        answer=lead,
        below=f"{answer.strategy} changes in training: {words.changes_in_words(data['meaning'])}."
        if data["meaning"]
        else "",
        blocks=(
            Block(sentences=tuple(not_ranked)),
            Block(lines=lines(pair for pair in told.items() if pair[1])),
            Block(
                name="use",
                sentences=(f"use it: {use}{':' if call else ''}",),
                commands=(call,) if call else (),
            ),
        ),
        data=data,
    )


def code_below(answer: Document) -> Iterator[str]:
    """Yield code to paste, below the answer as comments; raises UserError if there is none."""
    if not (code := answer.data["code"]):
        raise UserError(
            f"--code: expected a strategy that is here, received {answer.data['strategy']!r}; "
            "its file is where it was measured"
        )
    blocks = tuple(block for block in answer.blocks if block.name != "use")
    yield from (*as_comments(replace(answer, blocks=blocks)), "", *code.rstrip("\n").split("\n"))


def _export(setting: Setting) -> str:
    """Return code that exports the model above it for the runtime of a setting, or ''."""
    if not setting.is_exported:
        return ""
    form, ending = EXPORT_FORMATS[setting.runtime]
    return _EXPORT.format(batch=setting.batch, file=f"model{ending}", form=form)


def _facts(setting: Setting) -> list[str]:
    first = words.first_call(setting)
    return [first if name == "first call" else name for name in page_words.FACTS]


def _runtimes(query: Query, findings: RunFindings) -> str:
    """Write which runtime of several the answer is for, or ''."""
    own, settings = query.setting.runtime, {case.setting for case in findings.run.measured}
    alike = {each.runtime for each in settings if replace(each, runtime=own) == query.setting}
    others, named = sorted(alike - {own}), words.value_in_words("runtime", own)
    return f"{named}; --runtimes {' or '.join(others)} asks for another" if others else ""


def _nearest(query: Query, answer: Answer, findings: RunFindings) -> Block:
    near = (f"{each.setting.label}: {_lead(query, each, findings)}" for each in answer.nearest)
    return Block(sentences=tuple(near))


def _deciding(query: Query, answer: Answer, findings: RunFindings) -> Iterator[Block]:
    if not answer.is_final:
        command = deciding_command(query, answer, findings)
        yield Block(sentences=("decide it with:",), commands=(command,))


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
    is_measured = query.setting.workload in findings.run.workloads
    texts = header.layer_options.items()  # of the layer, which another workload has not
    options += [(option_flag(name), text) for name, text in texts if text and is_measured]
    return words.bench_command(options)


def _lead(query: Query, answer: Answer, findings: RunFindings) -> str:
    """Write the answer, as the page does for its case, or why there is none."""
    if answer.why:
        lead = "Nothing to compare" if answer.is_final else "Not decided"
        return words.sentence(f"{lead}: {answer.why}")
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


# As data: seconds, bytes and ratios ---------------------------------------------------------------


def _decided(query: Query, answer: Answer, findings: RunFindings, trust: str) -> dict[str, Any]:
    strategy, row, run = answer.strategy, answer.row, findings.run
    assert answer.ranking
    baseline, speed_up = answer.ranking.baseline, row.speed_up
    changes = {} if query.serves else findings.meanings.changes(row.case, baseline)
    measurement = run.by_case[row.case]
    peak, is_peak_bound = fact_or_bound(measurement, "peak_bytes")
    return {
        "question": _asked(query),
        "decided": True,
        "provisional": run.is_provisional,
        "strategy": strategy,
        "title": _title(strategy, findings) or None,
        "launches": row.launches,
        "seconds_per_call": _ends("estimate", row.seconds_per_call),
        "speed_up": speed_up
        and {
            "baseline": baseline,
            **_ends("times", speed_up),
            "is_shown": speed_up.verdict.is_shown,
        },
        "cost_over_best_high": answer.best.price.ratio if answer.best else None,
        "alternatives": [
            {
                "strategy": other.strategy,
                **_ends("ratio", other.ratio),
                "shown_to_cost_more": other.costs_more,
            }
            for other in answer.others
        ],
        "first_call_seconds": fact_or_bound(measurement, "first_call_seconds")[0],
        "peak_bytes": None if peak is None else round(peak),
        "is_peak_bound": is_peak_bound,
        "meaning": dict(changes) or None,
        "not_ranked": of_unknown_meaning(answer.ranking, findings),
        "trust": trust,
        "noise": conditions.neighbours(run) or None,
    }


def _ends(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.value, "low": interval.low, "high": interval.high}


def _undecided(query: Query, answer: Answer, findings: RunFindings) -> dict[str, Any]:
    return {
        "question": _asked(query),
        "decided": False,
        "provisional": findings.run.is_provisional,
        "strategy": None,
        "why": _lead(query, answer, findings),
        "between": answer.between,
        "nearest": [
            {
                "setting": near.setting.label,
                "strategy": near.strategy or None,
                "answer": _lead(query, near, findings),
            }
            for near in answer.nearest
        ],
        "decide_with": None if answer.is_final else deciding_command(query, answer, findings),
    }


def _asked(query: Query) -> dict[str, Any]:
    return {**asdict(query.setting), "goal": query.goal}
