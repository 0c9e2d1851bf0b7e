"""A session: what it keeps in memory of a run is what its journal holds."""

import contextlib
import dataclasses
import errno
import math
import os
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from unittest.mock import Mock

import pytest
from msgspec.structs import replace

from tests.support import journals
from tests.support.projects import strategy, workload, write
from timelift.analyse.results import Run, load
from timelift.errors import UserError
from timelift.journal.files import ignored_by_git, json_line, read_header
from timelift.journal.lines import RunEnd
from timelift.measure.machine import machine_mark
from timelift.measure.place import Place
from timelift.measure.request import RunRequest
from timelift.measure.session import Race, Session
from timelift.measurement import CaseInLaunch, Facts
from timelift.project import Project

NAMES = ("native", "fold_time")
CASES = [journals.case(name, "sensor") for name in NAMES]
FACTS = Facts(first_call_seconds=0.25, weights=96)
LINES = [CaseInLaunch(case, 1, 2, seconds_per_call=[1e-3, math.nan], facts=FACTS) for case in CASES]
LATER = [CaseInLaunch(case, 2, 2, seconds_per_call=[1e-3, 3e-3]) for case in CASES]


class PlainRace(Race):
    """A race of which nothing differs from a usual run, and whose launches are scripted."""

    def referee(self):
        return Mock()


@pytest.fixture
def project(tmp_path):
    files = {f"strategies/{name}.py": strategy() for name in NAMES}
    return Project(write(tmp_path, files | {"workloads/sensor.py": workload()}))


class ScriptedPlace(Place):
    """A machine that plays what it is told, and then ends or raises."""

    def __init__(self, groups, error):
        self.groups, self.error = groups, error

    def lock(self, *_):
        return contextlib.nullcontext(print)

    def player(self, campaign):
        return SimpleNamespace(play=lambda: self.play(campaign))

    def play(self, campaign):
        for group in self.groups:
            task = campaign.task(group[0].number, group[0].case.setting, campaign.results)
            campaign.record(task, group)
        if self.error:
            raise self.error


@pytest.fixture
def play(project):
    """Run a session whose campaign records these lines, and then ends or raises."""

    def played(*groups, error=None, texts=MappingProxyType({}), **asked):
        asked["place"] = ScriptedPlace(groups, error)
        session = Session(PlainRace(RunRequest(project, texts, **asked)))
        session.told = []
        with contextlib.suppress(KeyboardInterrupt):
            session.measure(CASES, SimpleNamespace(say=session.told.append))
        return session

    return played


def test_what_a_session_keeps_is_its_journal_line_for_line(play):
    session = play(LINES, LATER)
    kept = [session.header, *session.lines, session.end]
    assert session.journal_path.read_text() == "".join(json_line(line.fields()) for line in kept)


def test_a_run_that_is_resumed_keeps_what_was_played_before(play, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", bool)
    first = play(LINES, error=KeyboardInterrupt())
    assert first.end.exit == RunEnd.INTERRUPTED
    monkeypatch.setenv("KERAS_BACKEND", "jax")  # since when Keras takes another one
    again = play(LATER, resume=str(first.journal_path))
    assert (again.header, again.catalogue.backends) == (first.header, ("tensorflow",))
    both = [dataclasses.replace(line, mark=machine_mark()) for line in (*LINES, *LATER)]
    assert [line.fields() for line in again.lines] == [line.fields() for line in both]
    kept = Run.of_lines(again.header, again.lines, again.end)
    read = load(again.journal_path)
    assert (kept.header, kept.ended, kept.complete) == (read.header, read.ended, read.complete)
    assert list(kept.by_case) == list(read.by_case)


def test_a_run_of_other_versions_or_options_does_not_go_on(play):
    path = play(LINES, error=KeyboardInterrupt()).journal_path
    with pytest.raises(UserError, match="the run had --seq-lens '', received '9'"):
        play(LATER, resume=str(path), texts={"seq_lens": "9"})
    path.write_text(path.read_text().replace('"keras":"', '"keras":"0.', 1))
    with pytest.raises(UserError, match=r"keras '0\.\d.*', now '"):
        play(LATER, resume=str(path))


@pytest.mark.parametrize(
    ("typed", "variable", "said"),
    [("", "tensorflow", 1), ("tensorflow", "tensorflow", 0), ("", "jax", 0)],
)
def test_the_backend_is_said_first_unless_an_option_or_a_question_names_it(
    play, monkeypatch, typed, variable, said
):
    monkeypatch.setattr("importlib.util.find_spec", bool)
    monkeypatch.setenv("KERAS_BACKEND", variable)
    told = play(LINES, texts={"backends": typed}).told
    words = "backend tensorflow, as KERAS_BACKEND says; another with --backends"
    assert told[:1].count(words) == sum(words == line for line in told) == said


def test_a_race_has_a_folder_and_entries_of_the_header(play, monkeypatch):
    monkeypatch.setattr(PlainRace, "folder", "elsewhere")
    monkeypatch.setattr(PlainRace, "header", lambda _, header: replace(header, options={"a": "b"}))
    session = play(LINES)
    assert session.journal_path.parent.name == "elsewhere"
    assert read_header(session.journal_path).options == {"a": "b"}


def test_a_system_without_proc_measures_nothing_and_says_so(project, monkeypatch):
    session = Session(PlainRace(RunRequest(project, {})))
    monkeypatch.setattr(Path, "exists", lambda _: False)
    with pytest.raises(UserError, match="and reads /proc, which this system lacks; use Linux"):
        session.measure([], None)


def test_too_many_open_files_are_a_sentence_with_the_remedy(play):
    with pytest.raises(UserError, match="Too many open files; allow more with: ulimit -n"):
        play(LINES, error=OSError(errno.EMFILE, os.strerror(errno.EMFILE)))


def test_no_journal_is_written_through_a_planted_folder(project):
    project.results.mkdir()
    (project.results / "machine").symlink_to(project.root)
    with pytest.raises(UserError, match=r"a link below '.*results' leads out of it; name another"):
        PlainRace(RunRequest(project, {})).journal_folder("machine")


def test_a_folder_of_results_that_is_made_is_ignored_by_git_and_no_other(tmp_path):
    made = ignored_by_git(tmp_path / "results")
    assert (made / ".gitignore").read_text().splitlines()[-1] == "*"
    assert not (ignored_by_git(tmp_path) / ".gitignore").exists()
