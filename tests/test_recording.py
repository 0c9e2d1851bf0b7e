"""Planted rivals: a header names the base of each twin, and what is wrong is left out."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import journals
from timelift.analyse.runs import results
from timelift.analyse.runs.measurement import Run
from timelift.analyse.selftest import recording
from timelift.case import Status
from timelift.journal import header_from


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A self-test of two bases at two lengths."""
    path = tmp_path_factory.mktemp("run") / "selftest.jsonl"
    return results.load(journals.selftest(path, sizes=2, launches=4, rounds=6))


def changed(run: Run, name: str, **changes: Any) -> Run:
    """The run with another word on how the strategy `name` was planted."""
    fields = run.header.fields()
    fields["strategies"][name]["planted"] |= changes
    return dataclasses.replace(run, header=header_from(fields, []))


def test_every_base_meets_its_twins_in_every_setting(run: Run) -> None:
    found = recording.twin_groups(run)
    assert [(one.setting.seq_len, one.base.case.strategy) for one in found] == [
        (1, "loop_slice"),
        (1, "native"),
        (2, "loop_slice"),
        (2, "native"),
    ]
    for contest in found:
        base = contest.base.case.strategy
        names = [one.case.strategy for one in contest.rivals]
        assert names == [base, *(f"{base}@{twin}" for twin in journals.TWINS)]
        assert {one.case.setting for one in contest.rivals} == {contest.setting}
    assert recording.complaints(run) == ()


def test_a_twin_knows_its_truth(run: Run) -> None:
    contest = recording.twin_groups(run)[0]
    truths = dict(zip(("", *journals.TWINS), contest.truths, strict=True))
    assert truths["-5%"] == pytest.approx(math.log(0.95))
    assert truths["+10%"] == pytest.approx(math.log(1.1))
    assert truths["one_in_4"] is None
    assert [name for name, truth in truths.items() if truth == 0] == ["", "copy", "first_call"]


def test_a_rival_without_samples_takes_no_part(run: Run) -> None:
    lost = {"native@copy": Status.CRASHED, "loop_slice": Status.TIMED_OUT}
    measurements = tuple(
        dataclasses.replace(one, status=lost.get(one.case.strategy, one.status))
        for one in run.measurements
    )
    found = recording.twin_groups(dataclasses.replace(run, measurements=measurements))
    assert [one.base.case.strategy for one in found] == ["native", "native"]
    assert {len(one.twins) for one in found} == {len(journals.TWINS) - 1}


def test_an_ordinary_run_has_no_contest(tmp_path: Path) -> None:
    ordinary = results.load(journals.synthetic(tmp_path / "run.jsonl"))
    assert recording.twin_groups(ordinary) == []
    assert recording.complaints(ordinary) == ()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"of": 3}, "of: expected a text"),
        ({"of": "nobody"}, "received 'nobody'"),
        ({"of": "native@copy"}, "no twin itself"),
        ({"slower": "5 %"}, "slower: expected a number"),
        ({"slower": True}, "slower: expected a number"),
        ({"slower": -1}, "slower: expected a number >= -0.9"),
        ({"slower": 1e400}, "slower: expected a number <= 100"),
        ({"one_launch_in": 0}, "one_launch_in: expected a whole number >= 1"),
        ({"one_launch_in": 2.5}, "one_launch_in: expected a whole number"),
        ({"first_call_seconds": -1}, "first_call_seconds: expected a number >= 0"),
    ],
)
def test_a_wrong_entry_is_left_out_and_named(run: Run, wrong: dict[str, Any], named: str) -> None:
    broken = changed(run, "native@+5%", **wrong)
    names = {
        one.case.strategy for contest in recording.twin_groups(broken) for one in contest.rivals
    }
    assert "native@+5%" not in names
    assert len(names) == 2 * (1 + len(journals.TWINS)) - 1
    (complaint,) = recording.complaints(broken)
    assert complaint.startswith("native@+5%: planted.")
    assert named in complaint


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=4,
)
KEYS = st.sampled_from(["of", "slower", "one_launch_in", "first_call_seconds", "planted"])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entry=JSON | st.dictionaries(KEYS, JSON | st.just("native")))
def test_whatever_an_entry_holds_reading_it_raises_nothing(tmp_path: Path, entry: Any) -> None:
    copy = journals.planted("native") | {"planted": entry}
    header = journals.header(strategies={"native": {}, "native@copy": copy})
    lines = [journals.line(journals.case(name)) for name in header["strategies"]]
    read = results.load(journals.write(tmp_path / "any.jsonl", header, *lines))
    found = recording.twin_groups(read)
    assert len(found) + len(recording.complaints(read)) == 1
    for contest in found:
        assert all(truth is None or math.isfinite(truth) for truth in contest.truths)


def test_the_calls_of_a_sample_are_read(tmp_path: Path) -> None:
    told = journals.line(journals.case(), 1)
    silent = journals.line(journals.case(), 2)
    del silent["calls_per_sample"]
    wrong = journals.line(journals.case(), 3, calls_per_sample=0)
    run = results.load(
        journals.write(tmp_path / "run.jsonl", journals.header(), told, silent, wrong)
    )
    (measurement,) = run.measurements
    assert [(one.number, one.calls_per_sample) for one in measurement.launches] == [(1, 2), (2, 1)]
    assert "calls_per_sample: expected a whole number" in run.warnings[0]
