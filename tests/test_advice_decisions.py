"""What is raced next of a model, and the verdicts on it: from runs of known times."""

import dataclasses

import pytest

from tests.advised import LIFT, TIMES, WHOLE, make_model, of_lifts, raced, run
from timelift.advise.advice import Evidence, Gain
from timelift.analyse.ranking import SpeedUp
from timelift.analyse.verdicts import Verdict
from timelift.case import Case, Status

#: A model of three lifts that training adds nothing to.
THREE = {"lifts": [LIFT | {"name": name} for name in "abc"]}
#: Times of the whole model in which one lift alone is changed.
ALONE = ("only_lift1", "only_lift2", "only_lift3")


def evidence(folder, times=TIMES, launches=3, **described):
    model = make_model(**described)
    return Evidence(model, run(folder, of_lifts(model, times), launches=launches))


def verdicts(known):
    """The verdict on a model, and those on its lifts."""
    advice = known.advice()
    return str(advice.verdict), [str(lift.verdict) for lift in advice.lifts]


def broken(model, *names):
    return [
        (Case(model.setting, name), Status.LAW_BROKEN, "breaks the law: outputs differ")
        for name in names
    ]


def test_what_means_another_thing_in_training_is_named_and_never_raced(tmp_path):
    without = {name: many for name, many in TIMES.items() if name != "native"}
    known = evidence(tmp_path, without)
    assert known.to_race == {1: "fold_time"}
    fastest, written = known.lifts[1].rivals
    assert (fastest.strategy, written.strategy) == ("fold_time", "time_distributed")
    assert fastest.means == {"DROPOUT": ("independent", "shared")}
    assert fastest.gain.is_shown
    assert not written.means
    assert evidence(tmp_path).to_race == {1: "fold_time", 2: "native"}


@pytest.mark.parametrize(
    ("whole", "verdict"),
    [
        ({"as_written": 3.0, "changed": 2.0}, "change"),
        ({"as_written": 3.0, "changed": 3.6}, "keep"),  # slower
        ({"as_written": 3.0, "changed": 3.0}, "keep"),  # shown to be the same
        ({"changed": 2.0}, "undecided"),
        ({}, "undecided"),
    ],
)
def test_a_model_is_changed_only_where_the_whole_is_shown_faster(tmp_path, whole, verdict):
    known = evidence(tmp_path, TIMES | {"native": 9.0})
    assert verdicts(known) == ("undecided", ["undecided", "keep", "keep"])
    known = raced(tmp_path, known, whole)
    assert known.to_race == {}
    assert verdicts(known) == (verdict, [verdict, "keep", "keep"])
    assert known.advice().advised == ({1: "fold_time"} if verdict == "change" else {})


def test_a_gain_that_launches_do_not_show_is_undecided(tmp_path):
    known = evidence(tmp_path, TIMES | {"native": 9.0})
    brief = raced(tmp_path, known, {"as_written": 3.0, "changed": 1.5}, launches=1)
    assert verdicts(brief)[0] == "undecided"
    gain = Gain(SpeedUp(1.01, 0.97, 1.05, verdict=Verdict.UNDECIDED))
    wide = dataclasses.replace(brief.races[0], gains={(1,): gain})
    assert verdicts(dataclasses.replace(brief, races=(wide,)))[0] == "undecided"


@pytest.mark.parametrize(("launches", "written"), [(1, 1.0), (1, 1.4), (3, 1.0)])
def test_where_nothing_is_shown_faster_alone_nothing_is_raced(tmp_path, launches, written):
    known = evidence(tmp_path, dict.fromkeys(TIMES, 1.0) | {"time_distributed": written}, launches)
    assert known.to_race == {}
    verdict = "undecided" if launches == 1 else "keep"
    assert verdicts(known) == (verdict, [verdict, verdict, "keep"])


def test_a_large_gain_of_one_launch_is_tried_and_proves_nothing(tmp_path):
    known = evidence(tmp_path, launches=1)
    assert known.to_race == {1: "fold_time", 2: "native"}
    assert verdicts(known) == ("undecided", ["undecided", "undecided", "keep"])


def test_nothing_is_decided_of_what_was_not_measured(tmp_path):
    model = make_model()
    assert verdicts(Evidence(model)) == ("undecided", ["undecided", "undecided", "keep"])
    assert verdicts(Evidence(make_model(lifts=[]))) == ("keep", [])
    first = model.setting_of(model.lifts[0])
    reached = {case: many for case, many in of_lifts(model).items() if case.setting == first}
    known = Evidence(model, run(tmp_path, reached))
    assert [lift.launches for lift in known.lifts] == [3, 0, 0]
    known = raced(tmp_path, known, {"as_written": 3.0, "changed": 2.0})
    assert verdicts(known) == ("change", ["change", "undecided", "keep"])


