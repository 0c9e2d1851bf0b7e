"""The law at every step: a mistake at one step of 128 is found, and a right rival passes.

An engine in numpy, a Dense layer and rivals of it stand for those of a framework. Rivals are fed
padded or ragged, with a mask where lengths vary.
"""

from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from timelift.axis_values import Gradients, Lengths, Mode, Phase
from timelift.case import Setting
from timelift.inner_layer import LayerInputs
from timelift.messages import CALLING_EVERY_STEP, RivalSpec
from timelift.worker import reference
from timelift.worker.checks import PreparedRival, check_rival
from timelift.worker.inputs import Feeds, SharedInputs, draw_valid
from timelift.worker.law import LawBrokenError
from timelift.worker.reference import CHECKING, FoldedReference, LayerCalls, reference_at
from timelift.worker.tolerances import DtypePrecision

BATCH, TIME, FEATURES, UNITS = 4, 128, 6, 5
LAUNCHES = 100
VALID = np.ones((BATCH, TIME), bool)
ASKED = (Gradients.WEIGHTS, Gradients.INPUTS_AND_WEIGHTS)


class Weight:
    dtype, shape = "float64", (FEATURES, UNITS)

    def __init__(self, value):
        self.value = value

    def numpy(self):
        return self.value

    def assign(self, value):
        self.value = value


class Dense:
    """tanh(x @ kernel); `rows` has the number of rows of each call."""

    def __init__(self, noise):
        self.weight = Weight(noise.standard_normal((FEATURES, UNITS)))
        self.trainable_weights = self.variables = [self.weight]
        self.rows = []

    @property
    def kernel(self):
        return self.weight.value

    def activate(self, z):
        return np.tanh(z)

    def slope(self, z):
        return 1 - np.tanh(z) ** 2

    def call(self, x):
        self.rows.append(len(x))
        return self.activate(x @ self.kernel)

    def gradients(self, x, cotangent):
        inner = cotangent * self.slope(x @ self.kernel)
        return inner @ self.kernel.T, x.T @ inner


class OneSize(Dense):
    def call(self, x):
        if len(x) > BATCH:
            raise ValueError("the batch is fixed")
        return super().call(x)


class ReLU(Dense):
    """max(x @ kernel, threshold)."""

    def __init__(self, noise, threshold):
        super().__init__(noise)
        self.threshold = threshold

    def activate(self, z):
        return np.maximum(z, self.threshold)

    def slope(self, z):
        return 1.0 * (z > self.threshold)


class WrongFold(Dense):
    """Errs in a fold, at the step whose first features are `marked`."""

    def __init__(self, noise, marked):
        super().__init__(noise)
        self.marked = marked

    def errs(self, x):
        return (np.isin(x[:, 0], self.marked) & (len(x) > BATCH))[:, None]

    def call(self, x):
        return super().call(x) + 0.1 * self.errs(x)

    def gradients(self, x, cotangent):
        return super().gradients(x, cotangent * (1 + self.errs(x)))


class Engine:
    place = staticmethod(np.asarray)
    to_numpy = staticmethod(np.asarray)
    wait = staticmethod(lambda _: None)
    place_ragged = staticmethod(lambda inputs, valid: inputs[valid])

    def apply(self, layer, step, _, **__):
        return [layer.call(step)]

    def differentiate(self, layer, step, _, cotangents, **__):
        by_step, by_kernel = layer.gradients(step, *cotangents)
        return [by_step], [by_kernel]


