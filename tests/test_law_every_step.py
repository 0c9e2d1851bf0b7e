"""The law at every step: a mistake at one step of 128 is found, a right rival never pays."""

from functools import partial
from itertools import product

import numpy as np
import pytest

from tests.plain_engine import BATCH, TIME, Dense, Launch
from timelift.case import Gradients, Phase
from timelift.messages import CALLING_EVERY_STEP
from timelift.worker.law import LawBrokenError

LAUNCHES = 100


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
