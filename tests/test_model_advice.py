"""What is advised of a model: from what it tells and two runs to a screenful, and data."""

import dataclasses
import json
import math

import pytest

from tests import journals
from tests.advised import LIFT, TIMES, WHOLE, advised, model, of_lifts, run
from timelift.analyse.model_advice import ModelAdvice, advise_lifts, advise_whole, least_gain
from timelift.analyse.stats.verdicts import Verdict
from timelift.case import Case, Phase, Status
from timelift.present.model_advice import advice_json, advice_lines


def test_the_fastest_strategy_is_advised_with_its_gain(tmp_path):
    first, second, third = advised(tmp_path, model()).lifts
    assert (first.strategy, second.strategy) == ("fold_time", "fold_time")
    assert first.gain.speed_up.times == pytest.approx(5.0, rel=0.01)
    assert first.gain.first_call == pytest.approx((5.0, 1.0))
    assert not third.is_change


def test_nothing_is_advised_where_nothing_is_shown_faster(tmp_path):
    found = advised(tmp_path, model(), dict.fromkeys(TIMES, 1.0))
    assert found.changes == {}
    text = "\n".join(advice_lines(found))
    assert text.count("nothing is shown faster") == 2
    assert "there is nothing to change" in text


def test_what_one_launch_shows_is_tried_where_it_is_much(tmp_path):
    told = model()
    first, second, _ = advise_lifts(told, run(tmp_path, of_lifts(told), launches=1))
    assert (first.strategy, second.strategy) == ("fold_time", "fold_time")
    text = "\n".join(advice_lines(ModelAdvice(told, (first, second))))
    assert text.count("times as fast by one launch") == 2
    little = of_lifts(told, TIMES | {"time_distributed": 1.4 * min(TIMES.values())})
    found = ModelAdvice(told, advise_lifts(told, run(tmp_path, little, launches=1)))
    assert found.changes == {}
    text = "\n".join(advice_lines(found))
    assert text.count("too few launches to tell") == 2
    assert "there is nothing to change, as far as lifts were measured" in text


def test_what_the_time_did_not_reach_is_told_so(tmp_path):
    told = model()
    reached = told.setting_of(told.lifts[0])
    first = {case: many for case, many in of_lifts(told).items() if case.setting == reached}
    found = ModelAdvice(told, advise_lifts(told, run(tmp_path, first)))
    assert [one.launches for one in found.lifts] == [3, 0, 0]
    nothing = dataclasses.replace(found, lifts=found.lifts[1:])
    text = "\n".join(advice_lines(nothing))
    assert "was not measured  -" in text
    assert "nothing to change, as far as lifts were measured" in text
    for whole in (None, advise_whole(told, run(tmp_path, {}))):
        text = "\n".join(advice_lines(dataclasses.replace(found, whole=whole)))
        assert "the whole model, train step, batch 8: was not measured in the time" in text


@pytest.mark.parametrize("whole", [False, True])
def test_an_advice_that_was_interrupted_is_provisional(tmp_path, whole):
    found = advised(tmp_path, model(), whole=WHOLE)
    cut = dataclasses.replace(found, interrupted=True, whole=found.whole if whole else None)
    text = "\n".join(advice_lines(cut))
    assert "provisional: the advice was interrupted" in text
    assert ("batch 8: was not measured\n" in text) == (not whole)
    assert json.loads(advice_json(cut))["provisional"]
    assert "provisional" not in "\n".join(advice_lines(found))
    assert not json.loads(advice_json(found))["provisional"]


@pytest.mark.parametrize(
    ("inputs", "labels", "trains", "said"),
    [
        (True, True, True, "its inputs and labels were drawn"),
        (False, True, True, "its labels were drawn, since --data returned no labels"),
        (True, False, False, "its inputs were drawn; "),
        (False, False, True, ""),
    ],
)
def test_what_was_drawn_is_told(tmp_path, inputs, labels, trains, said):
    told = model(drawn=inputs, draws_labels=labels, trains=trains)
    text = "\n".join(advice_lines(advised(tmp_path, told, whole=WHOLE)))
    assert said in text
    assert ("drawn" in text) == bool(said)


@pytest.mark.parametrize(
    ("low", "high", "shown", "loss"),
    [(1.5, 2.4, True, False), (0.9, 1.1, False, False), (0.5, 0.9, False, True)],
)
def test_what_is_shown_is_what_the_interval_shows(tmp_path, low, high, shown, loss):
    gain = advised(tmp_path, model()).lifts[0].gain
    one = dataclasses.replace(gain.speed_up, low=low, high=high, verdict=Verdict.UNDECIDED)
    told = dataclasses.replace(gain, speed_up=one)
    assert (told.is_shown, told.is_loss) == (shown, loss)
    unknown = dataclasses.replace(one, low=math.nan, high=math.nan)
    bare = dataclasses.replace(gain, speed_up=unknown)
    assert (bare.is_shown, bare.is_loss) == (False, False)


