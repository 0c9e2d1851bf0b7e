"""What is decided of a model, and what is raced next."""

from dataclasses import replace

import pytest

from tests.support.advised import (
    LIFT,
    PAGES,
    SLOWER,
    TIMES,
    WHOLE,
    make_model,
    of_lifts,
    raced,
    run,
    screen,
)
from timelift.advise import advice as advice_module
from timelift.advise.advice import Outcome, decide
from timelift.advise.advice_code import advice_code
from timelift.analyse.ranking import SpeedUp
from timelift.analyse.verdicts import Verdict
from timelift.axis_values import Status
from timelift.case import Case

KEEP, UNDECIDED = ("keep", ["keep"] * 3), ("undecided", ["undecided", "undecided", "keep"])
EQUAL = dict.fromkeys(TIMES, 1.0)


def evidence(folder, times=TIMES, launches=3, **described):
    model = make_model(**described)
    return decide(model, run(folder, of_lifts(model, times), launches=launches))


def verdicts(known):
    return str(known.verdict), [str(lift.verdict) for lift in known.lifts]


def broken(known, *names, status=Status.LAW_BROKEN):
    return [(Case(known.model.setting, name), status, "outputs differ") for name in names]


@pytest.mark.parametrize(
    ("times", "launches", "to_race", "decided"),
    [
        (TIMES, 3, {1: "fold_time", 2: "native"}, UNDECIDED),
        (TIMES, 1, {1: "fold_time", 2: "native"}, UNDECIDED),  # so large a gain is worth a try
        (EQUAL | {"time_distributed": 1.4}, 1, {}, UNDECIDED),
        (EQUAL, 3, {}, KEEP),
        ({}, 0, {}, UNDECIDED),
    ],
)
def test_what_is_faster_alone_is_raced(tmp_path, times, launches, to_race, decided):
    known = evidence(tmp_path, times, launches)
    assert (dict(known.to_race), verdicts(known)) == (to_race, decided)


@pytest.mark.parametrize(
    ("share", "launches", "tried"),
    [
        (0.9, 1, "fold_time"),  # which one launch does not show slower
        (0.9, 3, "vectorized_map"),
        (0.8, 1, "vectorized_map"),
    ],
)
def test_plainer_code_is_tried_where_it_is_not_shown_slower(tmp_path, share, launches, tried):
    known = evidence(tmp_path, TIMES | {"vectorized_map": share}, launches)
    assert dict(known.to_race)[1] == tried


def test_what_means_another_thing_in_training_is_named_and_never_raced(tmp_path):
    without = {name: many for name, many in TIMES.items() if name != "native"}
    known = evidence(tmp_path, without)
    assert known.to_race == ((1, "fold_time"),)
    assert [*known.lifts[1].rivals] == ["fold_time", "time_distributed"]
    fastest, written = known.lifts[1].rivals.values()
    assert fastest.is_faster
    assert (fastest.meaning, written.meaning) == ({"DROPOUT": ("independent", "shared")}, {})


@pytest.mark.parametrize(
    ("whole", "decided"),
    [
        (WHOLE, ("change", ["change", "change", "keep"])),
        (WHOLE | {"changed": 2.2}, ("change", ["change", "keep", "keep"])),  # 2 brings nothing
        (WHOLE | {"changed": 3.5, "only_lift2": 4.0}, ("change", ["change", "keep", "keep"])),
        (SLOWER, KEEP),
        (dict.fromkeys(WHOLE, 3.0), KEEP),  # shown to be the same
        ({name: many for name, many in WHOLE.items() if name != "as_written"}, UNDECIDED),
        ({}, UNDECIDED),
    ],
)
def test_a_model_is_changed_only_where_the_whole_is_shown_faster(tmp_path, whole, decided):
    known = raced(tmp_path, evidence(tmp_path), whole)
    assert (known.to_race, verdicts(known)) == ((), decided)
    judged = known.advised or known.races[0].changes
    assert known.gain == known.raced.get(judged, Outcome())


