"""The header of a run: it names no folder of its user, and with what a run may go on."""

import contextlib
import hashlib
import os
import re
import sys
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from tests.support import journals
from tests.support.projects import strategy, write
from timelift.axis_values import Status
from timelift.errors import UserError
from timelift.journal.files import ResumedRun, json_line
from timelift.journal.lines import Header, Machine, what_all_share
from timelift.measure import request
from timelift.measure.header import (
    open_resumed,
    refuse_other_machine,
    resumed_options,
    shareable_header,
    without_folders,
)
from timelift.measure.request import RunRequest
from timelift.measure.session import Session
from timelift.measurement import CaseInLaunch
from timelift.plugin.questions import UsualRace
from timelift.project import Project


@pytest.fixture
def session(tmp_path, monkeypatch):
    """A session in a project of a user called alice, which was asked for files outside of it."""
    home = write(tmp_path / "alice", {"work/strategies/mine.py": strategy()})
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XLA_FLAGS", f"--xla_dump_to={home}/dump --xla_on")
    words = ["bench", f"--junitxml={home}/j.xml", f"{home}/work/bench/test_lift.py"]
    monkeypatch.setattr(sys, "argv", [f"{home}/bin/timelift", *words])
    return Session(UsualRace(RunRequest(Project(home / "work"), {"results": f"{home}/out"})))


def test_a_header_names_no_folder_of_its_user(session):
    case = journals.case("mine", "sensor")
    header = session._header([case])
    text = json_line(header.fields())
    assert "alice" not in text
    assert not re.search(r"""["'=: ]/\w""", text)
    assert header.command == ["timelift", "bench", "--junitxml=…/j.xml", "bench/test_lift.py"]
    assert header.machine.drift["flags"]["XLA_FLAGS"] == "--xla_dump_to=…/dump --xla_on"
    assert "strategies/mine.py" in header.sources


def test_files_of_one_name_outside_of_the_project_keep_their_digests(session):
    sources = {"/opt/a/x.py": "1", "/opt/b/x.py": "2", "/opt/c/x.py": "3"}
    shown = shareable_header(Header(sources=sources), session.request.project.root)
    assert shown.sources == {"…/x.py": "1", "…/x.py (2)": "2", "…/x.py (3)": "3"}


def test_a_reason_names_no_folder_of_its_user(session):
    lines = []
    session._journal = SimpleNamespace(append=lambda *appended: lines.extend(appended))
    root = session.request.project.root
    reason = f'File "{root}/strategies/mine.py", then {os.environ["HOME"]}/x.py'
    failed = CaseInLaunch(journals.case(), 1, status=Status.FAILED, reason=reason)
    session._record([failed])
    assert lines == session.lines
    assert lines[0].reason == 'File "strategies/mine.py", then …/x.py'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a \udcff b", "a ? b"),
        ("{home}/work", "."),
        ("{home}/work/path.py:make", "path.py:make"),
        ("{home}/work2/path.py:make", "…/path.py:make"),
        ("/opt/a/lib:/opt/b", "…/lib:…/b"),
        ("https://keras.io/api/layers", "https://keras.io/api/layers"),
        ("Ryzen 5 w/ Graphics, 1 / 2", "Ryzen 5 w/ Graphics, 1 / 2"),
        ("mypkg.models:make", "mypkg.models:make"),
    ],
)
def test_a_path_is_written_from_the_project_on_or_by_its_name(session, text, shown):
    filled = text.format(home=os.environ["HOME"])
    assert without_folders(filled, session.request.project.root) == shown


def resumed(session, asked, given):
    """The options of a run that was asked for with some, and is resumed with others."""
    run = ResumedRun(session.request.results_folder, Header(asked=asked))
    return resumed_options(run, given, session.request.project.root)


def test_an_option_with_a_folder_outside_is_named_again_where_a_run_is_resumed(session):
    asked, given = {"layer": "…/path.py:make"}, {"layer": "/opt/path.py:make"}
    assert resumed(session, asked, given) == given
    with pytest.raises(UserError, match="which is outside of the project; name it again"):
        resumed(session, asked, {"layer": ""})


@pytest.mark.parametrize("own", ["/opt/path.py:make", "{root}/path.py:make"])
def test_a_whole_path_that_an_older_version_wrote_is_the_same_as_itself(session, own):
    given = {"layer": own.format(root=session.request.project.root)}
    assert resumed(session, given, given) == given


