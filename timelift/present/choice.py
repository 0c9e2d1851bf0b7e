"""The answer in five lines: what, how long, at what price, how to use it, how far to trust it.

Names are as the file wrote them: whoever shows a line escapes it for the place.
"""

import ast
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from timelift.analyse.choose.answers import Beside, Choice, Open
from timelift.analyse.choose.question import Goal, Question
from timelift.analyse.runs.measurement import Run
from timelift.case import TimeAxis
from timelift.present.notes import titles
from timelift.present.units import human_bytes, three_figures, unit_for

#: So many slower alternatives are named.
_NAMED = 3
_FAR = 10.0
_UNITS = {"seq_len": "steps", "batch": "sequences"}
_BEST = {Goal.TIME: "fastest", Goal.MEMORY: "least memory", Goal.FIRST_CALL: "first call soonest"}


def answer(question: Question, choice: Choice, run: Run, root: Path, trust: str) -> Iterator[str]:
    """Say the answer; `root` is where the strategies' files are."""
    title = dict(titles(run)).get(choice.strategy, "")
    about = f" ({title})" if title else ""
    yield f"{question.label}: {_BEST[question.goal]} is {choice.strategy}{about}"
    yield f"{_value(question.goal, choice)}{_basis(choice)}"
    yield _price(choice)
    yield f"use it: {usage(question, choice.strategy, run, root)}"
    yield f"trust: {trust}"


def undecided(question: Question, found: Open, run: Run) -> Iterator[str]:
    """Say that there is no answer yet, and the one command that would give it."""
    yield f"{question.label}: not decided by this run: {found.why}"
    if len(found.between) > 1:
        yield f"it is one of {', '.join(found.between)}"
    between = found.between if len(found.between) > 1 else ()
    yield f"decide it with: {question.command(run, between, longer=found.longer)}"


def _value(goal: Goal, choice: Choice) -> str:
    if math.isnan(choice.value):
        return "not measured at this very size"
    if goal is Goal.MEMORY:
        return f"{human_bytes(choice.value)} at the peak of a call"
    if goal is Goal.FIRST_CALL:
        return f"{three_figures(choice.value)} s until the first result"
    unit = unit_for([choice.value])
    shown = [three_figures(one / unit.seconds) for one in (choice.value, choice.low, choice.high)]
    interval = f" [{shown[1]}, {shown[2]}]" if shown[1] else ""
    return f"{'' if interval else 'about '}{shown[0]} {unit.name} a call{interval}"


def _basis(choice: Choice) -> str:
    many = f"{choice.launches} launch{'es' if choice.launches > 1 else ''}"
    if choice.place.measured:
        return f", from {many}"
    corners = choice.place.corners
    if choice.place.axis:
        low, high = (getattr(one, choice.place.axis) for one in corners)
        where = f"between {low} and {high} {_UNITS[choice.place.axis]}"
    else:
        first, last = corners[0], corners[-1]
        where = f"between {first.seq_len} and {last.seq_len} steps, batch {first.batch} and "
        where += str(last.batch)
    way = ", interpolated" if math.isfinite(choice.value) else ", but"
    return f"{way} {where} ({many} each): {choice.why}"


def _price(choice: Choice) -> str:
    """Say what it costs, and what the others do."""
    close = [one.strategy for one in choice.others if not one.apart]
    slower = [one for one in choice.others if one.apart]
    parts = []
    if math.isfinite(choice.price) and choice.price > 1:
        parts.append(f"costs at most {100 * (choice.price - 1):.1f} % over the best")
    elif math.isfinite(choice.price):
        parts.append("as fast as any" if close else "shown faster than every other")
    if close:
        parts.append(f"not told from it: {', '.join(close)}")
    parts += [_slower(slower)] if slower else []
    return "; ".join(parts) or "what the others take is not known at this size"


def _slower(others: Sequence[Beside]) -> str:
    """Name the nearest alternatives and the dearest, as times the chosen one."""
    shown = others if len(others) <= _NAMED else [*others[: _NAMED - 1], others[-1]]
    return "times as much: " + ", ".join(
        f"{one.strategy} {_ratio(one.ratio)} [{_ratio(one.low)}, {_ratio(one.high)}]"
        for one in shown
    )


def _ratio(ratio: float) -> str:
    """Write a ratio with two decimals, three figures from ten on."""
    return f"{ratio:.2f}" if ratio < _FAR else three_figures(ratio)


def usage(question: Question, strategy: str, run: Run, root: Path) -> str:
    """Say which file to copy and how to call it."""
    stem, _, inside = strategy.partition("[")
    own = _names_a_file(stem) and (root / "strategies" / f"{stem}.py").is_file()
    given = run.header.options.get("strategy_file") or "where you keep it"
    file = f"strategies/{stem}.py" if own else f"{stem}.py ({given})"
    told = _constants(root / "workloads", question.setting.workload)
    features = told.get("FEATURES")
    steps = "None" if question.setting.time_axis is TimeAxis.DYNAMIC else question.setting.seq_len
    sizes = ", ".join(map(str, features)) if isinstance(features, tuple) else "*features"
    words = ["layer", f"({steps}, {sizes})"]
    words += [f"dtype={told['INPUT_DTYPE']!r}"] if told.get("INPUT_DTYPE") else []
    words += [inside.removesuffix("]").replace(",", ", ")] if inside else []
    return f"copy {file}, then: model = build({', '.join(words)})"


def _names_a_file(stem: str) -> bool:
    """Whether a name that a journal holds leads to no other folder."""
    return re.fullmatch(r"\w[\w.-]*", stem) is not None


def _constants(folder: Path, workload: str) -> dict[str, Any]:
    """Read the literal constants of a workload's file without importing it; none if it has none."""
    path = folder / f"{workload}.py"
    if not _names_a_file(workload) or not path.is_file():
        return {}
    try:
        body = ast.parse(path.read_text(encoding="utf-8")).body
        return {name: ast.literal_eval(value) for name, value in _assigned(body)}
    except (OSError, ValueError, SyntaxError):
        return {}


def _assigned(body: Iterable[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    for node in body:
        if isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
        elif isinstance(node, ast.AnnAssign) and node.value:
            target, value = node.target, node.value
        else:
            continue
        if isinstance(target, ast.Name) and target.id in {"FEATURES", "INPUT_DTYPE"}:
            yield target.id, value
