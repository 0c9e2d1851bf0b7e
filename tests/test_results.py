"""Reading a run: good records are kept and merged by launch, and bad ones are named."""

import re

import numpy as np
import pytest

from tests import journals
from timelift.analyse import results
from timelift.errors import UserError
from timelift.journal.files import json_line

CASE = journals.case()


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
        (b'{"kind": "run"}\n', "expected journal schema 1, received None"),
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
