"""Journals: lines that are read, and files that are found, written whole, and gone on with."""

import itertools
import json
import math
import os
import re
from dataclasses import fields, replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import journals
from timelift.analyse import results
from timelift.analyse.left_out import left_out
from timelift.axis_values import Status
from timelift.case import Case
from timelift.errors import UserError
from timelift.journal.files import Journal, find_run, json_line, replace_file, runs_under
from timelift.journal.lines import Header
from timelift.journal.reading import read_line, read_medians
from timelift.measure.header import open_resumed
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

CASE, LONG = journals.case(), "a" * 10_001
NO_NUMBERS = {"added", "meaning", "engine", "operations"}
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
        planned=[CASE.short_fields(), "an older label"],
        asked={"launches": "3"},
        sources={"a.py": "12"},
        strategies={"a": {"title": "A", "meaning": {"STATE": {"x": 1}}, "against": {"of": "b"}}},
    )
    header = read(fields)
    assert read(json_line(header.fields())) == header
    assert header.against.versions == {"keras": ("3.14", "3.15")}
    assert header.strategies["a"].other_side_of == "b"


def test_where_a_line_has_its_median_a_history_reads_no_samples():
    text = json_line(CaseInLaunch(CASE, 1, seconds_per_call=[1e-3]).fields()).encode()
    unread = text.replace(b'"seconds_per_call":[0.001]', b'"seconds_per_call":["no number"]')
    (read,) = read_medians([unread])
    assert math.exp(read.log_seconds) == pytest.approx(1e-3)
    assert [*read_medians([unread.replace(b'"median_seconds_per_call":0.001,', b"")])] == []


def test_a_journal_without_newer_fields_is_read_and_unknown_ones_are_passed_over():
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
        ({"planned": [{"strategy": "a", "batch": "8"}]}, "batch: expected a whole number"),
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


@pytest.mark.parametrize("stated", [0.0014, 1])
def test_a_median_that_is_not_that_of_the_samples_makes_a_line_wrong(stated):
    line = journals.line(CASE, 1, [0.001, 0.003, 0.002])
    read(line)
    with pytest.raises(ValueError, match=r"that of the samples, 0\.002, received"):
        read(line | {"median_seconds_per_call": stated})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.jsonl"


def test_the_first_record_of_a_launch_counts_and_the_second_is_named(path):
    lines = [journals.line(CASE, 1, [1e-3]), journals.line(CASE, 1, [9e-3])]
    run = results.load(journals.write(path, journals.header(), *lines))
    assert run.measurements[0].launches[0].median_seconds == 1e-3
    (warning,) = run.warnings
    assert warning.startswith("1 damaged line left out: 3 (")


def _line(**changes):
    """A line without a median, so that those that read medians alone read its samples."""
    fields = journals.line(CASE)
    del fields["median_seconds_per_call"]
    return json_line(fields | changes).rstrip()


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
    "infinite seconds": _line().replace("[0.001]", "[1e999]"),
    "a median in words": _line(median_seconds_per_call="a"),
    "a median of zero": _line(median_seconds_per_call=0),
    "half a line": _line()[:40],
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
    medians = read_medians(path.read_bytes().split(b"\n"))
    assert [median.launch for median in medians] == [7, 8]
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


def test_of_launches_that_failed_the_first_by_number_says_why():
    lines = [
        CaseInLaunch(CASE, 3, status=Status.CRASHED, reason="signal 9"),
        CaseInLaunch(CASE, 1, seconds_per_call=[1e-3]),
        CaseInLaunch(CASE, 2, status=Status.FAILED, reason="shapes"),
    ]
    (measurement,) = merge(lines)
    assert (measurement.status, measurement.reason) == (Status.FAILED, "shapes")
    assert [launch.number for launch in measurement.launches] == [1]


RIVALS = journals.grid(("native", "fold_time", "loop_slice"), phases=("forward",))
HEAD = journals.header(planned=[case.short_fields() for case in RIVALS], asked={})


