"""Where lengths vary, another way is the fastest from some number of calls on."""

from dataclasses import replace

import pytest

from tests.support import journals
from timelift.analyse.findings import RunFindings
from timelift.analyse.results import Run
from timelift.analyse.varying import Way, fastest
from timelift.axis_values import TimeAxis
from timelift.case import CALLS_OF_A_RUN
from timelift.journal.lines import Header
from timelift.measurement import CaseInLaunch, Facts, merge
from timelift.present.conditions import varying_lengths


def ways_of(**parts):
    """Name ways by keyword, each with its seconds of a call and of all traces."""
    return [
        Way(journals.case(name), dict.fromkeys((1, 2, 3), call), tracing)
        for name, (call, tracing) in parts.items()
    ]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"a": (8e-3, 0.04), "b": (6e-3, 10.04)}, {"a": 1, "b": 5000}),
        ({"a": (8e-3, 0.04), "b": (6e-3, 10.04), "c": (7e-3, 9.0)}, {"a": 1, "b": 5000}),
        (
            {"a": (8e-3, 0.0), "b": (6e-3, 10.0), "c": (7e-3, 1.0)},
            {"a": 1, "c": 1000, "b": 9000},
        ),
        ({"a": (8e-3, 1.0), "b": (9e-3, 2.0)}, {"a": 1}),  # worse in both
        ({"a": (8e-3, 1.0), "b": (7e-3, 1.0)}, {"b": 1}),
    ],
)
def test_ways_are_the_fastest_from_one_crossing_to_the_next(parts, expected):
    found = {way.case.strategy: way.from_calls for way in fastest(ways_of(**parts))}
    assert [*found] == [*expected]
    assert [*found.values()] == pytest.approx([*expected.values()], rel=1e-6)


@pytest.mark.parametrize(
    ("second", "expected"),
    [(0.006, ["a", "b"]), (0.0078, ["a"])],  # in one launch hardly shorter, or by chance
)
def test_a_way_whose_calls_are_not_shorter_in_every_launch_is_not_told(second, expected):
    a, b = ways_of(a=(8e-3, 0.04), b=(6e-3, 10.04))
    found = fastest([a, replace(b, calls={**b.calls, 2: second})])
    assert [way.case.strategy for way in found] == expected


def told(parts):
    """What is said of ways to take lengths, each with a call once traced and all traces."""
    lines = []
    for axis, (mean, tracing) in parts.items():
        of = journals.case("fold_time")
        of = replace(of, setting=replace(of.setting, time_axis=axis))
        facts = Facts(tracing_share=0.5, tracing_seconds=tracing)
        call = mean + (tracing or 0.0) / CALLS_OF_A_RUN
        lines += [
            CaseInLaunch(of, number, seconds_per_call=[call], facts=facts) for number in (1, 2, 3)
        ]
    run = Run(Header(), merge(lines), complete=True)
    return dict(varying_lengths(RunFindings(run)))


def test_the_answer_for_a_training_run_says_from_how_many_calls_on_it_holds():
    said = told({TimeAxis.BUCKETS: (8e-3, 0.04), TimeAxis.PER_LENGTH: (6e-3, 10.04)})
    assert "a time is the mean of 10,000 calls, " in said["lengths"]
    assert said["lengths"].endswith("; all traces in it (40.0 ms to 10.0 s)")
    where = "fold_time by padding to buckets, from 5,000 calls on fold_time by a trace for each"
    assert where in said["fastest"]


def test_a_run_of_an_older_timelift_is_the_mean_of_a_hundred_calls():
    said = told({TimeAxis.BUCKETS: (8e-3, None), TimeAxis.PER_LENGTH: (6e-3, None)})
    assert "a time is the mean of 100 calls, " in said["lengths"]
    assert said["lengths"].endswith("; tracing is 50 % of it")
    assert "fastest" not in said
