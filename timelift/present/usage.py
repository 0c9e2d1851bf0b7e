"""How to use a strategy: its file, what its `build` is called with, and code to paste.

Files are read as text, so no framework is imported. A journal's names decide only which of the
strategies and workloads of the project and of timelift is read, and become code only where they are
literals.
"""

import ast
import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timelift.advise.advice_words import StrategyPage
from timelift.analyse.results import Run
from timelift.case import Setting, TimeAxis
from timelift.errors import UserError
from timelift.inner_layer import read_inputs
from timelift.project import Project

#: What reading a file's text or one of its values raises, however wrong it is.
_UNREADABLE = (OSError, ValueError, TypeError, SyntaxError, MemoryError, RecursionError)


@dataclass(frozen=True)
class CodeToPaste:
    """Code for each strategy, in which the shape of a sequence is left open, and what fills it.

    `inputs` are the shape of a step and the type of whole numbers, by workload, where known.
    """

    by_strategy: Mapping[str, str]
    inputs: Mapping[str, tuple[tuple[object, ...], str | None]]


def how_to_use(strategy: str, setting: Setting, run: Run, project: Project) -> str:
    """Write which file to copy, and what its `build` is called with."""
    stem, _, variant = strategy.partition("[")
    variant = variant.removesuffix("]")
    parameters = _parameters(variant)
    path = project.strategies.get(stem)
    file = project.shown(path) if path else f"{stem}.py (where you keep it)"
    features, dtype = _input_of(setting.workload, run, project)
    steps = None if setting.time_axis is TimeAxis.DYNAMIC else setting.seq_len
    sizes = "*features" if features is None else ", ".join(map(str, features))
    arguments = ["layer", f"({steps}, {sizes})", *([f"dtype={dtype!r}"] if dtype else [])]
    arguments += variant.split(",") if parameters is None else parameters
    return f"copy {file}, then: model = build({', '.join(arguments)})"


def code_to_paste(strategy: str, run: Run, project: Project, setting: Setting | None = None) -> str:
    """Return Python that stands by itself: the strategy's file, and how its `build` is called.

    Without a `setting` the shape of a sequence is left to fill in. It is empty where the source is
    none of the project's or timelift's, or the strategy's parameters are not known.
    """
    stem, _, variant = strategy.partition("[")
    parameters = _parameters(variant.removesuffix("]"))
    source = own_source(project.strategies.get(stem))
    if not source or parameters is None:
        return ""
    shape, dtype = "...  # one sequence: (steps, *features)", None
    if setting is not None:
        features, dtype = _input_of(setting.workload, run, project)
        shape = _shape(setting, features)
    arguments = ["layer", "shape", *([f"dtype={dtype!r}"] if dtype else []), *parameters]
    lines = (
        "layer = ...  # your layer, which sees one step",
        f"shape = {shape}",
        "if not layer.built:",
        "    layer(keras.KerasTensor((None, *shape[1:])))  # makes its weights",
        f"model = build({', '.join(arguments)})",
    )
    return "\n".join([source.rstrip("\n"), "", "", *lines, ""])


def own_source(path: Path | None) -> str:
    """Return the text of a strategy's file; empty where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8") if path else ""
    except _UNREADABLE:
        return ""


def page_of(project: Project, strategy: str) -> StrategyPage:
    """Return the page of a strategy that was read before, so that its file is Python."""
    text = own_source(project.strategies.get(strategy))
    classes = [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    return StrategyPage(text, classes[-1] if classes else "")


def code_of_run(run: Run, project: Project) -> CodeToPaste:
    """Return the code to paste for each strategy of a run whose source is known."""
    names = dict.fromkeys(one.case.strategy for one in run.measurements)
    workloads = dict.fromkeys(one.case.setting.workload for one in run.measurements)
    found = {name: code_to_paste(name, run, project) for name in names}
    inputs = {name: _input_of(name, run, project) for name in workloads}
    return CodeToPaste(
        {name: code for name, code in found.items() if code},
        {name: (shape, dtype) for name, (shape, dtype) in inputs.items() if shape is not None},
    )


def _shape(setting: Setting, features: Sequence[object] | None) -> str:
    steps = None if setting.time_axis is TimeAxis.DYNAMIC else setting.seq_len
    if features is None:
        return f"({steps}, ...)  # {steps} steps; write the shape of one of them for the dots"
    return f"{(steps, *features)}  # steps, *features"


def _parameters(variant: str) -> list[str] | None:
    """Read `k=8,remat=True` of a strategy's name as keywords; None where they are no literals.

    A name says a text without its quotes.
    """
    try:
        call = ast.parse(f"f({variant})", mode="eval").body
        keywords = call.keywords if isinstance(call, ast.Call) and not call.args else []
        return [_keyword(one) for one in keywords] if keywords or not variant else None
    except _UNREADABLE:
        return None


def _keyword(keyword: ast.keyword) -> str:
    if keyword.arg is None:
        raise ValueError("expected name=value, received **")
    value = keyword.value
    text = value.id if isinstance(value, ast.Name) else ast.literal_eval(value)
    return f"{keyword.arg}={text!r}"


# What is known of a workload's input -------------------------------------------------------------


def _input_of(
    workload: str, run: Run, project: Project
) -> tuple[tuple[object, ...] | None, str | None]:
    """Return the shape of a step and the type of the inputs, each None where it is not known."""
    path = project.workloads.get(workload)
    if path:
        constants = _constants(path)
        features = constants.get("FEATURES")
        return (features if isinstance(features, tuple) else None), constants.get("INPUT_DTYPE")
    try:
        inputs = read_inputs(run.header.layer_options["inputs"])
    except UserError:
        inputs = None
    return (inputs.features, inputs.dtype or None) if inputs else (None, None)


def _constants(path: Path) -> dict[str, Any]:
    """Read the literal constants of a workload's file without importing it; none if it has none."""
    try:
        body = ast.parse(path.read_text(encoding="utf-8")).body
    except _UNREADABLE:
        return {}
    constants = {}
    for name, value in _assignments(body):
        # it may be computed, such as `keras.config.floatx()`
        with contextlib.suppress(ValueError, TypeError):
            constants[name] = ast.literal_eval(value)
    return constants


def _assignments(body: Iterable[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    for node in body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id in {"FEATURES", "INPUT_DTYPE"}:
                yield target.id, node.value