@pytest.fixture
def root(tmp_path):
    """Two machines' runs: the newest by its header is the oldest by its name."""
    runs = {
        "a/20260101T000000Z_aaaa111": ("2026-01-09T00:00:00+00:00", "aaaa111bbbb"),
        "a/20260105T000000Z_bbbb222": ("2026-01-05T00:00:00+00:00", "bbbb222cccc"),
        "b/20260107T000000Z_bbbb333": ("2026-01-07T00:00:00+00:00", "bbbb333dddd"),
    }
    for name, (started, commit) in runs.items():
        header = journals.header(started=started, commit={"id": commit})
        journals.write(tmp_path / f"{name}.jsonl", header)
    (tmp_path / "b/broken.jsonl").write_bytes(b"\xff")
    return tmp_path


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("latest", "20260101T000000Z_aaaa111"),
        ("{root}/b", "20260107T000000Z_bbbb333"),
        ("b", "20260107T000000Z_bbbb333"),
        ("{root}/a/20260105T000000Z_bbbb222.jsonl", "20260105T000000Z_bbbb222"),
        ("20260105T000000Z_bbbb222", "20260105T000000Z_bbbb222"),
        ("aaaa", "20260101T000000Z_aaaa111"),
        ("bbbb", "20260107T000000Z_bbbb333"),
        ("bbbb222ccccdddd", "20260105T000000Z_bbbb222"),
    ],
)
def test_what_the_user_types_finds_its_run(root, word, name):
    assert find_run(root, word.format(root=root)).stem == name


def test_runs_of_twins_are_found_only_where_they_are_asked_for(root):
    twins = root / "a" / "selftest"
    journals.write(twins / "twins.jsonl", journals.header(started="2026-02-01T00:00:00+00:00"))
    (root / "gone").symlink_to(root / "nowhere")
    assert find_run(root).stem == "20260101T000000Z_aaaa111"
    assert find_run(root, str(twins)).stem == "twins"
    assert runs_under(root / "gone") == []


@pytest.mark.parametrize("copy", ["a/main", "a/000", "a/20260101T000000Z_aaaa111 2"])
def test_a_copy_of_a_run_stands_behind_it(root, copy):
    original, kept = root / "a/20260101T000000Z_aaaa111.jsonl", root / f"{copy}.jsonl"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(original.read_bytes())
    assert find_run(root) == original
    runs = runs_under(root)
    assert runs.index(original) < runs.index(kept)
    assert find_run(root, str(kept)) == kept


@pytest.mark.parametrize("word", ["x" * 5000, "a/../b", ""], ids=["long", "out and in", "empty"])
def test_what_can_be_the_name_of_no_file_is_no_run(root, word):
    for seek in (find_run, open_resumed):
        with pytest.raises(UserError, match="expected a run"):
            seek(root, word)


def test_a_run_that_measured_nothing_is_the_latest_only_to_be_resumed(root):
    empty = root / "a/20260101T000000Z_aaaa111.jsonl"
    case = CaseInLaunch(RIVALS[0], 1, seconds_per_call=[1e-3])
    with (root / "a/20260105T000000Z_bbbb222.jsonl").open("a") as file:
        file.write(json_line(case.fields()))
    assert find_run(root).stem == "20260105T000000Z_bbbb222"
    assert find_run(root, resumable=True) == find_run(root, empty.stem) == empty


def test_the_latest_run_is_none_of_a_users_model_unless_there_is_no_other(root):
    models = ({"relative_to": "as_written"}, {"lifts": {"lift1": "net.py:make#1"}})
    for number, options in enumerate(models):
        own = journals.header(started=f"2026-02-0{1 + number}T00:00:00+00:00", options=options)
        path = journals.write(root / f"a/2026020{number}.jsonl", own, *journals.campaign(RIVALS))
        assert find_run(root).stem == "20260101T000000Z_aaaa111"
    assert find_run(path.parent, path.stem) == path
    (root / "of models").mkdir()
    path.rename(root / "of models" / path.name)
    assert find_run(root / "of models") == root / "of models" / path.name


@pytest.mark.parametrize(
    "started", ["0001-01-01T00:00:00+14:00", "soon", None, 7, "9999-01-01T00:00:00+00:00"]
)
def test_a_run_that_began_at_no_time_there_can_be_is_never_the_latest(root, started):
    journals.write(root / "a/zzz.jsonl", journals.header(started=started))
    assert find_run(root).stem == "20260101T000000Z_aaaa111"


@pytest.mark.parametrize("word", ["bb", "aaaa112", "20260105T000000Z_bbbb22", "nowhere.jsonl"])
def test_an_unknown_run_is_refused_with_the_nearest_names(root, word):
    with pytest.raises(UserError, match="20260105T000000Z_bbbb222"):
        find_run(root, word)


def test_the_latest_run_is_refused_where_a_later_timelift_wrote_it(tmp_path):
    old = journals.header(started="2026-01-01T00:00:00+00:00")
    journals.write(tmp_path / "machine/old.jsonl", old)
    new = {"kind": "run", "schema": 2, "started": "2026-02-01T00:00:00+00:00"}
    journals.write(tmp_path / "machine/new.jsonl", new)
    latest = find_run(tmp_path)
    assert latest.name == "new.jsonl"
    with pytest.raises(UserError, match="expected journal schema 1, received 2"):
        results.load(latest)


