"""A user's model as `worker.describe` reports it: its lifts, how it is fed, and how it is trained.

A lift is a `TimeDistributed`, or a loop over steps in a functional model.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec

from timelift.analyse.verdicts import WORTHWHILE
from timelift.axis_values import Backend, Gradients, Mode, Phase, Runtime
from timelift.case import Setting, workload_name
from timelift.errors import UserError, nearest, path_is
from timelift.inner_layer import STORED, TIME_DISTRIBUTED, Factory, LayerInputs
from timelift.journal.lines import AS_WRITTEN
from timelift.measure.backends import why_not_served
from timelift.measure.catalogue import why_not_exported
from timelift.measure.options import option_named
from timelift.measure.users_layer import Limits, find_factory, look_at
from timelift.project import Project
from timelift.source import ADDED, NOISE_OF_A_CALL

#: Options whose default differs from that of `bench`: the first call of a user's model may be slow,
#: and what gains little is no reason to change it.
DEFAULTS = {"first_call_limit": "300", "precision": f"{100 * WORTHWHILE:g}%"}
#: The options of a run that advice takes.
OPTIONS = (
    *("backends", "launches", "precision", "budget", "seed", "results"),
    *("first_call_limit", "memory_limit", "cluster"),
)
#: The default sizes of a call; a request is served by itself.
BATCH, SEQ_LEN, SERVED_BATCH = 32, 16, 1
#: The strategies to write instead of lifts, each behind the number of its lift.
Changes = tuple[tuple[int, str], ...]
#: Those of the model as it is written.
NO_CHANGE: Changes = ()
#: The rival of a whole model with all changes, beside those with one each.
CHANGED = "changed"


class Feeding(NamedTuple):
    """How a model is called: with what the `source`, a `module:function`, returns, or drawn inputs.

    There are `batch` sequences, as many as the source returns if it is 0.
    `seq_len` is the size of every axis that the model leaves open.
    """

    source: str
    batch: int
    seq_len: int

    def runs_code(self, factory: str) -> bool:
        """True unless a model is stored and its inputs are drawn: then no file of a user's runs."""
        return bool(self.source) or not Factory.of(factory).is_stored


@dataclass(frozen=True)
class RepeatedLayer:
    """A layer that one call of a model calls several times at one shape, and that is no lift.

    It `depends` where a call takes what an earlier one returned. Where one `line` of a file calls
    it with the steps of a sequence, such as `models.py:41`, `instead` is `FoldTime(self.f)(x)`.
    """

    layer: str
    calls: int
    depends: bool = False
    line: str = ""
    instead: str = ""

    @property
    def is_loop(self) -> bool:
        """True if it is a loop over steps that need not wait for each other."""
        return bool(self.line) and not self.depends


class Site(NamedTuple):
    """The call of `TimeDistributed` that makes a lift: its file, and its span there.

    The span has the first and the last line, from 1, and columns in bytes of UTF-8; `package` is
    that of the file's module.
    """

    path: str
    package: str
    span: tuple[int, int, int, int]


