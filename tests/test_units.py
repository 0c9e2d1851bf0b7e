"""Seconds, bytes and facts as a reader sees them."""

import math

import pytest

from tests import journals
from timelift.analyse.runs import results
from timelift.analyse.runs.measurement import fact
from timelift.analyse.stats.estimates import Interval
from timelift.errors import counted
from timelift.present.units import (
    at_most,
    human_bytes,
    percent,
    percent_interval,
    percent_more,
    three_figures,
    unit_for,
)


@pytest.mark.parametrize(
    ("times", "unit"),
    [([2e-6], "µs"), ([5e-4, 9e-4], "µs"), ([1e-3, 2e-3], "ms"), ([1e-4, 1.0], "ms"), ([3], "s")],
)
def test_the_unit_fits_the_middle_of_the_times(times, unit):
    assert unit_for(times).name == unit


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.012345, "0.0123"),
        (1.2345, "1.23"),
        (0.99999, "1.00"),
        (9.996, "10.0"),
        (12.345, "12.3"),
        (123.45, "123"),
        (12345.6, "12,346"),
        (0.0, "0.00"),
        (-1.5, "-1.50"),
        (float("nan"), ""),
    ],
)
def test_numbers_have_three_figures_and_no_exponent(value, text):
    assert three_figures(value) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(512, "512 B"), (1536, "1.50 KiB"), (3 << 20, "3.00 MiB"), (5 << 40, "5.00 TiB")],
)
def test_bytes_have_binary_units(count, text):
    assert human_bytes(count) == text


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (1, "0 %"),
        (1.0004, "0.1 %"),
        (1.033, "3.3 %"),
        (1.1561, "16 %"),
        (2.134999, "2.14 times"),
        (3.21, "3.21 times"),
        (28.81, "28.9 times"),
        (1000.1, "1,010 times"),
        (math.inf, "unknown"),
    ],
)
def test_an_upper_bound_is_rounded_up(ratio, words):
    assert at_most(ratio) == words


def test_a_fact_is_that_of_the_launches_that_know_it(tmp_path):
    known = [{"graph_nodes": 40}, {"graph_nodes": 42}, {}]
    lines = [
        journals.line(journals.case(), launch, facts=facts)
        for launch, facts in enumerate(known, start=1)
    ]
    run = results.load(journals.write(tmp_path / "run", journals.header(), *lines))
    (measurement,) = run.measurements
    assert fact(measurement, "graph_nodes") == 42
    assert fact(measurement, "peak_bytes") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (percent(0.02), "2.0 %"),
        (percent(0.02, signed=True), "+2.0 %"),
        (percent(-0.0001, signed=True), "+0.0 %"),
        (percent(1, 0), "100 %"),
        (percent_more(math.log(0.5)), "-50.0 %"),
        (percent_interval(Interval(-0.05, math.log(0.9), 0.0)), "[-10.0 %, +0.0 %]"),
        (counted(1, "case"), "1 case"),
        (counted(0, "case"), "0 cases"),
        (counted(2000, "launch"), "2,000 launches"),
        (counted(2, "strategy"), "2 strategies"),
    ],
)
def test_percentages_and_counts_have_one_spelling(text, expected):
    assert text == expected
