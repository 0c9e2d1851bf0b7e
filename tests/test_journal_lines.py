"""Lines of a journal: what is written is read back, and what is wrong in any part is no line."""

import json
import math
import re
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import journals
from timelift.analyse import results
from timelift.case import Status
from timelift.errors import UserError
from timelift.journal import reading
from timelift.journal.files import json_line
from timelift.journal.lines import Header, differences
from timelift.journal.reading import read_line, read_medians
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


@pytest.mark.parametrize("value", ["1", [], {}, True, 2**63, 1e300])
def test_a_line_with_a_wrong_fact_is_none(value):
    with pytest.raises(ValueError, match="graph_nodes"):
        read(journals.line(CASE, facts={"graph_nodes": value, "weights": 9}))


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


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.jsonl"


def test_the_launches_of_a_case_become_one_measurement(path):
    lines = [journals.line(CASE, number, [number * 1e-3, None]) for number in (2, 1, 3)]
    run = results.load(journals.write(path, journals.header(), *lines, journals.END))
    (measurement,) = run.measurements
    assert measurement.case == CASE
    assert [launch.number for launch in measurement.launches] == [1, 2, 3]
    np.testing.assert_array_equal(measurement.launches[1].seconds_per_call, [2e-3, np.nan])
    assert run.complete
    assert run.warnings == ()
    assert run.header.machine.name == journals.MACHINE["name"]


def test_the_first_record_of_a_launch_counts_and_the_second_is_named(path):
    lines = [journals.line(CASE, 1, [1e-3]), journals.line(CASE, 1, [9e-3])]
    run = results.load(journals.write(path, journals.header(), *lines))
    assert run.measurements[0].launches[0].median_seconds == 1e-3
    (warning,) = run.warnings
    assert warning.startswith("1 damaged line left out: 3 (")


def _line(**changes):
    return json_line(journals.line(CASE) | changes).rstrip()


BAD_LINES = {
    "not JSON": "{kind: launch}",
    "an unknown kind": '{"kind": "lunch"}',
    "a second header": json_line(journals.header()).rstrip(),
    "no case": _line(case=None),
    "no strategy": _line(case=CASE.fields() | {"strategy": ""}),
    "a length of zero": _line(case=CASE.fields() | {"seq_len": 0}),
    "an impossible length": _line(case=CASE.fields() | {"seq_len": 10**30}),
    "an unknown phase": _line(case=CASE.fields() | {"phase": "sideways"}),
    "launch zero": _line(launch=0),
    "only absent samples": _line(seconds_per_call=[None, None]),
    "a sample in words": _line(seconds_per_call=[0.1, "0.1"]),
    "zero seconds": _line(seconds_per_call=[0.1, 0.0]),
    "NaN seconds": _line().replace("[0.001]", "[NaN]"),
    "a number too long to read": _line().replace("[0.001]", f"[{'9' * 5000}]"),
    "deep nesting": "[" * 9**5,
    "binary": "\x00\x01\x02\udcff",
    "another encoding": _line().replace("tokens", "t\udce9kens"),
}


@pytest.mark.parametrize("bad", BAD_LINES.values(), ids=BAD_LINES.keys())
def test_a_bad_line_is_left_out_with_its_number(path, bad):
    lines = [journals.line(CASE, number) for number in (7, 8)]
    head, *good = journals.text(journals.header(), *lines).splitlines()
    text = "\n".join([head, good[0], bad, good[1], ""])
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    run = results.load(path)
    assert [launch.number for launch in run.measurements[0].launches] == [7, 8]
    (warning,) = run.warnings
    assert warning.startswith("1 damaged line left out: 3 (")
    assert len(warning) < 250
    assert warning.isprintable()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "(none)"),
        (b"\n\n \n", "(none)"),
        (b"\x7fELF\n\n\x00", "JSON is malformed"),
        (json_line(journals.line(CASE)).encode(), "(none)"),
        (json_line(journals.header(machine=3)).encode(), "at $.machine"),
        (b'{"kind": "run", "schema": "1", "id": []}\n', "expected journal schema 1, received '1'"),
    ],
)
def test_a_file_that_does_not_begin_with_a_header_is_refused_in_one_sentence(path, content, why):
    path.write_bytes(content)
    with pytest.raises(UserError, match=re.escape(why)) as refusal:
        results.load(path)
    assert "\n" not in str(refusal.value)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize("missing", ["absent.jsonl", "."])
def test_a_path_that_cannot_be_read_is_refused(tmp_path, missing):
    with pytest.raises(UserError, match="cannot read"):
        results.load(tmp_path / missing)


def test_a_torn_last_line_is_called_torn(path):
    whole = journals.write(path, journals.header(), journals.line(CASE)).read_bytes()
    path.write_bytes(whole + b'{"kind": "lau')
    assert results.load(path).warnings == (
        "line 3 is torn: the run was cut off while it wrote this line",
    )


def test_a_file_full_of_bad_lines_gives_one_sentence(path):
    path.write_text(journals.text(journals.header()) + "nonsense\n" * 1000)
    (warning,) = results.load(path).warnings
    assert warning.startswith("1,000 damaged lines left out: 2, 3, 4, ")
    assert "and 988 more (the first: JSON is malformed" in warning


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
