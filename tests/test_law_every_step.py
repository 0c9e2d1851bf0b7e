"""The law at every step: a mistake at one step of 128 is found, a right rival never pays.

An engine in numpy stands for a framework.
"""

from dataclasses import dataclass, field
from functools import partial
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from timelift.case import Gradients, Lengths, Mode, Phase, Setting
from timelift.messages import CALLING_EVERY_STEP, RivalSpec
from timelift.worker.inputs import Feeds
from timelift.worker.law import DtypePrecision, LawBrokenError
from timelift.worker.prepare import PreparedRival, check_rival
from timelift.worker.reference import FoldedReference, LayerCalls, reference_at

LAUNCHES = 100
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


def of_the_step_before(step, outputs, inner):
    """Outputs of another step, and gradients of those."""
    outputs[:, step] = outputs[:, step - 1]
    inner[:, step - 1] += inner[:, step]
    inner[:, step] = 0


def ten_per_cent_in_one_feature(step, outputs, inner):
    """One feature a tenth too large, and its gradient with it."""
    outputs[:, step, 2] *= 1.1
    inner[:, step, 2] *= 1.1


def outputs_alone(step, outputs, _):
    """Wrong outputs whose gradients are right: something is added."""
    outputs[:, step] += 0.1


def gradients_alone(step, _, inner):
    """Right outputs without a gradient."""
    inner[:, step] = 0


def no_number(step, _, inner):
    """Right outputs whose gradient is NaN."""
    inner[:, step] = np.nan


OF_OUTPUTS = (of_the_step_before, ten_per_cent_in_one_feature, outputs_alone)


@pytest.mark.parametrize(
    ("phase", "mistake"),
    [
        *product([Phase.FORWARD], OF_OUTPUTS),
        *product([Phase.BACKWARD], [*OF_OUTPUTS, gradients_alone, no_number]),
    ],
)
def test_a_mistake_at_one_step_of_128_is_found_in_99_of_100_launches(phase, mistake):
    dice = np.random.default_rng(11)
    steps = dice.integers(1, TIME - 1, LAUNCHES).tolist()
    said = [sentence(Launch(phase, seed), mistake, step) for seed, step in enumerate(steps)]
    assert sum(bool(one) for one in said) >= 0.99 * LAUNCHES
    if phase is Phase.FORWARD:
        assert all(f"at step {step}" in one for one, step in zip(said, steps, strict=True))


def is_found(launch, step, gradients=Gradients.WEIGHTS):
    """True if outputs that are wrong at a step are; in the forward phase it is named."""
    said = sentence(launch, outputs_alone, step, gradients)
    named = f"outputs at step {step}" if launch.phase is Phase.FORWARD else "outputs differ"
    return said.startswith(named)


def sentence(launch, mistake, step, gradients=Gradients.WEIGHTS):
    """What a launch says of a mistake at a step; nothing where it finds none."""
    try:
        launch.hold(partial(mistake, step), gradients)
    except LawBrokenError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("phase", Phase)
def test_a_right_rival_keeps_the_law_in_every_launch(phase):
    for seed in range(LAUNCHES):
        assert Launch(phase, seed).hold() < 1e-13


@pytest.mark.parametrize("mistake", [of_the_step_before, gradients_alone, no_number])
def test_an_input_gradient_that_is_asked_for_names_the_step(mistake):
    said = sentence(Launch(Phase.BACKWARD, 3), mistake, 57, Gradients.INPUTS_AND_WEIGHTS)
    assert said.startswith(("input gradient at step 57", "input gradient at step 56"))


def drawn(seed):
    launch = Launch(Phase.FORWARD, seed)
    return next(step for step in range(50, TIME) if step not in launch.steps)


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("gradients", [Gradients.WEIGHTS, Gradients.INPUTS_AND_WEIGHTS])
@pytest.mark.parametrize("how", ["wrong_when_folded", "refuses_fold"])
def test_a_layer_that_cannot_be_folded_costs_right_rivals_nothing(phase, gradients, how):
    layer = Dense(np.random.default_rng(0), **{how: True})
    launch = Launch(phase, 1, layer)
    assert launch.hold(gradients=gradients) < 1e-13
    assert is_found(launch, 57, gradients)
    assert layer.asked.count(BATCH) >= TIME


class WrongInside(Dense):
    """Folds well but for one step that no launch draws."""

    def __init__(self, noise, marked):
        super().__init__(noise)
        self.marked = marked

    def call(self, x):
        """Add to the rows of the marked step, in a fold alone."""
        there = np.isin(x[:, 0], self.marked) & (len(x) > BATCH)
        return super().call(x) + 0.1 * there[:, None]

    def gradients(self, x, cotangent):
        there = np.isin(x[:, 0], self.marked) & (len(x) > BATCH)
        return super().gradients(x, cotangent * (1 + there[:, None]))


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("gradients", [Gradients.WEIGHTS, Gradients.INPUTS_AND_WEIGHTS])
def test_where_the_fold_is_wrong_the_layer_itself_settles_it_once(phase, gradients):
    seed = 5
    step, plain = drawn(seed), Launch(phase, seed)
    layer = WrongInside(np.random.default_rng(seed), plain.inputs[:, step, 0])
    launch = Launch(phase, seed, layer)
    assert np.isin(launch.inputs[:, step, 0], layer.marked).all()
    assert launch.hold(gradients=gradients) < 1e-13
    asked, checking = len(layer.asked), "checking the law"
    assert [one.doing for one in launch.events] == [checking, CALLING_EVERY_STEP, checking]
    assert launch.hold(gradients=gradients) < 1e-13
    assert len(layer.asked) == asked
    assert [one.doing for one in launch.events[3:]] == [checking]
    assert is_found(launch, step, gradients)


def test_a_fold_that_errs_at_a_drawn_step_is_believed_nowhere():
    plain = Launch(Phase.FORWARD, 5)
    layer = WrongInside(np.random.default_rng(5), plain.inputs[:, plain.steps[1], 0])
    launch = Launch(Phase.FORWARD, 5, layer)
    assert layer.asked.count(BATCH) >= TIME
    assert launch.hold() < 1e-13


@pytest.mark.parametrize("phase", Phase)
def test_padded_steps_are_asked_about_nowhere(phase):
    valid = np.arange(TIME) < np.array([[TIME], [60], [1], [100]])
    launch = Launch(phase, 2, valid=valid)

    def padding(outputs, _):
        outputs[~valid] = 7.0

    assert launch.hold(padding) < 1e-13
    assert is_found(launch, 110)


def test_a_layer_that_gives_nan_is_at_fault_itself():
    at_fault = pytest.raises(ValueError, match="the outputs of the layer called at a single step")
    for phase in Phase:
        with at_fault:
            Launch(phase, 5, nan_at=drawn(5)).hold()
    launch = Launch(Phase.FORWARD, 5)
    launch.inputs[:, drawn(5)] = np.nan
    for _rival in range(2):
        with at_fault:
            launch.hold()
    layer = Dense(np.random.default_rng(5))
    layer.kernel[0, 0] = np.nan
    with at_fault:
        Launch(Phase.FORWARD, 5, layer)
