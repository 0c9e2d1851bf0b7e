"""Where lengths vary, another way is the fastest in fewer calls than a training run, or in more."""

from dataclasses import replace

import pytest

from tests.support import journals
from tests.support.endings import found
from timelift.analyse.findings import RunFindings
from timelift.analyse.results import Run
from timelift.analyse.varying import Way, fastest_of
from timelift.axis_values import TimeAxis
from timelift.case import CALLS_OF_A_RUN
from timelift.journal.lines import Header, StrategyEntry
from timelift.measurement import CaseInLaunch, Facts, merge
from timelift.present.conditions import varying_lengths

PADDED, EXACT = TimeAxis.BUCKETS, TimeAxis.PER_LENGTH


def turns(**parts):
    """The fastest of ways by name, each of seconds of all traces and of a call; and the turns."""
    ways = (
        Way(journals.case(name), tracing, calls if isinstance(calls, list) else [calls] * 3)
        for name, (tracing, calls) in parts.items()
    )
    best = fastest_of(ways)
    sides = (
        side and (side[1].case.strategy, pytest.approx(side[0]))
        for side in (best.below, best.above)
    )
    return best.way.case.strategy, *sides


def test_ways_cross_where_the_traces_of_one_are_saved_by_its_calls():
    padded, exact = (0.04, 8e-3), (10.04, 6e-3)
    assert turns(padded=padded, exact=exact) == ("exact", ("padded", 5_000), None)
    assert turns(padded=padded, exact=(40.04, 6e-3)) == ("padded", None, ("exact", 20_000))
    between = turns(padded=padded, between=(1.04, 7e-3), exact=(40.04, 6e-3))
    assert between == ("between", ("padded", 1_000), ("exact", 39_000))
    turned = turns(padded=padded, any=(0.02, 6.5e-3), exact=(2.02, 6e-3))
    assert turned == ("exact", ("any", 4_000), None)


@pytest.mark.parametrize(
    "other",
    [
        (2.0, 9e-3),  # worse in both
        (10.0, 7.7e-3),  # calls as long, but for less than 5 %
        (20.0, [6e-3, 6e-3, 7.9e-3]),  # no shorter in one launch
        (3e3, 6e-3),  # in more calls than any run has
    ],
)
def test_a_way_that_wins_by_chance_or_never_is_not_told(other):
    assert turns(padded=(0.04, 8e-3), other=other) == ("padded", None, None)


def seen(parts, launches=(1, 2, 3), header=None, **facts):
    """A run of ways to take lengths, each of seconds of all traces and of a call once traced."""
    lines = []
    for (name, axis), (tracing, call) in parts.items():
        of = journals.case(name)
        of = replace(of, setting=replace(of.setting, time_axis=axis))
        mean = call + (tracing or 0.0) / CALLS_OF_A_RUN
        lines += [
            CaseInLaunch(
                of, number, seconds_per_call=[mean], facts=Facts(tracing_seconds=tracing, **facts)
            )
            for number in launches
        ]
    return found(merge(lines), header=header)


WAYS = {("fold_time", PADDED): (0.04, 8e-3), ("fold_time", EXACT): (10.04, 6e-3)}


def said(*args, **how):
    return dict(varying_lengths(seen(*args, **how)))


def test_the_answer_for_a_training_run_says_below_how_many_calls_another_holds():
    assert said(WAYS)["lengths"] == (
        "a time is the mean of 10,000 calls of up to 16 steps, all traces in it (40.0 ms to 10.0 s)"
    )
    assert said(WAYS)["fastest"] == (
        "tokens-T16-B8-forward-graph: fold_time by a trace for each length; "
        "up to 5,000 calls fold_time by padding to buckets"
    )


@pytest.mark.parametrize(
    "parts",
    [
        {("fold_time", PADDED): (None, 8e-3), ("fold_time", EXACT): (None, 6e-3)},
        WAYS | {("native", PADDED): (-1.0, 1e-3)},  # of a damaged file
        WAYS | {("native", PADDED): (1e6, -1.0)},
        dict([*WAYS.items()][:1]),
    ],
)
def test_nothing_is_called_the_fastest_where_a_part_is_unknown_or_wrong_or_alone(parts):
    assert "fastest" not in said(parts)


def test_no_way_is_called_the_fastest_from_one_launch():
    assert "fastest" not in said(WAYS, launches=[1])


def test_what_is_no_lift_is_not_called_the_fastest():
    faster = WAYS | {("look_alike", PADDED): (0.0, 1e-6)}
    header = Header(strategies={"look_alike": StrategyEntry(differs="it sees all steps")})
    assert "look_alike" in said(faster)["fastest"]
    assert said(faster, header=header)["fastest"] == said(WAYS)["fastest"]


def test_a_run_in_which_a_launch_tells_no_traces_has_the_mean_of_a_hundred_calls():
    lines = [each for one in seen(WAYS).run.measurements for each in one.launches]
    lines[0] = replace(lines[0], facts=Facts())
    run = Run(Header(), merge(lines), complete=True)
    told = dict(varying_lengths(RunFindings(run)))
    assert told["lengths"] == "a time is the mean of 100 calls of up to 16 steps"