@dataclass
class Rival:
    """A compiled lift, right but for what `mistake` changes in its outputs and their gradients."""

    layer: Dense
    gradients: Gradients
    mistake: object = None
    checks_weights = True

    def anew(self, _):
        return self

    def bind(self, feed):
        return lambda: self.results(*feed.arguments)

    def assign_changed(self, _):
        """It changes no variables."""

    def results(self, x, _, cotangent=None):
        """Outputs; or the loss and gradients by the inputs, where asked for, and the kernel."""
        z = x @ self.layer.kernel
        outputs = self.layer.activate(z)
        inner = (0 if cotangent is None else cotangent) * self.layer.slope(z)
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
    nan_at: int | None = None
    events: list = field(default_factory=list)

    def __post_init__(self):
        noise = np.random.default_rng(self.seed)
        usual = Dense(noise)  # drawn in any case, so that inputs and steps depend on the seed alone
        self.layer = self.layer or usual
        self.inputs = noise.standard_normal((BATCH, TIME, FEATURES))
        if self.nan_at is not None:
            self.inputs[:, self.nan_at] = np.nan
        self.steps = (0, *sorted(noise.choice(np.arange(1, TIME - 1), 2, replace=False)), TIME - 1)
        backward = self.phase is Phase.BACKWARD
        structure = LayerInputs.of_one((FEATURES,))
        self.shared = SharedInputs(structure, [self.inputs], [None], VALID, self.steps)
        calls = LayerCalls(Engine(), self.layer, self.shared, training=backward)
        weigh = partial(reference.draw_cotangents, valid=VALID[:, self.steps], noise=noise)
        drawn = reference_at(self.steps, calls, weigh, gradients=backward)
        precisions = DtypePrecision.FLOAT64, DtypePrecision.FLOAT64
        with reference.as_trained(self.layer.trainable_weights):
            (outputs,) = calls.outputs(calls.rows(self.steps))
        self.inner = SimpleNamespace(
            trained_reference=replace(drawn, outputs=[outputs[:, self.steps]]),
            layer=self.layer,
            restore=lambda: None,
            trains_differently=False,
            precision=precisions[0],
            input_precision=precisions[1],
            reference=drawn,
            folded_reference=FoldedReference(calls, drawn, precisions, noise),
        )

    def hold(self, mistake=None, gradients=Gradients.WEIGHTS):
        setting = Setting("plain", TIME, BATCH, self.phase, Mode.EAGER, gradients=gradients)
        feeds = Feeds(Engine(), setting, self.shared, ragged=False)
        backward = self.phase is Phase.BACKWARD
        feed = feeds.feed(self.inner.folded_reference.everywhere.cotangents if backward else None)
        model = SimpleNamespace(trainable_weights=self.layer.trainable_weights)
        rival = Rival(self.layer, gradients, mistake)
        prepared = PreparedRival(RivalSpec("rival", "rival.py"), rival, feed)
        return check_rival(self.inner, model, prepared, feeds, self.events.append)


def of_the_step_before(step, outputs, inner):
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
    inner[:, step] = 0


def not_a_number(step, _, inner):
    inner[:, step] = np.nan


OF_OUTPUTS = (of_the_step_before, ten_per_cent_in_one_feature, outputs_alone)


def reason(launch, mistake, step, gradients=Gradients.WEIGHTS):
    """Return why a launch rejects a mistake at a step; '' if it does not."""
    try:
        launch.hold(partial(mistake, step), gradients)
    except LawBrokenError as error:
        return str(error)
    return ""


def is_found(launch, step, gradients=Gradients.WEIGHTS):
    """True if wrong outputs at a step are rejected, in the forward phase with its number."""
    expected = f"outputs at step {step}" if launch.phase is Phase.FORWARD else "outputs differ"
    return reason(launch, outputs_alone, step, gradients).startswith(expected)


def undrawn_step(seed):
    launch = Launch(Phase.FORWARD, seed)
    return next(step for step in range(50, TIME) if step not in launch.steps)


@pytest.mark.parametrize(
    ("phase", "mistake"),
    [
        *product([Phase.FORWARD], OF_OUTPUTS),
        *product([Phase.BACKWARD], [*OF_OUTPUTS, gradients_alone, not_a_number]),
    ],
)
def test_a_mistake_at_one_step_of_128_is_found_in_99_of_100_launches(phase, mistake):
    dice = np.random.default_rng(11)
    steps = dice.integers(1, TIME - 1, LAUNCHES).tolist()
    reasons = [reason(Launch(phase, seed), mistake, step) for seed, step in enumerate(steps)]
    assert sum(map(bool, reasons)) >= 0.99 * LAUNCHES
    if phase is Phase.FORWARD:
        assert all(f"at step {step}" in text for text, step in zip(reasons, steps, strict=True))


@pytest.mark.parametrize("mistake", [of_the_step_before, gradients_alone, not_a_number])
def test_a_wrong_input_gradient_names_the_step(mistake):
    text = reason(Launch(Phase.BACKWARD, 3), mistake, 57, Gradients.INPUTS_AND_WEIGHTS)
    assert text.startswith(("input gradient at step 57", "input gradient at step 56"))


@pytest.mark.parametrize("phase", [Phase.FORWARD, Phase.BACKWARD])
@pytest.mark.parametrize("gradients", ASKED)
@pytest.mark.parametrize("kind", [OneSize, WrongFold])
def test_a_layer_that_cannot_be_folded_costs_right_rivals_nothing(phase, gradients, kind):
    seed, noise = 1, np.random.default_rng(0)
    plain = Launch(phase, seed)
    drawn = plain.inputs[:, plain.steps[1], 0]
    layer = OneSize(noise) if kind is OneSize else WrongFold(noise, drawn)
    launch = Launch(phase, seed, layer)
    assert launch.hold(gradients=gradients) < 1e-13
    assert is_found(launch, 57, gradients)
    assert layer.rows.count(BATCH) >= TIME


