"""Strategies and workloads, as their files declare them.

Nothing is imported. So collecting is instant, needs no framework, and a malformed file fails before
anything runs.
"""

import json
import os
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from timelift.axis_values import Backend, Dtype, Gradients, Lengths, Phase
from timelift.case import Case, Setting
from timelift.errors import UserError, nearest
from timelift.inner_layer import LayerInputs
from timelift.journal.lines import OtherSideOf, Planted, StrategyEntry
from timelift.messages import LiftChange, RivalSpec, SourceEdits
from timelift.project import Project
from timelift.source import (
    MEANING,
    STEPS,
    Source,
    declared_inputs,
    read_parameters,
    read_source,
)


@dataclass(frozen=True)
class Strategy:
    """One strategy with its parameters bound, such as `fold_chunks[k=8]`.

    If `copy_of` names a strategy, this is a copy of it: a twin, or its other side. A twin is slower
    by the share that is `planted`, since it makes more calls than are billed. The other side has a
    project of its own, its `home`, or runs `in_other_python`. In a whole model it makes `changes`,
    or has `edits` of its source.
    """

    name: str
    path: Path
    title: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)
    backends: tuple[Backend, ...] = tuple(Backend)
    copy_of: str = ""
    planted: float | None = None
    home: Project | None = None
    in_other_python: bool = False
    changes: tuple[LiftChange, ...] = ()
    edits: SourceEdits = field(default_factory=SourceEdits)

    @property
    def default(self) -> bool:
        """True if it is measured when no strategy is named; a file may say DEFAULT = False."""
        return bool(self.constants.get("DEFAULT", True))

    @property
    def differs(self) -> str:
        """Reason why a look-alike is no lift, or ''."""
        return str(self.constants.get("DIFFERS", ""))

    @property
    def is_other_side(self) -> bool:
        return bool(self.copy_of) and self.planted is None

    def rival(self) -> RivalSpec:
        return RivalSpec(
            self.name,
            str(self.path),
            self.parameters,
            slower=self.planted or 0.0,
            home=os.pathsep.join(map(str, self.home.import_folders)) if self.home else "",
            pair=self.copy_of or self.name,
            in_other_python=self.in_other_python,
            backends=self.backends,
            changes=self.changes,
            edits=self.edits,
        )


@dataclass(frozen=True)
class Workload:
    """An inner layer's factory, what it takes at one step, and the sizes worth asking about.

    `factory` is the text of a `Factory`. A workload `is_users` if an option names it instead of a
    file in workloads/. If it `is_model`, its factory makes a whole model, which is fed with what
    `data` returns, or with drawn inputs. `steps` is the word for its steps.
    """

    name: str
    factory: str
    inputs: LayerInputs
    seq_lens: tuple[int, ...]
    batch_sizes: tuple[int, ...]
    default: bool = False
    is_users: bool = False
    is_model: bool = False
    data: str = ""
    steps: str = STEPS


@dataclass
class Catalogue:
    """What can be measured: every strategy and workload by name.

    It grows while cases are listed: `name[k=8]` adds a strategy, and so does each copy of one.
    `other_factories` are those of the other side that make another layer, by workload. `backends`
    are those that the options name.
    """

    strategies: dict[str, Strategy]
    workloads: dict[str, Workload]
    other_factories: dict[str, str] = field(default_factory=dict)
    backends: tuple[Backend, ...] = (Backend.TENSORFLOW,)

    @classmethod
    def of(cls, project: Project, backends: tuple[Backend, ...]) -> Self:
        strategies = read_strategies(project.strategies.values())
        return cls(strategies, read_workloads(project.workloads.values()), backends=backends)

    @property
    def look_alikes(self) -> dict[str, str]:
        """The reason why each look-alike is no lift, by name."""
        strategies = self.strategies
        return {name: strategy.differs for name, strategy in strategies.items() if strategy.differs}

    def rival(self, case: Case, launch: int) -> RivalSpec:
        """Return the rival of a case in a launch, in which one side of a pair is built first."""
        strategy = self.strategies[case.strategy]
        rival = strategy.rival()
        sides = (side for side in self.strategies.values() if side.is_other_side)
        if not any(strategy.name in {side.name, side.copy_of} for side in sides):
            return rival
        # Each side is first in every other launch, since the first one pays for more. If it were
        # drawn, one in 32 would be first in all of five launches, and would look slower to build.
        first = (launch + zlib.crc32(f"{case.setting.label} {rival.pair}".encode())) % 2 == 0
        if not strategy.is_other_side:  # only what takes over twice as long hits a limit alone
            return replace(rival, built_first=first, patience=2)
        factory = self.other_factories.get(case.setting.workload, rival.factory)
        return replace(rival, built_first=not first, factory=factory)

    def why_not(self, case: Case) -> str:
        """Reason why a case can never be measured, or ''."""
        workload, setting = self.workloads[case.setting.workload], case.setting
        if setting.phase is Phase.TRAIN and setting.dtype is Dtype.FLOAT16:
            return "in float16 Adam's epsilon vanishes; ask for --dtypes mixed_float16"
        if setting.dtype is Dtype.INT8 and setting.differentiates:
            return "a quantised layer does not train; ask for --phases forward or serve"
        if setting.phase in {Phase.TRAIN, Phase.SERVE} and setting.time_axis.varies:
            return "lengths vary between forward or backward calls alone; ask for --phases backward"
        if setting.is_exported and (why := why_not_exported(setting, workload.inputs)):
            return why
        if workload.inputs.is_whole and setting.gradients is Gradients.INPUTS_AND_WEIGHTS:
            dtypes = dict.fromkeys(tensor.dtype for tensor in workload.inputs.tensors)
            return (
                f"inputs of {' and '.join(dtypes)} have no gradient; ask for the weights' alone "
                "with: --gradients weights"
            )
        return ""

    def entry(self, name: str) -> StrategyEntry:
        """Return a strategy's entry in the header, with the strategy that it is a copy of."""
        strategy = self.strategies[name]
        of, is_twin = strategy.copy_of, strategy.planted is not None
        return StrategyEntry(
            title=strategy.title,
            differs=strategy.differs,
            meaning={
                name: strategy.constants[name] for name in MEANING if name in strategy.constants
            },
            planted=Planted(of=of, slower=strategy.planted) if is_twin else None,
            against=OtherSideOf(of=of) if strategy.is_other_side else None,
        )