@pytest.mark.parametrize(("after", "changed"), [(2.4e-3, {1}), (2.2e-3, {1, 2})])
def test_of_changes_that_are_not_told_apart_the_fewest_within_a_tie_are_made(
    tmp_path, after, changed
):
    known = raced(tmp_path, evidence(tmp_path), WHOLE)
    only, both = known.worthwhile[:1], known.worthwhile
    gains = {
        changes: Outcome(
            SpeedUp(3e-3 / seconds, 1.1, 1.6, verdict=Verdict.FASTER),
            seconds=(3e-3, seconds),
            launches=5,
        )
        for changes, seconds in ((only, 2.5e-3), (both, after))
    }
    told = decide(known.model, known.run, [replace(known.races[0], outcomes=gains)])
    assert {number for number, _ in told.advised} == changed


def test_a_gain_that_launches_do_not_show_is_undecided(tmp_path):
    known = raced(tmp_path, evidence(tmp_path), WHOLE, launches=1)
    assert verdicts(known) == UNDECIDED
    code = [*advice_code(known, PAGES)]
    assert code[0].startswith("# my.model: undecided")
    assert "class FoldTime: ..." in code  # to try
    wide = Outcome(SpeedUp(1.01, 0.97, 1.05, verdict=Verdict.UNDECIDED))
    race = replace(known.races[0], outcomes={known.worthwhile: wide})
    assert verdicts(decide(known.model, known.run, [race])) == UNDECIDED


#: What a change of the whole, or of a lift alone, shows in six launches, and what is said of it.
SHOWN = [
    ((1.3, 1.1, 1.4), Verdict.FASTER, "change"),
    ((1.3, 1.1, 1.4), Verdict.UNDECIDED, "undecided"),  # an interval above 1 is not enough
    ((1.3, 0.82, 2.0), Verdict.UNDECIDED, "undecided"),
    ((1.0, 0.96, 1.03), Verdict.UNDECIDED, "keep"),  # however wide below 1
    ((1.03, 1.01, 1.05), Verdict.UNDECIDED, "keep"),
    ((0.9, 0.85, 0.95), Verdict.SLOWER, "keep"),
]


@pytest.mark.parametrize(("times", "verdict", "said"), SHOWN)
def test_what_may_still_be_gained_tells_keep_from_undecided(tmp_path, times, verdict, said):
    gain = Outcome(SpeedUp(*times, verdict=verdict), launches=6)
    known = raced(tmp_path, evidence(tmp_path), WHOLE)
    (race,) = known.races
    raced_so = replace(race, outcomes=dict.fromkeys(filter(None, race.outcomes), gain))
    assert str(decide(known.model, known.run, [raced_so]).verdict) == said


def test_a_lift_alone_that_may_gain_is_tried_and_one_that_gains_little_is_kept(
    tmp_path, monkeypatch
):
    said = {}
    for times, verdict, _ in SHOWN:
        gain = Outcome(SpeedUp(*times, verdict=verdict), launches=6)
        monkeypatch.setattr(advice_module, "rivals_of_lift", lambda *_, one=gain: {"native": one})
        known = evidence(tmp_path)
        said[times, verdict] = "try" if known.to_race else str(known.verdict)
        assert "at most" in screen(known) or times[2] > 1.05 or times[2] < 1
    assert [*said.values()] == ["try", "try", "try", "keep", "keep", "keep"]


@pytest.mark.parametrize("blind", [{"constant": True}, {"unpadded": True}])
def test_outputs_that_would_not_show_a_loss_are_no_evidence(tmp_path, blind):
    known = evidence(tmp_path, **blind)
    assert verdicts(raced(tmp_path, known, WHOLE)) == UNDECIDED
    assert verdicts(raced(tmp_path, known, SLOWER)) == KEEP


def test_a_lift_with_which_the_model_is_slower_is_dropped_and_the_rest_raced_anew(tmp_path):
    known = evidence(tmp_path, lifts=[LIFT] * 3)
    first = {"as_written": 3.0, "changed": 2.5, "only_lift3": 3.5}
    known = raced(tmp_path, known, first | {"only_lift1": 2.6, "only_lift2": 2.4})
    assert known.to_race == ((1, "fold_time"), (2, "fold_time"))
    assert known.advised == ((2, "fold_time"),)  # what is known until then
    known = raced(tmp_path, known, WHOLE)
    assert known.to_race == ()
    assert verdicts(known) == ("change", ["change", "change", "keep"])
    assert known.judged == known.races[1].changes


