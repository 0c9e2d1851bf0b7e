"""Lengths that vary from call to call: which ones, and the law at each."""

from dataclasses import replace

import pytest

from studies import law
from tests.support.engines import evaluate
from tests.support.law_cases import BATCH, FEATURES, SEED
from tests.support.law_cover import rivals  # noqa: F401 - evaluated
from tests.support.questions import cases
from timelift.axis_values import Gradients, Mode, Phase, TimeAxis
from timelift.case import Case, Setting
from timelift.inner_layer import LayerInputs
from timelift.measurement import CaseInLaunch
from timelift.messages import Task, WorkerChannel

SIX = Setting("dense", 6, BATCH, Phase.FORWARD, Mode.EAGER)
VARYING = [axis for axis in TimeAxis if axis.varies]


def test_each_way_to_take_lengths_has_the_same_from_one_to_the_longest():
    lengths = [replace(SIX, time_axis=axis).call_lengths for axis in VARYING]
    assert lengths == [lengths[0]] * 3
    assert (len(lengths[0]), {*lengths[0]}) == (100, {1, 2, 3, 4, 5, 6})


@pytest.mark.parametrize(
    ("axis", "built", "known"),
    [
        ("per_length", [1, 2, 3, 4, 5, 6], "static"),
        ("buckets", [1, 2, 4, 4, 6, 6], "static"),
        ("any_length", [6] * 6, "dynamic"),
        ("static", [6] * 6, "static"),
    ],
)
def test_a_model_is_built_for_a_length_a_bucket_or_any_length(axis, built, known):
    asked = replace(SIX, time_axis=TimeAxis(axis))
    models = [asked.at_length(length) for length in range(1, 7)]
    assert [model.seq_len for model in models] == built
    assert {model.time_axis for model in models} == {known}
    assert Case.from_fields(Case(asked, "fold").short_fields()).setting == asked


def test_only_a_question_that_names_varying_lengths_has_them():
    asked = {"time_axes": "static,per_length,buckets"}
    usual = cases(asked, phases="forward", modes="graph")
    own = cases(asked, keeps="time_axes", phases="forward", time_axes="per_length,buckets")
    assert {case.setting.time_axis for case in usual} == {"static"}
    assert {case.setting.time_axis for case in own} == {"per_length", "buckets"}
    assert not {*usual} & {*own}


#: Lines of a lift (`studies/planted.py`), with the length at which each is caught, by time axis.
MISTAKES = {
    "y * (x.shape[1] != 4)": {"per_length": 4, "any_length": 4, "buckets": 3},
    "ops.where(ops.arange(x.shape[1])[:, None] < self.keep(1, lambda: x.shape[1]), y, 0)": {
        "any_length": 6
    },
    "y + ops.mean(ops.cast(x == 0, 'float32'))": {"buckets": 3},
}
#: A right lift and the mistakes.
PLANTED = law.rivals({line: line for line in ("y", *MISTAKES)})


def ends(*how, **changes):
    """Play rivals at each length; return the reasons, by name."""
    return {end.case.strategy: end.reason for end in played(*how, **changes)}


def figures(axis):
    """The seconds of a call and the facts of a lift whose every first call traces for a second."""
    from timelift.worker import varying

    passes = iter([[2.0] * 100, [1.0] * 100, [1.0] * 100])
    usual, varying.time_calls = varying.time_calls, lambda *_: next(passes)
    try:
        (end,) = played(axis, "forward", chosen=PLANTED[:1])
    finally:
        varying.time_calls = usual
    facts = end.facts
    return end.seconds_per_call, end.calls_per_sample, facts.tracing_seconds, facts.tracing_share


def played(axis, phase, layer="dense", chosen=PLANTED, **changes):
    """Play rivals at each length; return how they ended."""
    from timelift.worker.measure_setting import measure_setting

    gradients = Gradients.INPUTS_AND_WEIGHTS
    how = {"time_axis": TimeAxis(axis), "gradients": gradients, **changes}
    setting = replace(SIX, phase=Phase(phase), **how)
    inputs = LayerInputs.of_one((FEATURES,))
    task = Task(setting, tuple(chosen), f"{law.PLANTED}:{layer}", inputs, SEED, 1.0, warms=False)
    events = []
    measure_setting(task, WorkerChannel(events.append))
    return [event for event in events if isinstance(event, CaseInLaunch)]


@pytest.mark.parametrize("phase", [pytest.param("forward", marks=pytest.mark.whole), "backward"])
@pytest.mark.parametrize(
    "axis", [VARYING[0], *(pytest.param(axis, marks=pytest.mark.whole) for axis in VARYING[1:])]
)
def test_a_mistake_at_some_lengths_is_caught_there_and_a_right_lift_is_right_at_all(axis, phase):
    found = evaluate("tensorflow", "tests.test_varying", f"ends({str(axis)!r}, {phase!r})")
    for line, reason in found.items():
        caught = MISTAKES.get(line, {}).get(axis)
        assert reason.partition(",")[0] == (f"at length {caught}" if caught else ""), (line, reason)


@pytest.mark.parametrize(("axis", "traces"), [("per_length", 6), ("buckets", 4)])
def test_the_time_of_a_call_has_its_share_of_all_traces_of_ten_thousand(axis, traces):
    seconds, calls, tracing, share = evaluate(
        "tensorflow", "tests.test_varying", f"figures({axis!r})"
    )
    mean = 1 + traces / 10_000
    assert (seconds, calls) == ([pytest.approx(mean)], 1)
    assert (tracing, share) == pytest.approx((traces, traces / 10_000 / mean))


def test_a_layer_that_draws_noise_in_training_is_refused_in_a_sentence():
    said = evaluate("tensorflow", "tests.test_varying", "ends('per_length', 'backward', 'dropout')")
    sentence = "in training a step depends on noise or on the batch; ask for --phases forward."
    assert set(said.values()) == {sentence}


def test_a_strategy_is_asked_at_each_length_whether_it_refuses():
    how = "chosen=rivals(['time_distributed']), batch=6, mode=Mode.GRAPH"
    asked = f"ends('any_length', 'forward', {how})"
    found = evaluate("tensorflow", "tests.test_varying", asked)
    reason = "Keras maps over `batch` steps where time is dynamic, and time differs from batch."
    assert found == {"time_distributed": f"at length 1, {reason}"}
