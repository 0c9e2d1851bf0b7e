"""How a strategy is used: its file, the call of its `build`, and code to paste.

Files are read as text, so no framework is imported. Names of a journal choose among the strategies
and workloads of the project and of timelift; they become code only if they are literals.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from timelift.analyse.results import Run
from timelift.case import Setting, TimeAxis
from timelift.errors import UserError
from timelift.inner_layer import LayerInputs, read_inputs
from timelift.project import Project
from timelift.source import Source, read_parameters, read_source


class Inputs(NamedTuple):
    """What fills the places of a piece of code, as Python: the shape of a sequence, a dtype."""

    shape: str
    dtype: str


class Code(NamedTuple):
    """The `file` of a strategy, and the `call` of its `build` with `{shape}` and `{dtype}`."""

    file: str
    call: str

    def filled(self, inputs: Inputs) -> str:
        call = self.call.replace("{shape}", inputs.shape).replace("{dtype}", inputs.dtype)
        return self.file + call


@dataclass(frozen=True)
class CodeToPaste:
    """The code of a run's strategies, if their source is known, and the inputs of its settings."""

    strategies: Mapping[str, Code]
    inputs: Mapping[Setting, Inputs]


NO_CODE = CodeToPaste({}, {})


def code_of_run(run: Run, project: Project) -> CodeToPaste:
    cases = run.by_case
    strategies = dict.fromkeys(case.strategy for case in cases)
    settings = dict.fromkeys(case.setting for case in cases)
    workloads = {setting.workload for setting in settings}
    at_step = {workload: _at_step(workload, run, project) for workload in workloads}
    return CodeToPaste(
        {name: code for name in strategies if (code := _code(name, project))},
        {setting: _inputs(setting, at_step[setting.workload]) for setting in settings},
    )


def code_to_paste(strategy: str, setting: Setting, run: Run, project: Project) -> str:
    """Return a strategy's code for a setting, or '' if its source or parameters are unknown."""
    code = _code(strategy, project)
    return code.filled(_inputs(setting, _at_step(setting.workload, run, project))) if code else ""


def how_to_use(strategy: str, setting: Setting, run: Run, project: Project) -> str:
    """Write which file to copy, and the call of its `build`."""
    stem, variant = _stem_and_variant(strategy)
    path = project.strategies.get(stem)
    file = project.shown(path) if path else f"{stem}.py (where you keep it)"
    parameters = _parameters(variant)
    at_step = _at_step(setting.workload, run, project)
    shape = f"{_shape(setting, at_step, '*features')}{_dtype(at_step)}"
    call = build_call("layer", shape, variant.split(",") if parameters is None else parameters)
    return f"copy {file}, then: model = {call}"


def build_call(layer: str, shape: str, parameters: Iterable[str] = ()) -> str:
    """Write the call of a strategy's `build`; the arguments are Python."""
    return f"build({', '.join((layer, shape, *parameters))})"


def _code(strategy: str, project: Project) -> Code | None:
    stem, variant = _stem_and_variant(strategy)
    source, parameters = _source(project.strategies.get(stem)), _parameters(variant)
    if source is None or parameters is None:
        return None
    call = (
        "layer = ...  # your layer, which sees one step",
        "shape = {shape}",
        "if not layer.built:",
        "    layer(keras.KerasTensor((None, *shape[1:])))  # makes its weights",
        f"model = {build_call('layer', 'shape{dtype}', parameters)}",
    )
    return Code(f"{source.text.rstrip()}\n\n\n", "".join(f"{line}\n" for line in call))


def _source(path: Path | None) -> Source | None:
    """Read a strategy or a workload; None if the file is absent or wrong."""
    try:
        return read_source(path) if path else None
    except UserError:
        return None


def _inputs(setting: Setting, at_step: LayerInputs | None) -> Inputs:
    """Return the inputs of a setting; the shape of a step is left open if it is unknown."""
    comment = "steps, *features"
    if at_step is None:
        comment = f"{_steps(setting)} steps; write the shape of one of them for the dots"
    return Inputs(f"{_shape(setting, at_step, '...')}  # {comment}", _dtype(at_step))


def _shape(setting: Setting, at_step: LayerInputs | None, unknown: str) -> str:
    """Write the shape of a sequence, with `unknown` in place of unknown features."""
    steps = _steps(setting)
    return f"({steps}, {unknown})" if at_step is None else str((steps, *at_step.features))


def _steps(setting: Setting) -> int | None:
    return None if setting.time_axis is TimeAxis.DYNAMIC else setting.seq_len


def _dtype(at_step: LayerInputs | None) -> str:
    return f", dtype={at_step.dtype!r}" if at_step and at_step.dtype else ""


def _at_step(workload: str, run: Run, project: Project) -> LayerInputs | None:
    """Return the inputs of a workload's layer at one step; None if unknown."""
    if path := project.workloads.get(workload):
        source = _source(path)
        if source is None or "FEATURES" not in source.constants:
            return None
        return LayerInputs(source.constants["FEATURES"], source.constants.get("INPUT_DTYPE", ""))
    try:
        return read_inputs(run.header.layer_options["inputs"])
    except UserError:
        return None


def _stem_and_variant(strategy: str) -> tuple[str, str]:
    """Split `fold_chunks[k=8]` into the name of its file and its parameters."""
    stem, _, variant = strategy.partition("[")
    return stem, variant.removesuffix("]")


def _parameters(variant: str) -> list[str] | None:
    """Return the parameters of a strategy's name as keywords; None if they are no literals."""
    try:
        return [f"{name}={value!r}" for name, value in read_parameters(variant).items()]
    except ValueError:
        return None
