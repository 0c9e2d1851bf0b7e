"""A gain in train steps is told as it is in `fit`, which adds as much to a step of every rival."""

from dataclasses import replace

import pytest

from tests.support import engines, journals
from tests.support.advised import PAGES, WHOLE, advised, make_model
from tests.support.endings import found
from tests.support.simulated import TD, raced
from timelift.advise.advice import decide
from timelift.advise.advice_words import document
from timelift.axis_values import Phase
from timelift.present.answer import safety
from timelift.present.conditions import train_steps
from timelift.present.terminal import to_text

STEP = journals.case(phase=Phase.TRAIN).setting


def with_fit(measurement, adds):
    """The measurement as if its launches had told what `fit` adds."""
    launches = (
        replace(one, facts=replace(one.facts, fit_adds_seconds=adds))
        for one in measurement.launches
    )
    return replace(measurement, launches=tuple(launches))


def findings(adds, gain=1.35, lengths=(16,)):
    """A run in which the fold is so many times as fast; 1 ms is its step, and `fit` adds `adds`."""
    settings = [replace(STEP, seq_len=length) for length in lengths]
    rivals = raced({"fold_time": 1.0, TD: gain}, settings)
    seconds = rivals[0].launches[0].median_seconds
    return found([with_fit(one, adds and adds * seconds) for one in rivals])


@pytest.mark.parametrize(
    ("adds", "said"),
    [
        (0.6, "In fit: about 1.2 times as fast. "),  # (1.35 + 0.6) / (1 + 0.6)
        (-0.3, "In fit: about 1.5 times as fast. "),  # beside `train_on_batch`
        (0.01, ""),  # which is written as that of a step
        (-1.5, ""),  # which is no sum of the two
        (None, ""),
    ],
)
def test_a_gain_in_fit_stands_beside_the_answer_if_it_is_another(adds, said):
    assert safety(findings(adds)) == f"{said}No other is shown faster."


@pytest.mark.parametrize(("adds", "is_told"), [((0.5, 0.6, 0.7), True), ((-0.5, 0.6, 0.7), False)])
def test_a_gain_in_fit_of_which_launches_disagree_is_not_told(adds, is_told):
    measurements = []
    for one in findings(1).run.measurements:
        seconds = one.launches[0].median_seconds
        seconds /= 1.35 if one.case.strategy == TD else 1
        launches = [
            replace(launch, facts=replace(launch.facts, fit_adds_seconds=seconds * each))
            for launch, each in zip(one.launches, adds, strict=False)
        ]
        measurements.append(replace(one, launches=(*launches, *one.launches[len(adds) :])))
    assert ("In fit: about 1.2" in safety(found(measurements))) is is_told


def test_the_gain_of_several_settings_is_typical():
    assert safety(findings(0.6, lengths=(8, 16, 32))).startswith("In fit: typically about 1.2 ")


def test_what_fit_adds_to_a_step_is_told_with_what_was_timed():
    alone, others = raced({"fold_time": 1.0, TD: 2.0}, [STEP, replace(STEP, seq_len=128)])[::2]
    said = dict(train_steps(found([with_fit(alone, 453e-6), with_fit(others, 2.2e-3)])))
    assert said["fit"] == "adds 453 µs to 2.20 ms to a step, from arrays in memory"
    assert "fit" not in dict(train_steps(findings(None)))


@pytest.mark.parametrize(("gain", "said"), [(1.3, ", in fit about 1.3"), (1.5, "")])
def test_advice_says_what_the_whole_model_gains_in_fit(tmp_path, gain, said):
    model = make_model()
    (race,) = (usual := advised(tmp_path, model, whole=WHOLE)).races
    outcomes = dict(race.outcomes)
    outcomes[race.changes] = replace(outcomes[race.changes], in_fit=gain)
    advice = decide(model, usual.run, [replace(race, outcomes=outcomes)])
    words = " ".join(to_text(document([advice], PAGES)).split())
    assert "train step becomes 1.5 times as fast" + said in words
    assert ("in fit" in words) is bool(said)


RIVALS = """
from timelift.worker import fit_overhead
from timelift.worker.checks import PreparedRival
from timelift.worker.model_data import Data
setting = changed(phase=Phase.TRAIN)
setting = dataclasses.replace(setting, mode=setting.mode_of_fit)
engine = open_engine(setting)
data = {"a": ones(3, 5, 2), "b": ones(3, 5, 4)}, [ones(3, 5, 8), ones(3, 5)]
inputs, labels = keras.tree.map_structure(engine.place, data)
large = engine.place(ones(3, 1 << 20))
rivals = [
    PreparedRival(None, None, Feed(inputs, None, labels)),
    PreparedRival(None, None, Feed(None), data=Data(*data)),
    PreparedRival(None, None, Feed(large, None, labels)),
]
"""
MEASURED = """
told = [fit_overhead.seconds_that_fit_adds(engine, setting, rival) for rival in rivals]
others = [{"phase": Phase.BACKWARD}, {"mode": Mode.XLA}, {"device": "gpu"}]
others.append({"backend": Backend.JAX})
is_a_sum = [fit_overhead.is_a_sum(dataclasses.replace(setting, **own)) for own in ({}, *others)]
print(json.dumps([[each and bool(np.isfinite(each)) for each in told], is_a_sum]))
"""


@pytest.mark.parametrize("backend", ["tensorflow", pytest.param("torch", marks=pytest.mark.whole)])
def test_fit_is_timed_beside_the_step_that_was_timed_for_any_structure_of_data(backend):
    told, is_a_sum = engines.run(backend, engines.ENGINE + RIVALS + MEASURED)
    assert told == [True, True, None]  # of data so large, nothing
    assert is_a_sum == [True, False, False, False, False]


SLOW_STEP = """
import time
def slow(*how):
    step = usual(*how)
    return lambda: (time.sleep(0.05), step())[1]
usual, fit_overhead._MOST_STEPS = fit_overhead._step_of, 12
ours = fit_overhead.seconds_that_fit_adds(engine, setting, rivals[0])
fit_overhead._step_of = slow
print(json.dumps([ours, fit_overhead.seconds_that_fit_adds(engine, setting, rivals[0])]))
"""


def test_what_fit_adds_is_less_beside_a_step_that_takes_longer():
    ours, beside_slow = engines.run("torch", engines.ENGINE + RIVALS + SLOW_STEP)
    assert 0.02 < ours - beside_slow < 0.2  # one sleep, and not those of all steps
