"""Facts of a case in a launch, and how launches are merged."""

from dataclasses import fields

import pytest

from tests import journals
from timelift.case import Status
from timelift.measurement import (
    EXACT_FACTS,
    FACT_RULES,
    SHOWN_FACTS,
    WAITED_FACTS,
    CaseInLaunch,
    Facts,
    Measurement,
    Merge,
    fact,
    merge,
)

CASE = journals.case()


def test_every_fact_says_how_it_is_merged_and_each_list_of_facts_is_a_part_of_them():
    names = {field.name for field in fields(Facts)}
    assert FACT_RULES.keys() == names
    for listed in (SHOWN_FACTS, EXACT_FACTS, WAITED_FACTS):
        assert set(listed) < names
        assert len(set(listed)) == len(listed)
    assert {FACT_RULES[name].bound for name in names} <= {*names, ""}


@pytest.mark.parametrize(
    ("merge", "merged"), [(Merge.LARGEST, 8.0), (Merge.WAITED, 2.0), (Merge.MEDIAN, 1.0)]
)
def test_launches_are_merged_as_the_fact_says(merge, merged):
    name = next(name for name, about in FACT_RULES.items() if about.merge is merge)
    launches = [CaseInLaunch(CASE, 1, facts=Facts(**{name: value})) for value in (1, 8.0, 1.0)]
    unknown = CaseInLaunch(CASE, 2)
    assert fact(Measurement(CASE, launches=(*launches, unknown)), name) == pytest.approx(merged)
    assert fact(Measurement(CASE, launches=(unknown,)), name) is None


def test_what_is_too_small_to_be_read_counts_as_its_bound():
    facts = Facts(peak_bytes_below=9)
    assert facts.number_or_bound("peak_bytes") == 9
    assert facts.number_or_bound("weights") is None
    assert Facts(peak_bytes=7, peak_bytes_below=9).number_or_bound("peak_bytes") == 7


def test_of_launches_that_failed_the_first_by_number_says_why():
    lines = [
        CaseInLaunch(CASE, 3, status=Status.CRASHED, reason="signal 9"),
        CaseInLaunch(CASE, 1, seconds_per_call=[1e-3]),
        CaseInLaunch(CASE, 2, status=Status.FAILED, reason="shapes"),
    ]
    (measurement,) = merge(lines)
    assert (measurement.status, measurement.reason) == (Status.FAILED, "shapes")
    assert [launch.number for launch in measurement.launches] == [1]