def test_another_strategy_is_tried_where_one_breaks_the_law_of_the_whole(tmp_path):
    known = evidence(tmp_path)
    ended = broken(known, "only_lift1", "changed")
    known = raced(tmp_path, known, {"as_written": 3.0}, ended=ended)
    assert known.to_race == ((1, "native"), (2, "native"))
    assert known.raced[(1, "fold_time"),].is_broken
    known = raced(tmp_path, known, {"as_written": 3.0, "only_lift2": 2.0}, ended=ended)
    assert known.to_race == ()
    assert verdicts(known) == ("change", ["keep", "change", "keep"])
    assert known.lifts[0].strategy == "native"  # what was tried last


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(Status.LAW_BROKEN, "keep"), (Status.REFUSED, "keep"), (Status.TRACING_LIMIT, "undecided")],
)
def test_a_model_is_kept_where_every_strategy_breaks_its_law(tmp_path, status, verdict):
    known = evidence(tmp_path, TIMES | {"native": 9.0})
    ended = broken(known, "changed", status=status)
    unblamed = [*ended, *broken(known, "as_written", status=status)]
    assert verdicts(raced(tmp_path, known, {}, ended=unblamed))[0] == "undecided"
    known = raced(tmp_path, known, {"as_written": 3.0}, ended=ended)
    assert (known.to_race, verdicts(known)[0]) == ((), verdict)


def test_a_lift_that_keras_itself_cannot_trace_is_tried_without_a_gain(tmp_path):
    times = of_lifts(make_model())
    usual = [case for case in times if case.strategy == "time_distributed"]
    others = {case: many for case, many in times.items() if case not in usual}
    limits = [(case, Status.TRACING_LIMIT, "more than 300 s") for case in usual]
    known = decide(make_model(), run(tmp_path, others, ended=limits))
    assert known.to_race[0] == (1, "fold_time")
    assert not known.lifts[0].gain.is_compared
    end = known.lifts[0].rivals["time_distributed"].end
    assert end == "not run: tracing limit: more than 300 s"


@pytest.mark.parametrize(
    ("times", "launches", "asked", "option"),
    [
        (EQUAL, 1, "3-12", "--budget 15m"),  # with a budget or without
        (EQUAL, 2, "8", "--launches 12"),
        (EQUAL, 1, "4", "--launches 12"),
        (EQUAL, 3, "3-12", ""),
    ],
)
def test_what_is_undecided_names_the_option_that_decides(tmp_path, times, launches, asked, option):
    known = evidence(tmp_path, times, launches)
    known.run.header.options["launches"] = asked
    assert known.wants_launches == bool(option)
    said = " ".join(screen(known).split())
    assert said.endswith(f"; decide it with {option}") == bool(option)
    assert not decide(known.model, known.run, interrupted=True).wants_launches


@pytest.mark.parametrize(
    ("changes", "ended", "reason"),
    [
        ([{}, {"masked": True, "mask_fault": "they are lost"}], (), "masks go wrong at lift 2"),
        ([{}], TIMES, "no strategy that keeps the meaning has figures"),
        ([{"added": ["noise"]}], ("time_distributed", "native"), "no strategy that keeps the me"),
    ],
)
def test_more_launches_are_not_asked_for_where_they_decide_nothing(
    tmp_path, changes, ended, reason
):
    model = make_model(lifts=[LIFT | change for change in changes])
    first = model.setting_of(model.lifts[0])
    times = {Case(first, name): 1.0 for name in TIMES if name not in ended}
    ends = [(Case(first, name), Status.FAILED, "no such thing") for name in ended]
    known = decide(model, run(tmp_path, times, ended=ends))
    assert not known.wants_launches
    verdict = " ".join(screen(known).split()).split("undecided: ")[-1]
    assert verdict.startswith(reason)
    assert "decide it" not in verdict
