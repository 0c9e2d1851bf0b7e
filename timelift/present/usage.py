"""How a strategy is used: its file, the call of its `build`, and code to paste.

Files are read as text, so no framework is imported. Names of a journal choose among the strategies
and workloads of the project and of timelift; they become code only if they are literals.
"""

import re
import shlex
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from timelift.analyse.results import Run
from timelift.axis_values import Dtype, Lengths
from timelift.case import Setting, workload_name
from timelift.errors import UserError
from timelift.inner_layer import Factory, LayerInputs, read_inputs
from timelift.present.shortest import heading, plain_lift, reached
from timelift.project import Project
from timelift.source import Source, declared_inputs, module_files, read_parameters, read_source

_ANY_LAYER = "layer = ...  # your layer, which sees one step"
#: A step, and a sequence, of several inputs in code.
_BY_NAME = (
    "{name: keras.KerasTensor((None, *shape[name][1:]), dtype[name]) for name in shape}",
    "{name: keras.Input(shape[name], dtype=dtype[name], name=name) for name in shape}",
)
_LISTED = (
    "[keras.KerasTensor((None, *sizes[1:]), kind) for sizes, kind in zip(shape, dtype)]",
    "[keras.Input(sizes, dtype=kind) for sizes, kind in zip(shape, dtype)]",
)


#: What makes a layer that has its weights one of int8.
_QUANTISED = 'layer.quantize("int8")'


class Inputs(NamedTuple):
    """What fills the places of code, as Python: a sequence's shape and dtype, and a layer.

    The `dtype` is an argument; `step` and `inputs` are symbolic tensors. `quantised` is a line that
    does so to the layer, once it has weights. They are plain if they are one tensor of sequences
    that are all as long, so that no mask reaches the layer.
    """

    shape: str
    dtype: str
    step: str
    inputs: str
    layer: str = _ANY_LAYER
    lifts: int = 1
    quantised: str = ""
    is_plain: bool = False


class Code(NamedTuple):
    """The part of a strategy's `file` that is needed, and a `call` with places for `Inputs`.

    There is a place for `inner`, too, the call of a lift over inner steps, where there are some.
    `plain` is shorter, and right for plain inputs.
    """

    file: str
    call: str
    inner: str
    plain: "Code | None" = None

    def filled(self, inputs: Inputs) -> str:
        code = (inputs.is_plain and self.plain) or self
        call = code.call.replace("{inner}", code.inner if inputs.lifts > 1 else "")
        for name, text in inputs._asdict().items():
            call = call.replace(f"{{{name}}}", str(text))
        return code.file + call

    def as_data(self) -> dict[str, Any]:
        return self._asdict() | {"plain": self.plain and self.plain._asdict()}


@dataclass(frozen=True)
class CodeToPaste:
    """The code of a run's strategies, if their source is known, and the inputs of its settings."""

    strategies: Mapping[str, Code]
    inputs: Mapping[Setting, Inputs]


NO_CODE = CodeToPaste({}, {})


def code_of_run(run: Run, project: Project) -> CodeToPaste:
    strategies = dict.fromkeys(case.strategy for case in run.by_case)
    settings = dict.fromkeys(case.setting for case in run.by_case)
    return CodeToPaste(
        {name: code for name in strategies if (code := _code(name, project))},
        {setting: _inputs(setting, run, project) for setting in settings},
    )


def code_to_paste(strategy: str, setting: Setting, run: Run, project: Project) -> str:
    """Return a strategy's code for a setting, or '' if its source or parameters are unknown."""
    code = _code(strategy, project)
    return code.filled(_inputs(setting, run, project)) if code else ""