def why_not_exported(setting: Setting, inputs: LayerInputs) -> str:
    """Reason why a model is not exported for the runtime of a setting, or ''."""
    if setting.backend is not Backend.TENSORFLOW:
        return (
            f"what Keras exports on {setting.backend} is not measured (docs/runtimes.md); ask for "
            "--backends tensorflow"
        )
    if setting.dtype is not Dtype.FLOAT32:
        return f"{setting.runtime} is held to the law in float32; ask for --dtypes float32"
    if not setting.on_cpu:
        return f"{setting.runtime} is measured on the CPU alone; ask for --devices cpu"
    if setting.lengths is not Lengths.FULL:
        return "an exported model takes no mask; ask for --lengths full"
    if any(tensor.masked for tensor in inputs.tensors):
        return "an exported model takes no mask; leave +mask out of the inputs"
    return ""


def read_strategies(paths: Iterable[Path]) -> dict[str, Strategy]:
    return {name: strategy for path in paths for name, strategy in read_variants(path).items()}


def _check_name(path: Path) -> None:
    """Raise UserError if a file's name cannot be typed in a list."""
    name = path.stem
    if name == "all" or not re.fullmatch(r"\w[\w.-]*", name):
        raise UserError(
            f"{path}: expected a name of letters, digits, '_', '-' and '.', and not 'all', "
            f"received {name!r}; rename the file"
        )


def read_variants(path: Path) -> dict[str, Strategy]:
    source = _strategy_source(path)
    bound = [_bind(source, parameters) for parameters in source.constants.get("VARIANTS", ({},))]
    return {strategy.name: strategy for strategy in bound}


def choose_strategy(word: str, strategies: Mapping[str, Strategy]) -> list[Strategy]:
    """Return what `word` names: a variant, a whole family, or `name[k=4]` with new parameters."""
    if word in strategies:
        return [strategies[word]]
    stem, bracket, inside = word.partition("[")
    family = [strategy for strategy in strategies.values() if strategy.path.stem == stem]
    if not family:
        raise UserError(f"--strategies: unknown strategy {word!r}; {nearest(word, strategies)}")
    if not bracket:
        return family
    try:
        parameters = read_parameters(inside.removesuffix("]")) if inside.endswith("]") else {}
    except ValueError:
        parameters = {}
    if not parameters:
        raise UserError(f"--strategies: {word!r}: expected parameters like name[k=8,remat=True]")
    return [_bind(_strategy_source(family[0].path), parameters)]


def _strategy_source(path: Path) -> Source:
    _check_name(path)
    source = read_source(path)
    arguments = source.functions.get("build")
    if arguments is None:
        raise UserError(f"{path}: lacks the function build(layer, shape) that makes the model")
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    if names[:2] != ["layer", "shape"]:
        raise UserError(
            f"{path}: build must take (layer, shape), received ({', '.join(names)}); rename them"
        )
    return source


def _bind(source: Source, parameters: Mapping[str, Any]) -> Strategy:
    names = [argument.arg for argument in source.functions["build"].kwonlyargs]
    for name in parameters:
        if name not in names:
            raise UserError(
                f"{source.path}: build has no parameter {name!r}; it has: "
                f"{', '.join(names) or 'none'}"
            )
    if not _survives_json(parameters):
        raise UserError(
            f"{source.path}: expected parameters that are numbers, texts, True, False, None or "
            f"lists of these, received {dict(parameters)!r:.80}"
        )
    inside = ",".join(f"{name}={value}" for name, value in parameters.items())
    label = f"{source.name}[{inside}]" if inside else source.name
    imported = [backend for backend in Backend if backend in source.imports]
    backends = map(Backend, source.constants.get("BACKENDS", imported or list(Backend)))
    return Strategy(label, source.path, source.title, parameters, source.constants, tuple(backends))


def _survives_json(parameters: Mapping[str, Any]) -> bool:
    """True if a worker receives these very parameters, which are sent to it as JSON."""
    try:
        return bool(json.loads(json.dumps(parameters)) == parameters)
    except (TypeError, ValueError, RecursionError):
        return False


def read_workloads(paths: Iterable[Path]) -> dict[str, Workload]:
    return {path.stem: read_workload(path) for path in paths}


def read_workload(path: Path) -> Workload:
    _check_name(path)
    source = read_source(path)
    if "make_layer" not in source.functions:
        raise UserError(f"{path}: lacks the function make_layer() that makes the inner layer")
    constants = source.constants
    inputs = declared_inputs(source)
    if inputs is None:
        raise UserError(f"{path}: lacks FEATURES, the shape of one step, or INPUTS, like --inputs")
    for name in ("SEQ_LENS", "BATCH_SIZES"):
        if name not in constants:
            raise UserError(f"{path}: lacks {name}, a tuple of positive whole numbers")
    return Workload(
        name=source.name,
        factory=f"{path}:make_layer",
        inputs=inputs,
        seq_lens=constants["SEQ_LENS"],
        batch_sizes=constants["BATCH_SIZES"],
        default=constants.get("DEFAULT", True),
        steps=constants.get("STEPS", STEPS),
    )