def test_what_training_would_mean_is_told_where_it_differs(tmp_path):
    first, second, _ = advised(tmp_path, model()).lifts
    assert first.means == {}
    assert second.means == {"DROPOUT": ("independent", "shared")}
    same = advised(tmp_path, model(), TIMES | {"native": 0.5}).lifts[1]
    assert (same.strategy, same.means) == ("native", {})
    text = "\n".join(advice_lines(advised(tmp_path, model())))
    told = "encoder/head_td: Dropout: the same noise for all steps of a call; it is new noise for"
    assert f"{told} every step with TimeDistributed" in text


def test_the_whole_model_is_told_with_each_change_alone(tmp_path):
    found = advised(tmp_path, model(), whole=WHOLE)
    assert found.whole.gain.speed_up.times == pytest.approx(1.5, rel=0.01)
    lines = list(advice_lines(found))
    (known, *_) = advice_lines(dataclasses.replace(found, cores=2))
    assert known == "my.model: 3 lifts over time in 7 layers (TensorFlow, graph, CPU, 2 cores)"
    text = "\n".join(lines)
    assert "the whole model, train step, batch 8: 1.5 times as fast; first call" in text
    assert "first call 3.00 s → 2.00 s; peak memory 3.00 MiB → 2.00 MiB" in text
    assert "with sents_td alone: 1.4 times as fast" in text
    assert "with encoder/head_td alone: 1.00 times as fast, not shown to differ" in text
    assert "largest relative difference 3e-07" in text
    assert "looped is called 4 times by hand" in text
    assert "its inputs and labels were drawn" in text


def test_a_change_that_breaks_the_law_is_no_gain(tmp_path):
    told = model()
    changed = Case(told.setting, "changed")
    broken = [(changed, Status.LAW_BROKEN, "breaks the law: outputs differ by 0.5 of the largest")]
    broken += [(Case(told.setting, "only_encoder.head_td"), Status.FAILED, "no such thing")]
    whole = {"as_written": 3.0, "only_sents_td": 2.0}
    found = advised(tmp_path, told, whole=whole, ended=broken)
    assert least_gain(found.whole) == 1.0
    text = "\n".join(advice_lines(found))
    assert "the whole model, train step, batch 8: not compared\n" in text
    assert "\n    with sents_td alone: 1.5" in text
    assert "\n    with every lift changed: law broken: breaks the law: outputs differ" in text
    assert "\n    with encoder/head_td alone: failed: no such thing" in text
    assert found.whole.lost.keys() == {"changed", "encoder/head_td"}
    assert "equal those of your model" not in text


def test_a_lift_that_keras_itself_cannot_trace_is_advised_without_a_gain(tmp_path):
    told = model()
    usual = [
        (case, Status.TRACING_LIMIT, "tracing took more than 300 s")
        for case in of_lifts(told)
        if case.strategy == "time_distributed"
    ]
    others = {name: many for name, many in TIMES.items() if name != "time_distributed"}
    times = of_lifts(told, others)
    first, *_ = advise_lifts(told, run(tmp_path, times, ended=usual))
    assert first.strategy == "fold_time"
    assert first.gain.speed_up is None
    assert first.lost == (Status.TRACING_LIMIT, "tracing took more than 300 s")
    text = "\n".join(advice_lines(ModelAdvice(told, (first,))))
    assert "not compared" in text
    assert "sents_td: TimeDistributed itself: not run: tracing limit" in text


def test_a_gain_counts_by_the_end_of_its_interval(tmp_path):
    assert least_gain(None) == 1.0
    found = advised(tmp_path, model(), whole=WHOLE)
    assert 1.4 < least_gain(found.whole) < 1.5
    alike = advised(tmp_path, model(), whole=dict.fromkeys(WHOLE, 3.0))
    assert least_gain(alike.whole) == 1.0


def test_it_is_data_for_programs(tmp_path):
    found = json.loads(advice_json(advised(tmp_path, model(), whole=WHOLE)))
    assert [one["write"] for one in found["lifts"]] == ["fold_time", "fold_time", None]
    assert found["lifts"][2]["times_as_fast"] is None
    assert found["whole"]["alone"].keys() == {"sents_td", "encoder/head_td"}
    assert found["whole"]["verdict"] == "faster"


def test_names_of_lifts_are_names_of_cases():
    lifts = [LIFT | {"path": path, "name": "b"} for path in ("a/b", "a.b", "T16")]
    names = [one.workload for one in model(lifts=lifts).lifts]
    assert len({*names}) == 3
    for name in names:
        case = journals.case("native", name)
        assert Case.from_label(case.label) == case


def test_a_model_where_nothing_trains_is_asked_for_its_outputs():
    assert model().setting.phase is Phase.BACKWARD
    assert model(trains=False).setting.phase is Phase.FORWARD
