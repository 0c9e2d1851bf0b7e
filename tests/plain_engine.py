"""An engine in numpy, a Dense layer and rivals of it: the law without a framework."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np

from timelift.case import Gradients, Lengths, Mode, Phase, Setting
from timelift.messages import RivalSpec
from timelift.worker.inputs import Feeds
from timelift.worker.law import DtypePrecision
from timelift.worker.prepare import PreparedRival, check_rival
from timelift.worker.reference import FoldedReference, LayerCalls, reference_at

BATCH, TIME, FEATURES, UNITS = 4, 128, 6, 5


class Dense:
    """tanh(x @ kernel) with what a worker asks of a layer; `asked` are the shapes it was called on.

    A layer that is `wrong_when_folded` gives something else for more rows than the batch has.
    """

    def __init__(self, noise, *, wrong_when_folded=False, refuses_fold=False):
        self.kernel = noise.standard_normal((FEATURES, UNITS))
        self.trainable_weights = [SimpleNamespace(shape=self.kernel.shape)]
        self.wrong_when_folded, self.refuses_fold = wrong_when_folded, refuses_fold
        self.asked = []

    def call(self, x):
        """(rows, features) -> (rows, units)."""
        self.asked.append(len(x))
        if len(x) > BATCH and self.refuses_fold:
            raise ValueError("the batch is fixed")
        folded = len(x) > BATCH and self.wrong_when_folded
        return np.tanh(x @ self.kernel) + (0.1 * x[:, :1] if folded else 0)

    def gradients(self, x, cotangent):
        """By (rows, features) and by the kernel."""
        inner = cotangent * (1 - np.tanh(x @ self.kernel) ** 2)
        folded = len(x) > BATCH and self.wrong_when_folded
        return inner @ self.kernel.T + (0.1 if folded else 0), x.T @ inner


class Engine:
    """What the law needs of an engine."""

    place = staticmethod(np.asarray)
    to_numpy = staticmethod(np.asarray)
    wait = staticmethod(lambda _: None)

    def apply(self, layer, step, **_):
        return layer.call(step)

    def differentiate(self, layer, steps, cotangents, **_):
        """Gradients by each step, and by the kernel over all of them."""
        found = [layer.gradients(*pair) for pair in zip(steps, cotangents, strict=True)]
        return [one for one, _ in found], [sum(one for _, one in found)]


@dataclass
class Rival:
    """A compiled lift, right but for what `mistake` changes in its outputs and their gradients."""

    layer: Dense
    gradients: Gradients
    mistake: object = None

    def bind(self, feed):
        return lambda: self.answer(feed.inputs, feed.cotangent)

    def answer(self, x, cotangent):
        """Outputs; or the loss and gradients by the inputs, where asked for, and the kernel."""
        outputs = np.tanh(x @ self.layer.kernel)
        inner = (0 if cotangent is None else cotangent) * (1 - outputs**2)
        if self.mistake:
            self.mistake(outputs, inner)
        if cotangent is None:
            return outputs
        by_inputs, by_kernel = inner @ self.layer.kernel.T, np.einsum("btf,btu->fu", x, inner)
        asked = [] if self.gradients is Gradients.WEIGHTS else [by_inputs]
        return (outputs * cotangent).sum(), [*asked, by_kernel]


@dataclass
class Launch:
    """One launch: a layer, its reference at four drawn steps, and the folded one at all others."""

    phase: Phase
    seed: int
    layer: Dense = None
    valid: object = None
    nan_at: int | None = None
    events: list = field(default_factory=list)

    def __post_init__(self):
        noise = np.random.default_rng(self.seed)
        usual = Dense(noise)  # drawn in any case, so that inputs and steps depend on the seed alone
        self.layer = self.layer or usual
        self.valid = np.ones((BATCH, TIME), bool) if self.valid is None else self.valid
        self.inputs = noise.standard_normal((BATCH, TIME, FEATURES))
        if self.nan_at is not None:
            self.inputs[:, self.nan_at] = np.nan
        steps = (0, *sorted(noise.choice(np.arange(1, TIME - 1), 2, replace=False)), TIME - 1)
        backward = self.phase is Phase.BACKWARD
        calls = LayerCalls(Engine(), self.layer, self.inputs, self.valid, training=backward)
        reference = reference_at(steps, calls, noise, gradients=backward)
        precisions = [DtypePrecision.FLOAT64] * 2
        self.inner = SimpleNamespace(
            layer=self.layer,
            restore=lambda: None,
            trains_differently=False,
            precision=precisions[0],
            input_precision=precisions[1],
            reference=reference,
            folded_reference=FoldedReference(calls, reference, *precisions, noise),
        )
        self.steps = steps

    def hold(self, mistake=None, gradients=Gradients.WEIGHTS):
        """Hold a rival with this mistake to the law; its largest error."""
        lengths = Lengths.FULL if self.valid.all() else Lengths.UNIFORM
        setting = Setting(
            "plain", TIME, BATCH, self.phase, Mode.EAGER, gradients=gradients, lengths=lengths
        )
        feeds = Feeds(Engine(), setting, self.inputs, self.valid, ragged=False)
        backward = self.phase is Phase.BACKWARD
        feed = feeds.feed(self.inner.folded_reference.cotangent if backward else None)
        model = SimpleNamespace(trainable_weights=self.layer.trainable_weights)
        rival = Rival(self.layer, gradients, mistake)
        prepared = PreparedRival(RivalSpec("rival", "rival.py"), rival, feed)
        return check_rival(self.inner, model, prepared, feeds, self.events.append)