@pytest.mark.parametrize("phase", [Phase.FORWARD, Phase.BACKWARD])
@pytest.mark.parametrize("gradients", ASKED)
def test_a_wrong_fold_is_replaced_once_by_calls_at_every_step(phase, gradients):
    seed = 5
    step, plain = undrawn_step(seed), Launch(phase, seed)
    layer = WrongFold(np.random.default_rng(seed), plain.inputs[:, step, 0])
    launch = Launch(phase, seed, layer)
    assert np.isin(launch.inputs[:, step, 0], layer.marked).all()
    assert launch.hold(gradients=gradients) < 1e-13
    calls = len(layer.rows)
    assert launch.events == [CHECKING, CALLING_EVERY_STEP, CHECKING]
    assert launch.hold(gradients=gradients) < 1e-13
    assert len(layer.rows) == calls
    assert launch.events[3:] == [CHECKING]
    assert is_found(launch, step, gradients)


@pytest.mark.parametrize("gradients", ASKED)
@pytest.mark.parametrize("step", [57, 0])
def test_a_relu_may_round_to_its_other_side_and_no_gradient_may_be_wrong(gradients, step):
    place, plain = (1, step, 2), Launch(Phase.BACKWARD, 5)
    near_zero = (plain.inputs @ plain.layer.kernel)[place] - 1e-15
    launch = Launch(Phase.BACKWARD, 5, ReLU(np.random.default_rng(5), near_zero))

    def other_side(_, inner):
        inner[place] = 0

    launch.hold(other_side, gradients)
    assert reason(launch, gradients_alone, step, gradients)


def test_nan_from_the_layer_itself_is_the_fault_of_no_rival():
    said = "the outputs of the layer called at a single step"
    at_fault = pytest.raises(FloatingPointError, match=said)
    for phase in (Phase.FORWARD, Phase.BACKWARD):
        with at_fault:
            Launch(phase, 5, nan_at=undrawn_step(5)).hold()
    launch = Launch(Phase.FORWARD, 5)
    launch.inputs[:, undrawn_step(5)] = np.nan
    for _rival in range(2):
        with at_fault:
            launch.hold()
    layer = Dense(np.random.default_rng(5))
    layer.kernel[0, 0] = np.nan
    with at_fault:
        Launch(Phase.FORWARD, 5, layer)


@pytest.mark.parametrize("least", [0, 1])
def test_a_mean_over_the_words_of_a_step_without_words_is_told(least):
    valid = np.arange(3) < np.array([[3], [1]])
    mask, drawn = np.repeat(valid[..., None], 2, axis=-1), np.ones((2, 3, 2))
    shared = SharedInputs(LayerInputs.of_one((2,)), [drawn], [mask], valid, ())

    def mean(_, step, mask, **__):
        with np.errstate(invalid="ignore"):
            return [(step * mask).sum(axis=1) / np.maximum(mask.sum(axis=1), least)]

    engine = SimpleNamespace(apply=mean, place=np.asarray)
    calls = LayerCalls(engine, None, shared, training=False)
    with nullcontext() if least else pytest.raises(ValueError, match="for a padded step"):
        assert np.array_equal(calls.outputs(calls.rows([0, 2]))[0][:, 0], [1, 1])


@pytest.mark.parametrize("lengths", Lengths)
def test_every_sequence_has_a_step_and_the_first_has_all(lengths):
    setting = Setting("plain", 9, 5, Phase.FORWARD, lengths=lengths)
    for seed in range(50):
        valid = draw_valid(setting, np.random.default_rng(seed))
        assert valid.shape == (5, 9)
        assert valid[0].all()
        assert valid[:, 0].all()
        assert (np.diff(valid.astype(int)) <= 0).all()
        assert valid.all() == (lengths is Lengths.FULL)


@pytest.mark.parametrize("lengths", Lengths)
def test_a_padded_rival_gets_a_mask_where_lengths_vary(lengths):
    setting = Setting("plain", 2, 2, Phase.FORWARD, lengths=lengths)
    valid = np.array([[True, True], [True, False]])
    shared = SharedInputs(LayerInputs.of_one(()), [valid * 1.0], [None], valid, ())
    feed = Feeds(Engine(), setting, shared, ragged=False).feed()
    assert np.array_equal(feed.inputs, valid * 1.0)
    assert np.array_equal(feed.mask, None if lengths is Lengths.FULL else valid)
