"""Lines of a journal: what is written is read back, and what is wrong in any part is no line."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import journals
from timelift.journal import reading
from timelift.journal.files import json_line
from timelift.journal.lines import Header, differences
from timelift.journal.reading import read_line, read_medians
from timelift.measurement import FACT_RULES, CaseInLaunch, Facts

CASE = journals.case()
NO_NUMBERS = {"added", "engine", "operations"}
AGAINST = journals.AGAINST | {"versions": {"keras": ["3.14", "3.15"]}}


def read(line):
    return read_line((line if isinstance(line, str) else json.dumps(line)).encode())


@given(
    seconds=st.lists(st.floats(1e-6, 1e3) | st.just(math.nan), min_size=1, max_size=9).filter(
        lambda rounds: not all(map(math.isnan, rounds))
    ),
    facts=st.dictionaries(
        st.sampled_from([name for name in FACT_RULES if name not in NO_NUMBERS]),
        st.integers(0, 2**60) | st.floats(0, 1e9),
    ),
)
def test_a_case_in_a_launch_is_read_as_it_was_written(seconds, facts):
    samples = {"seconds_per_call": seconds, "calls_per_sample": 4, "facts": Facts(**facts)}
    line = CaseInLaunch(CASE, 3, rivals=2, **samples)
    read_back = read(json_line(line.fields()))
    np.testing.assert_array_equal(read_back.seconds_per_call, seconds)
    assert replace(read_back, seconds_per_call=seconds) == line


def test_a_header_is_read_as_it_was_written():
    fields = journals.header(
        against=AGAINST,
        planned=[CASE.label],
        asked={"launches": "3"},
        sources={"a.py": "12"},
        strategies={"a": {"title": "A", "meaning": {"STATE": {"x": 1}}, "against": {"of": "b"}}},
    )
    header = read(fields)
    assert read(json_line(header.fields())) == header
    assert header.against.versions == {"keras": ("3.14", "3.15")}
    assert header.strategies["a"].other_side_of == "b"


def test_the_median_stands_before_the_samples():
    seconds = [3e-3, math.nan, 1e-3, 2e-3]
    text = json_line(CaseInLaunch(CASE, 1, seconds_per_call=seconds).fields())
    assert text.index('"median_seconds_per_call":0.002,') < text.index('"seconds_per_call":[')


def test_where_a_line_has_its_median_a_history_reads_no_samples(monkeypatch):
    monkeypatch.setattr(reading, "_samples", None)
    text = json_line(CaseInLaunch(CASE, 1, seconds_per_call=[1e-3]).fields()).encode()
    (read,) = read_medians([text])
    assert math.exp(read.log_seconds) == pytest.approx(1e-3)
    with pytest.raises(TypeError, match="not callable"):
        list(read_medians([text.replace(b'"median_seconds_per_call":0.001,', b"")]))


def test_a_journal_that_lacks_every_newer_field_is_read_and_unknown_ones_are_passed_over():
    line = {"kind": "launch", "launch": 1, "case": CASE.fields(), "status": "measured", "x": {}}
    read_back = read(line | {"seconds_per_call": [0.5]})
    assert (read_back.calls_per_sample, read_back.facts) == (1, Facts())
    assert read({"kind": "run", "schema": 1, "x": [1]}) == Header()
    assert read(journals.line(CASE, facts={"weights": 9, "x": 1})).facts == Facts(weights=9)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"id": 3}, "$.id"),
        ({"machine": {"name": "a", "drift": 7}}, "$.machine.drift"),
        ({"commit": {"id": 1}}, "$.commit.id"),
        ({"strategies": {"a": {"differs": []}}}, "$.strategies"),
        ({"against": 5}, "$.against"),
        ({"against": AGAINST | {"gates": {"time": 0.03}}}, "expected a share of first call"),
        *(({"against": {k: v for k, v in AGAINST.items() if k != name}}, name) for name in AGAINST),
    ],
)
def test_a_header_that_is_wrong_in_a_part_is_refused_with_the_part(changes, where):
    with pytest.raises(ValueError, match=re.escape(where)):
        read(journals.header(**changes))


@pytest.mark.parametrize("schema", [2, None, "1"])
def test_another_schema_is_named_before_anything_else_is_wrong(schema):
    with pytest.raises(ValueError, match="expected journal schema 1, received"):
        read(journals.header(schema=schema, id=[]))


@pytest.mark.parametrize("value", ["1", [], {}, True, 2**63, 1e300])
def test_a_line_with_a_wrong_fact_is_none(value):
    with pytest.raises(ValueError, match="graph_nodes"):
        read(journals.line(CASE, facts={"graph_nodes": value, "weights": 9}))


def test_half_a_surrogate_is_written_as_a_question_mark():
    assert read(json_line(Header(id="\udc80é").fields())).id == "?é"


def test_what_differs_is_named_in_the_order_of_the_files():
    differing = differences({"a": 1, "b": 2, "d": [1]}, {"b": 3, "c": 4, "d": [1]})
    rows = [(difference.name, difference.old, difference.new) for difference in differing]
    assert rows == [("a", 1, None), ("b", 2, 3), ("c", None, 4)]


@pytest.mark.parametrize("stated", [0.0014, 1])
def test_a_median_that_is_not_that_of_the_samples_makes_a_line_wrong(stated):
    line = journals.line(CASE, 1, [0.001, 0.003, 0.002])
    read(line)
    with pytest.raises(ValueError, match=r"that of the samples, 0\.002, received"):
        read(line | {"median_seconds_per_call": stated})
