"""Whatever the bytes of a file are, reading it gives a run or a sentence, and nothing else.

`python -m studies.fuzz` does the same with thousands of files.
"""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib.text import Text

import timelift
from tests import cut, foreign_files, journals
from tests.watched import KINDS, Readers
from timelift.analyse import selftest
from timelift.analyse.findings import MOST_SETTINGS, RunFindings, find_out
from timelift.analyse.runs import results
from timelift.analyse.runs.measurement import LaunchSamples, Measurement, Run
from timelift.analyse.stats import aligned_samples, ranking
from timelift.case import Status
from timelift.errors import UserError
from timelift.escape import csv_text
from timelift.journal import Header, Machine, find, is_closed, runs_of_machine
from timelift.present import figures, terminal
from timelift.present.report import report

FUZZ = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
WHOLE = settings(FUZZ, max_examples=50, suppress_health_check=list(HealthCheck))


@FUZZ
@given(content=st.binary(max_size=300))
def test_any_bytes_give_a_run_or_a_sentence(tmp_path, content):
    _run_or_sentence(tmp_path / "any", content)


CASE = journals.case()
FIELDS = st.sampled_from(sorted({*journals.line(CASE), *journals.header(), *CASE.fields()}))


@FUZZ
@given(changes=st.dictionaries(FIELDS, foreign_files.values, max_size=4), inner=st.booleans())
def test_any_change_of_a_record_gives_a_run_or_a_sentence(tmp_path, changes, *, inner):
    fields = CASE.fields() | changes if inner else CASE.fields()
    line = journals.line(CASE, case=fields) | ({} if inner else changes)
    header = journals.header() | ({} if inner else changes | {"kind": "run"})
    lines = [header, line, journals.line(CASE, 2)]
    content = "".join(map(foreign_files.as_line, lines)).encode()
    run = _run_or_sentence(tmp_path / "changed", content)
    if run is not None:
        assert [one for one in run.measurements if one.case == CASE and one.launches]


@FUZZ
@given(content=foreign_files.pytest_jsons())
def test_any_foreign_benchmark_gives_a_run_or_a_sentence(tmp_path, content):
    _run_or_sentence(tmp_path / "foreign", content)


def _run_or_sentence(path, content):
    path.write_bytes(content)
    try:
        run = results.load(path)
    except UserError:
        return None
    assert isinstance(run, Run)
    times = results.frame(run)["seconds_per_call"].dropna()
    assert (times > 0).all()
    assert np.isfinite(times).all()
    return run


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    """A project whose reader is given one file after another."""
    return Readers(tmp_path_factory.mktemp("readers") / "home")


@WHOLE
@given(content=foreign_files.files)
def test_no_file_does_harm_anywhere(readers, content):
    assert readers.read(content) == []


def test_hostile_names_go_through_every_command(readers):
    names = tuple(some[0] for some in foreign_files.NASTY.values())
    assert readers.read(_hostile(names), every=True) == []


def _hostile(names):
    evil = names[0]
    sizes = {"seq_lens": (16,), "phases": ("forward",)}
    cases = journals.grid(names, [evil], **sizes, device=names[-4])
    cases += journals.grid(names[:2], names, **sizes)
    told = {name: {"title": evil, "differs": [], "meaning": {evil: name}} for name in names}
    header = journals.header(
        id=evil,
        command=list(names),
        commit={"id": evil, "dirty": True},
        strategies=told,
        machine={"name": evil, "identity": {evil: evil}, "drift": {"versions": {evil: evil}}},
    )
    lines = [*journals.campaign(cases, launches=3, rounds=3)]
    lines += [journals.ended(journals.case(name), "crashed", name) for name in names]
    return journals.text(header, *lines, journals.END).encode()


