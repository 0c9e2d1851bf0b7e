"""What is known of a user's model: its lifts, how it is fed, and how it is trained.

A lift is a `TimeDistributed`, or a loop over steps in a functional model. A process of its own
looks at the model (`worker.describe`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

from timelift.case import Backend, Case, Mode, Phase, Setting, workload_name
from timelift.errors import UserError, path_is
from timelift.inner_layer import STORED, TIME_DISTRIBUTED, Factory, LayerInputs
from timelift.measure.options import option_named
from timelift.measure.users_layer import describe, find_factory
from timelift.project import Project

#: Options of another default than in `bench`: a slow first call may be what is wrong with a model.
DEFAULTS = {"first_call_limit": "300"}
#: The rivals of a whole model, beside those in which one lift alone is changed.
AS_WRITTEN, CHANGED = "as_written", "changed"
#: What training adds to an inner layer, by the declaration of what a strategy makes of it.
_ADDED = {"DROPOUT": "noise", "BATCH_NORM": "statistics", "INNER_LOSSES": "losses"}


class Feeding(NamedTuple):
    """How a model is called: with what `module:function` returns, or with drawn inputs.

    `seq_len` is the size of every axis that the model leaves open.
    """

    source: str
    batch: int
    seq_len: int


@dataclass(frozen=True)
class ModelLift:
    """A lift by its number in the model, from 1: the `inner` layer and what is written, `usual`.

    `name` is what the user calls the `TimeDistributed`, or the layer in a loop, empty where Keras
    numbers it. `place` says where it stands, such as `after LSTM(8)`; `access` is how Python
    reaches it from the model. `workload` is its name in a run. The inner layer sees `steps` of
    `batch` sequences in a call of the model, 0 where it is not called. `added` is what training
    adds to it: noise, statistics or losses.
    """

    number: int
    name: str
    place: str
    access: str
    inner: str
    usual: str
    workload: str
    trains: bool
    added: tuple[str, ...]
    steps: int = 0
    batch: int = 0
    inputs: LayerInputs = field(default_factory=LayerInputs)

    @classmethod
    def of(cls, model: str, number: int, described: Mapping[str, Any]) -> Self:
        """Return a lift of a model of this name from the fields that `worker.describe` printed."""
        inputs = described.get("inputs")
        own = {
            "inputs": LayerInputs.from_fields(inputs) if inputs else LayerInputs(),
            "added": tuple(described["added"]),
            "workload": f"{model}.lift{number}",
        }
        return cls(number=number, **{**described, **own})

    @property
    def label(self) -> str:
        return f"lift {self.number}"

    @property
    def alone(self) -> str:
        """The rival of a whole model in which this lift alone is changed."""
        return f"only_lift{self.number}"

    @property
    def is_loop(self) -> bool:
        """True if it is written by hand, without TimeDistributed."""
        return self.usual != TIME_DISTRIBUTED

    @property
    def before(self) -> str:
        """What is written, as code would: `TimeDistributed(Dense(32))`."""
        if self.is_loop:
            return f"stack([{self.inner}(step) for step in x])"
        return f"TimeDistributed({self.inner})"

    def meaning(self, declared: Mapping[str, Any]) -> dict[str, str]:
        """Return the declared words about what training adds here, for a static time axis.

        An undeclared word is empty.
        """
        words = {
            name: declared.get(name, "") for name, kind in _ADDED.items() if kind in self.added
        }
        return {
            name: str(word.get("static", "") if isinstance(word, Mapping) else word)
            for name, word in words.items()
        }


@dataclass(frozen=True)
class UserModel:
    """A model of `factory`, with its lifts; `by_hand` are others that it calls step by step.

    Its inputs were `drawn` where none were given; it `draws_labels` where those were not. A model
    that `leaves_open` axes of its inputs is called at the size that is asked for.
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
    by_hand: tuple[tuple[str, int], ...]

    @classmethod
    def of(
        cls, factory: str, feeding: Feeding, backend: Backend, described: Mapping[str, Any]
    ) -> Self:
        """Return the model that `worker.describe` printed, whose other fields have these names."""
        name = _name(described["name"])
        own = {
            "name": name,
            "feeding": feeding._replace(batch=described["batch"]),
            "mode": Mode(described["mode"]),
            "lifts": tuple(
                ModelLift.of(name, number, lift)
                for number, lift in enumerate(described["lifts"], 1)
            ),
            "by_hand": tuple((layer, calls) for layer, calls in described["by_hand"]),
        }
        others = {name: value for name, value in described.items() if name != "batch"}
        return cls(factory=factory, backend=backend, **{**others, **own})

    @property
    def setting(self) -> Setting:
        """The setting of a whole call: a train step, or outputs where nothing trains."""
        steps = next((lift.steps for lift in self.lifts if lift.steps), self.feeding.seq_len)
        if self.drawn and self.leaves_open:
            steps = self.feeding.seq_len
        return self._setting(self.name, steps, self.feeding.batch, trains=self.trains)

    def setting_of(self, lift: ModelLift) -> Setting:
        return self._setting(lift.workload, lift.steps, lift.batch, trains=lift.trains)

    def _setting(self, workload: str, steps: int, batch: int, *, trains: bool) -> Setting:
        phase = Phase.BACKWARD if trains else Phase.FORWARD
        return Setting(workload, steps, batch, phase, self.mode, backend=self.backend)

    def factory_of(self, lift: ModelLift) -> str:
        """Return what names the layer inside of a lift."""
        return str(replace(Factory.of(self.factory), lift=str(lift.number)))


def _name(text: str) -> str:
    """Make a name that stands in the label of a case, with no word that is read as an axis."""
    name = workload_name(text)
    while not Case(Setting(name, 1, 1, Phase.FORWARD), "x").has_label_of_its_own:
        name += "_"
    return name


def look_at_model(
    project: Project, text: str, feeding: Feeding, options: Mapping[str, str]
) -> UserModel:
    """Return what a model has of lifts, by calling it in another process.

    `text` and the `source` of its `feeding` are as they were typed, and so are the `options` of a
    run. Raises UserError where there is no model, or it cannot be called.
    """
    factory = _find_model(text)
    if feeding.source:
        source = find_factory(feeding.source, "--data as module:function or path.py:function")
        feeding = feeding._replace(source=str(source))
    backends = option_named("backends").value(options.get("backends", ""))
    if len(backends) > 1:
        raise UserError(f"--backends: expected one, received {', '.join(backends)}")
    backend = Backend(backends[0])
    described = describe(str(factory), backend, project.import_folders, feeding._asdict())
    return UserModel.of(str(factory), feeding, backend, described)


def _find_model(text: str) -> Factory:
    factory = Factory.of(text)
    if factory.lift or not factory.is_stored:
        return find_factory(text, f"a model as module:name or path.py:name, or a {STORED} file")
    path = Path(factory.where)
    if not path_is(path.is_file):
        raise UserError(f"expected a stored model that is there, received {text!r}")
    return Factory(str(path.absolute()))