def test_a_layer_s_file_is_found_from_any_folder_where_a_run_is_resumed(session, monkeypatch):
    root = session.request.project.root
    monkeypatch.chdir(root / "strategies")
    session.request.texts["layer"] = "mine.py:make"
    header = session._header([journals.case("mine", "sensor")])
    assert header.asked["layer"] == "strategies/mine.py:make"
    given = dict.fromkeys(session.request.texts, "")
    again = resumed(session, header.asked, given)
    assert again["layer"] == f"{root}/strategies/mine.py:make"
    typed = given | {"layer": "mine.py:make"}
    assert resumed(session, header.asked, typed)["layer"] == "mine.py:make"


def test_a_run_with_options_that_are_none_any_more_does_not_go_on(session):
    asked = {"launches": "3", "round_seconds": "0.05", "pin": "0", "until": "", "relative_to": "x"}
    given = dict.fromkeys(session.request.texts, "")
    sentence = r"begun with --round-seconds '0\.05', --pin '0'; start a new run"
    with pytest.raises(UserError, match=sentence):
        resumed(session, asked, given)
    assert resumed(session, {"launches": "3", "pin": ""}, given)["launches"] == "3"


REFUSED = "in the project and as it was measured, received another place or other code; name it"


@pytest.mark.parametrize(
    ("layer", "digest", "refused"),
    [
        ("models:make", "own", ""),
        ("models:make", "other", REFUSED),
        ("models.py:make", "", REFUSED),
        ("gone.py:make", "own", REFUSED),
        ("{outside}:make", "own", REFUSED),
        ("../evil.py:make", "own", REFUSED),
        ("link.py:make", "own", REFUSED),
        ("shutil:rmtree", "own", REFUSED),
    ],
)
def test_a_journal_names_no_layer_to_import_but_the_project_s_as_it_was(
    tmp_path, monkeypatch, layer, digest, refused
):
    root, code = tmp_path / "own", "make = list\n"
    write(root, {"models.py": code, "../evil.py": code})
    (root / "link.py").symlink_to("../evil.py")
    monkeypatch.chdir(root)
    imported = []
    made = SimpleNamespace(name="models", inputs=None)
    monkeypatch.setattr(RunRequest, "cases", lambda *_: [])
    monkeypatch.setattr(request, "user_workload", lambda *asked: imported.append(asked[0]) or made)
    layer = layer.format(outside=tmp_path / "evil.py")
    digest = hashlib.sha256(code.encode()).hexdigest()[:16] if digest == "own" else digest
    names = "models.py", "link.py", "gone.py", "../evil.py", str(tmp_path / "evil.py")
    header = journals.header(
        planned=[], asked={"layer": layer}, sources=dict.fromkeys(names, digest)
    )
    path = journals.write(root / "results/run.jsonl", header)
    with pytest.raises(UserError, match=refused) if refused else contextlib.nullcontext():
        RunRequest(Project(root), {}, resume=str(path))
    assert bool(imported) == (not refused)
    RunRequest(Project(root), {"layer": layer}, resume=str(path))
    assert len(imported) == 1 + (not refused)


def test_a_run_of_copies_is_not_resumed_wherever_its_journal_lies(tmp_path):
    header = journals.header(planned=[journals.case().label], asked={})
    path = journals.write(tmp_path / "elsewhere.jsonl", header)
    assert open_resumed(tmp_path, str(path)).path == path
    journals.write(path, header | {"against": journals.AGAINST})
    with pytest.raises(UserError, match="cannot be resumed: it is a self-test, a gate run"):
        open_resumed(tmp_path, str(path))


def test_a_run_of_two_kinds_of_machines_goes_on_with_these_alone(session):
    first = Machine(**journals.MACHINE)
    kinds = {"a": first, "b": replace(first, identity=first.identity | {"cores": 96})}

    def header(**changed):
        machines = {name: replace(kind, **changed) for name, kind in kinds.items()}
        return Header(machine=what_all_share(machines), machines=machines)

    run = ResumedRun(session.request.results_folder, header())
    refuse_other_machine(run, header())
    other = {"identity": {"cores": 1}}, {"drift": {"python": "2"}}
    for changed in [*(header(**fields) for fields in other), Header(machine=first)]:
        with pytest.raises(UserError, match="is of another machine"):
            refuse_other_machine(run, changed)