@pytest.mark.parametrize(
    ("kind", "harm"),
    [
        ("traceback", lambda _: 1 // 0),
        ("written outside", lambda home: (home / "elsewhere").write_text("")),
        ("written outside", lambda home: (home / "folder").mkdir()),
        ("control code", lambda _: sys.stdout.write("a\x1b[2J")),
        ("script", lambda home: _put(home / "index.html", "<script>1</script><p onclick='1'>")),
        ("script", lambda home: _put(home / "x.svg", "<svg onload='1'></svg>")),
        ("script", lambda home: _put(home / "report.md", "<script>")),
        ("formula", lambda home: _put(home / "x.csv", 'a,"=1+1"\n')),
        ("executed", lambda _: pickle.loads(b"cbuiltins\nprint\n.")),  # noqa: S301
        ("executed", lambda _: subprocess.run(["true"], check=True)),
    ],
)
def test_the_watch_sees_every_harm(readers, kind, harm):
    assert kind in KINDS
    assert kind in dict(readers.watched(lambda: harm(readers.home)))


def _put(path, text):
    out = path.parent / "out"
    out.mkdir(exist_ok=True)
    (out / path.name).write_text(text)


def test_a_journal_cut_at_any_byte_keeps_its_whole_lines(readers):
    cases = journals.grid(("native", "<b>\u2028"), seq_lens=(8,), phases=("forward",))
    path = journals.synthetic(readers.home / "whole.jsonl", cases, launches=1, rounds=2)
    data = path.read_bytes()
    assert [one for at in range(len(data)) for one in cut.cut(readers, data, at)] == []


def test_a_lost_line_would_be_noticed(readers, monkeypatch):
    path = journals.synthetic(readers.home / "whole.jsonl", [CASE], launches=2)
    monkeypatch.setattr(cut, "measured", lambda *_: (set(), ()))
    assert "lost" in dict(cut.cut(readers, path.read_bytes(), path.stat().st_size - 1))


@pytest.mark.parametrize("piece", ["[" * 3000, '{"a":' * 700])
def test_a_watched_journal_may_end_in_a_deep_nesting(tmp_path, piece):
    path = tmp_path / "run.jsonl"
    path.write_text(piece)
    assert not is_closed(path)


def test_names_of_what_a_strategy_means_are_plain_in_a_terminal(capsys, tmp_path):
    told = {"a\x1b[2J": {"meaning": {"x": "y"}}, "[/]": {"meaning": {"x": "y"}}}
    run = results.load(
        journals.write(tmp_path / "x", journals.header(strategies=told), journals.line(CASE))
    )
    terminal.show_report(
        report(RunFindings(run, given=ranking.rank(run.measurements))), terminal.console()
    )
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "[/]" in said


def test_a_figure_says_a_hostile_device_in_plain_letters(tmp_path):
    cases = journals.grid(("native",), device="\x1b[2J")
    run = results.load(journals.synthetic(tmp_path / "x", cases))
    for figure in figures.of_run(RunFindings(run)).values():
        assert not [one for one in figure.findobj(Text) if "\x1b" in one.get_text()]


@pytest.mark.parametrize("level", ["measurement", "launch", "round"])
def test_a_table_holds_names_that_no_utf8_can(tmp_path, level):
    names = ("\ud800", "\ud801")
    lines = [journals.line(journals.case(name, name, device=name)) for name in names]
    lost = journals.ended(journals.case("lost"), "crashed", "\ud800")
    path = journals.write(tmp_path / "x.jsonl", journals.header(), *lines, lost)
    found = timelift.load(str(path), level)
    assert {r"\ud800", r"\ud801"} <= set(found["strategy"])


@pytest.mark.parametrize("text", ["\uff1d1", "\uff0b1", "\uff0d1", "\uff20a", "\xa0=1"])
def test_a_wide_formula_becomes_text_too(text):
    assert csv_text(text).startswith("'")


@pytest.mark.parametrize("name", ["a" * 300, "..", ".", "", "a/b", "a\x00b", "/"])
def test_a_machine_s_name_finds_no_folder_but_its_own(tmp_path, name):
    path = journals.synthetic(tmp_path / "run.jsonl", [CASE])
    results_folder = tmp_path / "results" / "machine"
    results_folder.mkdir(parents=True)
    assert runs_of_machine(results_folder, Machine(name=name)) == []
    run = Run(Header(machine=Machine(name=name)), (), complete=True)
    (tmp_path / "results" / "selftest").mkdir()
    (tmp_path / "results" / "selftest" / "trust.json").write_text("{}")
    assert selftest.machine_trust(results_folder, run) is None
    assert path.exists()


def test_a_word_too_long_for_a_path_is_an_unknown_run(tmp_path):
    with pytest.raises(UserError, match="expected a run, a path"):
        find(tmp_path, ["a" * 300])


def test_a_million_samples_are_read(tmp_path):
    lines = [
        journals.line(journals.case(name), launch, [1e-3] * 100_000)
        for name in ("native", "fold_time")
        for launch in range(1, 6)
    ]
    path = journals.write(tmp_path / "run.jsonl", journals.header(), *lines)
    (found,) = ranking.rank(results.load(path).measurements)
    assert len(found.rows) == 2


@pytest.mark.parametrize(
    ("rivals", "launches", "rounds"), [(1500, 1, 1), (2, 10_001, 5_000), (1, 10_001, 5_000)]
)
def test_more_than_a_memory_holds_is_a_sentence(monkeypatch, rivals, launches, rounds):
    one = np.full(1, 1e-3)
    numbered = [LaunchSamples(1, np.full(rounds, 1e-3))]
    numbered += [LaunchSamples(number, one) for number in range(2, launches + 1)]
    many = [
        Measurement(journals.case(f"s{number}"), Status.MEASURED, tuple(numbered))
        for number in range(rivals)
    ]
    monkeypatch.setattr(np, "full", None)
    with pytest.raises(UserError, match="measure fewer strategies, settings or launches"):
        aligned_samples.aligned_samples(many)


def test_more_settings_than_a_report_can_show_are_a_sentence():
    many = tuple(
        Measurement(journals.case(seq_len=size + 1), Status.CRASHED)
        for size in range(MOST_SETTINGS + 1)
    )
    with pytest.raises(UserError, match="ask about one with"):
        find_out(Run(Header(), many, complete=True))