@dataclass(frozen=True)
class ModelLift:
    """A lift: its `number` from 1, the `inner` layer, and `usual`, the strategy as written.

    `name` is the user's name of the `TimeDistributed`, or of the layer in a loop, '' if Keras made
    the name. `place` is such as `after LSTM(8)`; `access` is how Python reaches it from the model.
    `workload` is its name in a run. A call of the model has `steps` of `batch` sequences for the
    inner layer, both 0 if that is not called. Its `site` is None where no call in a file made it.
    `added` is what training adds to it: noise, also of a call as a whole, statistics or losses. It
    is `masked` if a mask reaches it in that call. The layer in a loop may have several `outputs`. A
    train step of the model differentiates it by its `gradients`.
    """

    number: int
    name: str
    place: str
    access: str
    inner: str
    usual: str
    workload: str
    added: tuple[str, ...]
    steps: int = 0
    batch: int = 0
    inputs: LayerInputs = field(default_factory=LayerInputs)
    masked: bool = False
    mask_fault: str = ""
    misread: bool = False
    outputs: int = 1
    gradients: Gradients = Gradients.NONE
    site: Site | None = None

    @property
    def label(self) -> str:
        return f"lift {self.number}"

    @property
    def can_change(self) -> bool:
        """True if it is called, and a strategy that computes the same may take its place.

        None does where a mask goes wrong that reaches it, or int8 weights are taken for floats.
        """
        return bool(self.steps) and not (self.misread or (self.mask_fault and self.masked))

    @property
    def is_loop(self) -> bool:
        """True if it is written by hand, without TimeDistributed."""
        return self.usual != TIME_DISTRIBUTED

    @property
    def before(self) -> str:
        """The lift as written, in code: `TimeDistributed(Dense(32))`."""
        if not self.is_loop:
            return f"TimeDistributed({self.inner})"
        if not self.inputs.is_nest:
            return f"stack([{self.inner}(step) for step in x])"
        return f"stack([{self.inner}({self.called_with('[:, t]')}) for t in range({self.steps})])"

    def called_with(self, step: str = "") -> str:
        """The sequences that a loop takes its steps of, in code, each followed by `step`."""
        inputs = self.inputs
        if inputs.names:
            named = (f"{name!r}: {name}{step}" for name in inputs.names)
            return f"{{{', '.join(named)}}}"
        if not inputs.is_nest:
            return f"x{step}"
        return f"[{', '.join(f'x{n}{step}' for n in range(1, len(inputs.tensors) + 1))}]"

    def differences(
        self, written: Mapping[str, Any], other: Mapping[str, Any]
    ) -> dict[str, tuple[str, str]]:
        """Return the words that two strategies declare otherwise of what training adds to it."""
        own = (name for name, kind in ADDED.items() if kind in self.added)
        words = {name: (_static(written, name), _static(other, name)) for name in own}
        if NOISE_OF_A_CALL in self.added:
            words["DROPOUT"] = _noise_of_calls(written), _noise_of_calls(other)
        return {name: pair for name, pair in words.items() if len({*pair}) > 1}


@dataclass(frozen=True)
class UserModel:
    """A model of `factory`, with its lifts.

    It `trains` if a call is a train step. Inputs are `drawn` if the user has none, and so are
    labels if it `draws_labels`; they are `unpadded` where a mask reaches a lift and no step is
    padded. A model that `leaves_open` axes of its inputs is called at the size that the user asks
    for. It is `constant` if its outputs do not depend on what is drawn, and `steady` if two
    training calls and two train steps agree, `quiet` if they do with the rates of noise at 0.
    With a `runtime`, a call of it and of its lifts is served there.
    """

    factory: str
    name: str
    layers: int
    feeding: Feeding
    backend: Backend
    mode: Mode
    compiled: bool
    trains: bool
    drawn: bool
    draws_labels: bool
    leaves_open: bool
    lifts: tuple[ModelLift, ...]
    repeated: tuple[RepeatedLayer, ...] = ()
    constant: bool = False
    unpadded: bool = False
    steady: bool = False
    quiet: bool = False
    runtime: Runtime | None = None

    @classmethod
    def of(
        cls, factory: str, feeding: Feeding, backend: Backend, described: Mapping[str, Any]
    ) -> Self:
        """Return the model that `worker.describe` printed; its fields have the same names."""
        name = workload_name(described["name"])
        lifts = [
            {**lift, "number": number, "workload": f"{name}.lift{number}"}
            for number, lift in enumerate(described["lifts"], 1)
        ]
        own = {"factory": factory, "name": name, "backend": str(backend), "lifts": lifts}
        feeding = feeding._replace(batch=described["batch"])
        return msgspec.convert({**described, **own, "feeding": feeding}, cls)

    @property
    def setting(self) -> Setting:
        """The setting of a call of the whole model: a train step, or outputs if nothing trains."""
        steps = self.feeding.seq_len
        if not (self.drawn and self.leaves_open):
            steps = next((lift.steps for lift in self.lifts if lift.steps), steps)
        phase = Phase.TRAIN if self.trains else self._inferred
        return self._setting(self.name, steps, self.feeding.batch, phase)

    def setting_of(self, lift: ModelLift) -> Setting:
        """The setting of a lift alone, with the gradients that it has in a call of the model."""
        is_inferred = not self.trains or lift.gradients is Gradients.NONE
        phase = self._inferred if is_inferred else Phase.BACKWARD
        alone = self._setting(lift.workload, lift.steps, lift.batch, phase)
        return replace(alone, gradients=lift.gradients)

    def _setting(self, workload: str, steps: int, batch: int, phase: Phase) -> Setting:
        runtime, mode = self.runtime or Runtime.KERAS, self.mode
        return Setting(workload, steps, batch, phase, mode, backend=self.backend, runtime=runtime)

    @property
    def _inferred(self) -> Phase:
        return Phase.SERVE if self.runtime else Phase.FORWARD

    def in_phase(self, phase: Phase | None) -> Self:
        """Return the model with this call, if any; raises UserError if it has nothing to train.

        In forward calls, what training adds does not count.
        """
        if phase is Phase.TRAIN and not self.trains:
            raise UserError(
                f"--phases: expected forward for {self.name}, which has no weights that train, "
                f"received {phase}; leave it out"
            )
        if phase is not Phase.FORWARD:
            return self
        lifts = tuple(replace(lift, added=()) for lift in self.lifts)
        return replace(self, trains=False, draws_labels=False, lifts=lifts)

    def served_in(self, runtime: Runtime | None) -> Self:
        """Return the model as a runtime serves it, if one is named; raises UserError if none can.

        The runtime's package may be missing, or its way from the model's backend.
        """
        if runtime is None:
            return self
        own = replace(self.in_phase(Phase.FORWARD), runtime=runtime)
        if why := why_not_served(runtime) or (
            own.setting.is_exported and why_not_exported(own.setting, LayerInputs())
        ):
            raise UserError(f"--runtimes: {why}")
        return own