def how_to_use(strategy: str, setting: Setting, run: Run, project: Project) -> tuple[str, str]:
    """Write what prints the file to copy, and the call of its `build`; '' where it has none."""
    stem, variant = _stem_and_variant(strategy)
    if (parameters := _parameters(variant)) is None:
        return "its file is where it was measured, and its parameters are no literals", ""
    at_step = _at_step(setting.workload, run, project)
    dtype, before = _argument(_dtype(setting, at_step)), _policy(setting.dtype).replace("\n", "; ")
    if setting.dtype is Dtype.INT8:
        before += f"{_QUANTISED}; "
    if at_step and at_step.lifts > 1:
        before += f"{_inner_call(f'{at_step.tensors[0].shape}{dtype}', parameters)}; "
    call = build_call("layer", f"{_shape(setting, at_step, '*features')}{dtype}", parameters)
    stem = shlex.quote(stem)
    paste = f"paste what `timelift strategies show {stem}` prints, then"
    return paste, f"{before}model = {call}"


def _inner_call(shape: str, parameters: Iterable[str]) -> str:
    """Write what lifts a layer over inner steps; its model is one layer behind its input."""
    return f"layer = {build_call('layer', shape, parameters)}.layers[-1]"


def build_call(layer: str, shape: str, parameters: Iterable[str] = ()) -> str:
    return f"build({', '.join((layer, shape, *parameters))})"


def arguments_of(strategy: str) -> str:
    """Return a strategy's parameters as they follow a layer: `, k=8`; '' without literals."""
    return "".join(f", {each}" for each in _parameters(_stem_and_variant(strategy)[1]) or ())


def _code(strategy: str, project: Project) -> Code | None:
    stem, variant = _stem_and_variant(strategy)
    source, parameters = _source(project.strategies.get(stem)), _parameters(variant)
    if source is None or parameters is None:
        return None
    inputs = "{inputs}"
    if source.constants.get("TAKES") == "ragged":
        inputs = "keras.Input(shape{dtype}, ragged=True)"
    built = build_call("layer", "shape{dtype}", parameters)
    inner = _inner_call("shape[1:]{dtype}", parameters)
    code = _code_of(source, reached(source.text, ["build"]), inputs, built, inner)
    if not (short := plain_lift(source)):
        return code
    lifted = f"{source.lift_class}(layer)"
    return code._replace(plain=_code_of(source, short, inputs, lifted, f"layer = {lifted}"))


def _code_of(source: Source, file: str, inputs: str, lifted: str, inner: str) -> Code:
    call = (
        "{layer}",
        "shape = {shape}",
        "if not layer.built:",
        "    layer({step})  # makes its weights{quantised}",
        "{inner}# in a functional model, where TimeDistributed(layer)(inputs) or a loop stood:",
        f"inputs = {inputs}",
        f"outputs = {lifted}(inputs)",
        "model = keras.Model(inputs, outputs)",
    )
    lines = "".join(f"{line}\n" for line in call)
    nested = f"{inner}  # lifted over the inner steps\n"
    return Code(f"{heading(source)}{file}\n\n", lines, nested)


def _source(path: Path | None) -> Source | None:
    """Read a strategy or a workload; None if the file is absent or wrong."""
    try:
        return read_source(path) if path else None
    except UserError:
        return None


def _inputs(setting: Setting, run: Run, project: Project) -> Inputs:
    """Return the inputs of a setting; the shape of a step is left open if it is unknown."""
    at_step = _at_step(setting.workload, run, project)
    lifts = at_step.lifts if at_step else 1
    comment = "steps, *features" if lifts == 1 else "steps, inner steps, *features"
    if at_step is None:
        comment = f"{_steps(setting)} steps; write the shape of one of them for the dots"
    shape = f"{_shape(setting, at_step, '...')}  # {comment}"
    dtype = _dtype(setting, at_step)
    quantised = f"\n{_QUANTISED}" if setting.dtype is Dtype.INT8 else ""
    layer = f"{_policy(setting.dtype)}{_layer(setting.workload, run, project)}"
    if at_step is None or not at_step.is_nest:
        kind = _argument(dtype)
        step = f"keras.KerasTensor((None, *shape[{lifts}:]){kind})"
        of_one = Inputs(shape, kind, step, f"keras.Input(shape{kind})", layer, lifts, quantised)
        is_bare = at_step is not None and not at_step.tensors[0].masked
        return of_one._replace(is_plain=is_bare and setting.lengths is Lengths.FULL)
    step, inputs = _BY_NAME if at_step.names else _LISTED
    step = f"\n        {step}\n    "
    several = Inputs(f"{shape}\ndtype = {dtype}", ", dtype", step, inputs, layer)
    return several._replace(quantised=quantised)