def test_a_lift_with_which_the_model_is_slower_is_dropped_and_the_rest_raced_anew(tmp_path):
    known = evidence(tmp_path, **THREE)
    assert known.to_race == dict.fromkeys((1, 2, 3), "fold_time")
    times = {"as_written": 3.0, "changed": 2.5} | dict(zip(ALONE, (2.6, 2.4, 3.5), strict=True))
    known = raced(tmp_path, known, times)
    assert known.to_race == {1: "fold_time", 2: "fold_time"}
    assert known.advice().advised == {2: "fold_time"}  # what is known until then
    again = {"as_written": 3.0, "changed": 2.0, "only_lift1": 2.6, "only_lift2": 2.4}
    known = raced(tmp_path, known, again)
    assert known.to_race == {}
    assert verdicts(known) == ("change", ["change", "change", "keep"])
    assert known.advice().whole is known.races[1]


def test_a_single_lift_that_is_left_needs_no_race_of_its_own(tmp_path):
    times = WHOLE | {"changed": 3.5, "only_lift2": 4.0}
    known = raced(tmp_path, evidence(tmp_path), times)
    assert known.to_race == {}
    assert verdicts(known) == ("change", ["change", "keep", "keep"])
    advice = known.advice()
    assert advice.gain == advice.lifts[0].in_whole == known.races[0].gains[1,]
    assert advice.lifts[1].in_whole.is_loss
    times = WHOLE | {"changed": 3.5, "only_lift1": 3.1, "only_lift2": 4.0}
    assert verdicts(raced(tmp_path, evidence(tmp_path), times))[0] == "keep"


def test_a_change_that_brings_the_whole_nothing_is_not_advised(tmp_path):
    known = raced(tmp_path, evidence(tmp_path), WHOLE)
    assert verdicts(known) == ("change", ["change", "change", "keep"])
    known = raced(tmp_path, evidence(tmp_path), WHOLE | {"changed": 2.2})
    assert verdicts(known) == ("change", ["change", "keep", "keep"])
    assert known.advice().advised == {1: "fold_time"}


def test_another_strategy_is_tried_where_one_breaks_the_law_of_the_whole(tmp_path):
    known = evidence(tmp_path)
    known = raced(tmp_path, known, {"as_written": 3.0}, ended=broken(known.model, "only_lift1"))
    assert known.to_race == {1: "native", 2: "native"}
    assert "law broken" in known.lifts[0].rivals[0].broke
    ended = broken(known.model, "only_lift1", "changed")
    known = raced(tmp_path, known, {"as_written": 3.0, "only_lift2": 2.0}, ended=ended)
    assert known.to_race == {}
    assert verdicts(known) == ("change", ["keep", "change", "keep"])
    assert known.advice().lifts[0].strategy == "native"  # what was tried last


def test_a_model_of_which_every_strategy_breaks_the_law_is_kept(tmp_path):
    known = evidence(tmp_path, TIMES | {"native": 9.0})
    limit = [(Case(known.model.setting, "changed"), Status.TRACING_LIMIT, "more than 300 s")]
    assert verdicts(raced(tmp_path, known, {"as_written": 3.0}, ended=limit))[0] == "undecided"
    known = raced(tmp_path, known, {"as_written": 3.0}, ended=broken(known.model, "changed"))
    assert known.to_race == {}
    assert verdicts(known) == ("keep", ["keep", "keep", "keep"])


def test_constant_outputs_are_no_evidence(tmp_path):
    known = raced(tmp_path, evidence(tmp_path, constant=True), WHOLE)
    assert verdicts(known) == ("undecided", ["undecided", "undecided", "keep"])
    slower = {name: 3.0 if name == "as_written" else 4.0 for name in WHOLE}
    assert verdicts(raced(tmp_path, evidence(tmp_path, constant=True), slower))[0] == "keep"


def test_a_lift_that_keras_itself_cannot_trace_is_tried_without_a_gain(tmp_path):
    model = make_model()
    times = of_lifts(model)
    usual = [case for case in times if case.strategy == "time_distributed"]
    others = {case: many for case, many in times.items() if case not in usual}
    limits = [(case, Status.TRACING_LIMIT, "tracing took more than 300 s") for case in usual]
    known = Evidence(model, run(tmp_path, others, ended=limits))
    assert known.to_race[1] == "fold_time"
    assert known.lifts[0].gain.speed_up is None
    assert known.lifts[0].lost == "not run: tracing limit: tracing took more than 300 s"