def read_call(text: str) -> Phase:
    """Return the phase in which a whole model is called; raises UserError for another one."""
    if text not in (Phase.TRAIN, Phase.FORWARD):
        served = "; --runtimes keras times served calls" if text == Phase.SERVE else ""
        raise UserError(
            "expected the phase train (a train step) or forward (outputs), "
            f"received {text!r}{served}"
        )
    return Phase(text)


def usual_batch(runtime: Runtime | None, data: str) -> int:
    """Return how many sequences a call has, unless the user says so; 0 for all those of data."""
    return 0 if data else SERVED_BATCH if runtime else BATCH


def read_runtime(text: str) -> Runtime:
    """Read the runtime that serves a whole model; raises UserError for several or none."""
    if len(runtimes := option_named("runtimes").read(text)) != 1:
        raise UserError(f"expected one runtime, received {text!r}; ask for each by itself")
    runtime: Runtime = runtimes[0]
    return runtime


def _static(declared: Mapping[str, Any], name: str) -> str:
    """Return a declared word, of a static time axis if it depends on that; '' if undeclared."""
    word = declared.get(name, "")
    return str(word.get("static", "") if isinstance(word, Mapping) else word)


def _noise_of_calls(declared: Mapping[str, Any]) -> str:
    """Return the word for noise drawn once a call: independent if each step is a call, else shared.

    The declared statistics show that: they are per step only if each step is a call.
    """
    return "independent" if _static(declared, "BATCH_NORM").startswith("per_step") else "shared"


def rivals_of_whole(changes: Changes) -> dict[str, Changes]:
    """Return the model as written, with each of several changes alone, and with all, by name."""
    alone = {f"only_lift{change[0]}": (change,) for change in changes if len(changes) > 1}
    return {AS_WRITTEN: NO_CHANGE, **alone, CHANGED: changes}


def look_at_model(
    project: Project, factory: Factory, feeding: Feeding, options: Mapping[str, str]
) -> UserModel:
    """Return a model with its lifts; a process of its own makes and calls it.

    The `source` of its `feeding` and the `options` of a run are as the user typed them. Raises
    UserError if it cannot be made or called.
    """
    if feeding.source:
        source = find_factory(feeding.source, "--data as module:function or path.py:function")
        feeding = feeding._replace(source=str(source))
    backends = option_named("backends").value(options.get("backends", ""))
    if len(backends) > 1:
        raise UserError(f"--backends: expected one, received {', '.join(backends)}")
    backend = Backend(backends[0])
    as_json = msgspec.json.encode(feeding._asdict()).decode()
    names, texts = ("memory_limit", "first_call_limit"), DEFAULTS | dict(options)
    limits = Limits(*(option_named(name).value(texts.get(name, "")) for name in names))
    folders = project.import_folders if feeding.runs_code(str(factory)) else ()
    described = look_at(str(factory), backend, folders, as_json, limits)
    return UserModel.of(str(factory), feeding, backend, described)


def find_model(text: str) -> Factory:
    factory = Factory.of(text)
    if factory.lift or not factory.is_stored:
        return find_factory(text, f"a model as module:name or path.py:name, or a {STORED} file")
    path = Path(factory.where)
    if not path_is(path.is_file):
        stored = nearest(path.name, (file.name for file in path.parent.glob(f"*{STORED}")))
        raise UserError(f"expected a stored model that is there, received {text!r}; {stored}")
    return Factory(str(path.absolute()))