def test_a_file_is_replaced_by_all_of_another_or_stays(tmp_path, monkeypatch):
    path, usual = tmp_path / "trust.json", tmp_path / "usual"
    usual.touch()
    replace_file(path, "before", tmp_path)
    monkeypatch.setattr(Path, "replace", Mock(side_effect=OSError("no space")))
    with pytest.raises(OSError, match="no space"):
        replace_file(path, "after it", tmp_path)
    assert path.read_text() == "before"
    assert path.stat().st_mode == usual.stat().st_mode
    assert {*tmp_path.iterdir()} == {path, usual}


def test_a_file_larger_than_any_journal_is_refused_unread(tmp_path):
    path = journals.write(tmp_path / "m/run.jsonl", HEAD)
    os.truncate(path, 40 << 30)  # of zeros that lie on no disk
    with pytest.raises(UserError, match=r"run.jsonl': expected a journal of at most 1,073,741,824"):
        results.load(find_run(tmp_path))
    with pytest.raises(UserError, match=r"--resume: .* cannot be read .expected a journal of at"):
        open_resumed(tmp_path, "latest")


@pytest.mark.parametrize(
    "record",
    [
        journals.ended(CASE, "crashed", LONG),
        journals.ended(journals.case(LONG), "crashed", ""),
        HEAD | {"id": '"' * 140_000},
        HEAD | {"options": {"a": [{30 * LONG: 1}]}},
    ],
)
def test_a_line_with_a_text_without_end_is_damaged(record):
    with pytest.raises(ValueError, match=r"at most (10,000|262,144) bytes|length <= 10000"):
        read(record)
    assert not [*read_medians([json.dumps(record).encode()])]


def test_lines_are_on_disk_before_the_next_begin(tmp_path, monkeypatch):
    path, on_disk, sync = tmp_path / "run.jsonl", [], os.fsync

    def noted(file):
        sync(file)
        on_disk.append(path.stat().st_size)

    monkeypatch.setattr(os, "fsync", noted)
    line = CaseInLaunch(journals.case(), 1, status=Status.FAILED)
    with Journal(path, Header()) as file:
        file.append(line, line)
        file.append(line)
    ends = list(itertools.accumulate(map(len, path.read_bytes().splitlines(keepends=True))))
    assert on_disk == [ends[0], ends[2], ends[3], ends[4]]


@pytest.mark.parametrize("as_planned", [Case.short_fields, lambda case: case.label])
def test_what_was_not_begun_is_named_and_by_its_label_in_an_older_run(tmp_path, as_planned):
    begun, waiting = RIVALS[:-1], RIVALS[-1]
    head = HEAD | {"planned": [as_planned(case) for case in RIVALS]}
    end = journals.END | {"exit": "cut short"}
    path = journals.write(tmp_path / "run.jsonl", head, *journals.campaign(begun), end)
    (not_begun,) = left_out(results.load(path))
    is_label = isinstance(head["planned"][0], str)
    assert not_begun.strategies == (waiting.label if is_label else waiting.strategy,)


@pytest.mark.parametrize("as_planned", [Case.short_fields, lambda case: case.label])
def test_a_setting_that_lost_a_rival_s_line_loses_the_others_when_its_run_goes_on(
    tmp_path, as_planned
):
    head = HEAD | {"planned": [as_planned(case) for case in RIVALS]}
    path = journals.write(tmp_path / "run.jsonl", head, *journals.campaign(RIVALS, launches=2))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    resumed = open_resumed(tmp_path, str(path))
    assert resumed.cases == {case.label for case in RIVALS}
    assert resumed.kept_bytes == len(b"".join(lines[:-3]))
    assert {len(rivals) for rivals in resumed.played.values()} == {len(RIVALS) // 2}


def test_a_run_with_a_line_that_cannot_be_read_does_not_go_on(tmp_path):
    path = journals.write(tmp_path / "run.jsonl", HEAD, *journals.campaign(RIVALS, launches=2))
    path.write_bytes(path.read_bytes().replace(b'{"kind":"launch"', b"\0\0", 1))
    with pytest.raises(UserError, match="holds a damaged line"):
        open_resumed(tmp_path, str(path))


def test_a_run_of_many_cases_is_still_the_latest(tmp_path):
    journals.write(tmp_path / "m/old.jsonl", journals.header(started="2026-01-01T00:00:00+00:00"))
    new = journals.header(started="2026-02-01T00:00:00+00:00", planned=["x" * 60] * 20_000)
    late = journals.write(tmp_path / "m/new.jsonl", new)
    assert find_run(tmp_path) == late
