"""What is known of a user's model: its lifts, how it is fed, and how it is trained.

A lift is a `TimeDistributed`, or a loop over steps in a functional model. A process of its own
looks at the model (`worker.describe`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from timelift.case import Backend, Case, Mode, Phase, Setting, workload_name
from timelift.inner_layer import TIME_DISTRIBUTED, LayerInputs

#: The rivals of a whole model, beside those in which one lift alone is changed.
AS_WRITTEN, CHANGED = "as_written", "changed"
#: What training adds to an inner layer, by the declaration of what a strategy makes of it.
ADDED = {"DROPOUT": "noise", "BATCH_NORM": "statistics", "INNER_LOSSES": "losses"}


class Feeding(NamedTuple):
    """How a model is called: with what `module:function` returns, or with drawn inputs.

    `seq_len` is the size of every axis that the model leaves open.
    """

    source: str
    batch: int
    seq_len: int


@dataclass(frozen=True)
class ToldLift:
    """A lift by its number in the model, from 1: the `inner` layer and what is written, `usual`.

    `name` is what the user calls the `TimeDistributed`, or the layer in a loop, empty where Keras
    numbers it. `place` says where it stands, such as `after LSTM(8)`; `access` is how Python
    reaches it from the model. `workload` is its name in a run. The inner layer sees `steps` of
    `batch` sequences in a call of the model, 0 where it is not called. `added` is what training
    adds to it, as in `ADDED`.
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
        """Return what a strategy that declares this makes of what training adds, in its words."""
        words = {name: declared.get(name, "") for name, kind in ADDED.items() if kind in self.added}
        return {
            name: str(word.get("static", "") if isinstance(word, Mapping) else word)
            for name, word in words.items()
        }


@dataclass(frozen=True)
class ToldModel:
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
    lifts: tuple[ToldLift, ...]
    by_hand: tuple[tuple[str, int], ...]

    @classmethod
    def of(
        cls, factory: str, feeding: Feeding, backend: Backend, told: Mapping[str, Any]
    ) -> "ToldModel":
        """Return the model that `worker.describe` printed, whose other fields have these names."""
        name = _name(told["name"])
        own = {
            "name": name,
            "feeding": feeding._replace(batch=told["batch"]),
            "mode": Mode(told["mode"]),
            "lifts": tuple(
                _lift(name, number, lift) for number, lift in enumerate(told["lifts"], 1)
            ),
            "by_hand": tuple((layer, calls) for layer, calls in told["by_hand"]),
        }
        others = {field: value for field, value in told.items() if field != "batch"}
        return cls(factory=factory, backend=backend, **{**others, **own})

    @property
    def setting(self) -> Setting:
        """The setting of a whole call: a train step, or outputs where nothing trains."""
        steps = next((lift.steps for lift in self.lifts if lift.steps), self.feeding.seq_len)
        if self.drawn and self.leaves_open:
            steps = self.feeding.seq_len
        phase = Phase.BACKWARD if self.trains else Phase.FORWARD
        return Setting(self.name, steps, self.feeding.batch, phase, self.mode, backend=self.backend)

    def setting_of(self, lift: ToldLift) -> Setting:
        phase = Phase.BACKWARD if lift.trains else Phase.FORWARD
        return Setting(
            lift.workload, lift.steps, lift.batch, phase, self.mode, backend=self.backend
        )


def _lift(model: str, number: int, told: Mapping[str, Any]) -> ToldLift:
    inputs = LayerInputs.from_fields(told["inputs"]) if "inputs" in told else LayerInputs()
    own = {"inputs": inputs, "added": tuple(told["added"]), "workload": f"{model}.lift{number}"}
    return ToldLift(number=number, **{**told, **own})


def _name(text: str) -> str:
    """Make a name that stands in the label of a case, with no word that is read as an axis."""
    name = workload_name(text)
    while not Case(Setting(name, 1, 1, Phase.FORWARD), "x").has_label_of_its_own:
        name += "_"
    return name