def _shape(setting: Setting, at_step: LayerInputs | None, unknown: str) -> str:
    """Write the shape of a sequence, with `unknown` in place of unknown features."""
    steps = _steps(setting)
    if at_step is None:
        return f"({steps}, {unknown})"
    return str(at_step.pack((steps, *tensor.shape) for tensor in at_step.tensors))


def _steps(setting: Setting) -> int | None:
    return setting.seq_len if setting.time_axis.is_known else None


def _dtype(setting: Setting, at_step: LayerInputs | None) -> str:
    """Write the dtype of each tensor, or ''; floats of one tensor need none."""
    at_step = at_step or LayerInputs()
    floats = setting.dtype.floats if at_step.is_nest else ""
    dtype = at_step.pack(tensor.dtype or floats for tensor in at_step.tensors)
    return repr(dtype) if dtype else ""


def _policy(dtype: Dtype) -> str:
    """Write what makes a dtype that of layers, and of inputs, which have float32 in a mixed one."""
    if dtype.policy == Dtype.FLOAT32:
        return ""
    floatx = f"keras.config.set_floatx({dtype.floats!r})\n" if dtype.floats == dtype else ""
    return f"{floatx}keras.config.set_dtype_policy({str(dtype)!r})\n"


def _argument(dtype: str) -> str:
    return f", dtype={dtype}" if dtype else ""


def _at_step(workload: str, run: Run, project: Project) -> LayerInputs | None:
    """Return the inputs of a workload's layer at one step; None if unknown."""
    try:
        if path := project.workloads.get(workload):
            return declared_inputs(read_source(path))
        return read_inputs(run.header.layer_options["inputs"])
    except UserError:
        return None


def _layer(workload: str, run: Run, project: Project) -> str:
    """Write how the user's own layer is made, where a file of the project defines its name."""
    factory = Factory.of(run.header.layer_options["layer"])
    if workload in project.workloads and not project.is_timelift:
        factory = Factory(f"workloads.{workload}", "make_layer")
    elif factory.lift or workload != workload_name(factory.name):
        return _ANY_LAYER
    name, file = factory.name, Path(factory.where)
    module = ".".join(file.with_suffix("").parts) if factory.is_file else factory.where
    if not all(map(str.isidentifier, (name, *module.split(".")))):
        return _ANY_LAYER
    found = next(module_files(module, project.import_folders), project.root)
    path = (project.root / file if factory.is_file else found).resolve()
    with suppress(OSError, ValueError):
        if path.is_relative_to(project.root.resolve()):
            text = path.read_text("utf-8")
            first = f"from {module} import {name}\n\nlayer = {name}"
            if re.search(rf"^(class|def) {name}\b", text, re.MULTILINE):
                return f"{first}()"
            if re.search(rf"^(from .+ import .*\b{name}\b|{name}\s*[:=])", text, re.MULTILINE):
                return f"{first} if isinstance({name}, keras.Layer) else {name}()"
    return _ANY_LAYER


def _stem_and_variant(strategy: str) -> tuple[str, str]:
    """Split `fold_chunks[k=8]` into the name of its file and its parameters."""
    stem, _, variant = strategy.partition("[")
    return stem, variant.removesuffix("]")


def _parameters(variant: str) -> list[str] | None:
    """Return a strategy's parameters as keywords; None if no literals, or with places to fill."""
    with suppress(ValueError):
        words = [f"{name}={value!r}" for name, value in read_parameters(variant).items()]
        return None if re.search(r"\{\w+\}", " ".join(words)) else words
    return None
