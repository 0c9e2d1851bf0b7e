"""`timelift advise --diff` and `--fix`: what they print, write and return."""

import subprocess

import pytest

from tests.support.advised import WHOLE, advised, make_model
from timelift.advise import editing, races
from timelift.advise.advice import Outcome
from timelift.advise.rewrite import Edit
from timelift.analyse.ranking import SpeedUp
from timelift.analyse.verdicts import Verdict
from timelift.axis_values import Status
from timelift.cli import main

FASTER = Outcome(SpeedUp(1.5, 1.4, 1.6, verdict=Verdict.FASTER))
SAME = Outcome(SpeedUp(1.0, 0.9, 1.1, verdict=Verdict.UNDECIDED))
BROKEN = Outcome(status=Status.LAW_BROKEN, reason="the output differs")
BEFORE, AFTER = b"import keras\n", b"import keras\nfrom fold_time import FoldTime\n"


@pytest.fixture
def ask(tmp_path, monkeypatch, capsysbinary):
    """Run `advise` with options in a project of git, where advice and the race are these."""
    project = tmp_path / "project"
    project.mkdir()
    file = project / "models.py"
    file.write_bytes(BEFORE)
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "begin"]):
        own = ["-c", "user.email=a@b.example", "-c", "user.name=n"]
        subprocess.run(["git", "-C", project, *own, *words], check=True)
    monkeypatch.chdir(project)
    model = make_model()
    faster = advised(tmp_path, model, whole=WHOLE)
    slower = advised(tmp_path, model, whole=dict.fromkeys(WHOLE, 3.0))

    def run(*options, outcome=FASTER, changes=True):
        advice = faster if changes else slower
        monkeypatch.setattr(races, "advise_on", lambda *_, **__: [advice])
        monkeypatch.setattr(editing, "edits", lambda *_: [Edit(file, BEFORE, AFTER)])
        monkeypatch.setattr(editing, "race_edited", lambda *_: outcome)
        code = main(["advise", "models.py:make", *options])
        out, said = capsysbinary.readouterr()
        return code, out.decode(), said.decode(), file.read_bytes()

    return run


def test_a_diff_alone_is_printed_and_is_what_ci_fails_by(ask):
    code, out, said, file = ask("--diff")
    assert (code, file) == (1, BEFORE)
    assert out == (
        "--- a/models.py\n+++ b/models.py\n"
        "@@ -1 +1,2 @@\n import keras\n+from fold_time import FoldTime\n"
    )
    assert said.index("change lift 1") < said.index(".weights.h5") < said.index("1 file to change")


def test_a_fix_is_written(ask):
    code, out, said, file = ask("--fix")
    assert (code, out, file) == (0, "", AFTER)
    assert (
        "the changed model is 1.5 [1.4, 1.6] times as fast, by the same law: 1 file written" in said
    )


@pytest.mark.parametrize("option", ["--diff", "--fix"])
@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        (
            {"outcome": SAME},
            2,
            "not changed: the changed model is not shown faster (1.00 [0.90, 1.1])",
        ),
        ({"outcome": BROKEN}, 2, "not changed: the changed model: law broken: the output differs"),
        ({"changes": False}, 0, "keep"),
    ],
)
def test_nothing_is_written_unless_the_changed_model_is_shown_faster(ask, option, how, code, said):
    found, out, printed, file = ask(option, **how)
    assert (found, out, file) == (code, "", BEFORE)
    assert said in " ".join(printed.split())


def test_changed_files_and_several_batches_are_refused_before_anything_is_measured(ask, tmp_path):
    assert "name one" in ask("--diff", "--batch-sizes", "8,32")[2]
    (tmp_path / "project" / "models.py").write_bytes(AFTER)
    code, _, said, _ = ask("--fix")
    assert (code, "expected files as git has them" in said) == (1, True)


def test_a_file_that_is_saved_while_the_model_is_raced_is_left_as_it_is(ask, tmp_path, monkeypatch):
    file, mine = tmp_path / "project" / "models.py", b"import keras  # mine\n"

    def saved(*_):
        file.write_bytes(mine)
        return editing.edits(), FASTER

    monkeypatch.setattr(editing, "tried_edits", saved)
    code, _, said, found = ask("--fix")
    assert (code, found) == (2, mine)
    assert "not changed: models.py was changed while the model was raced" in said


def test_a_file_that_cannot_be_written_is_a_sentence(ask, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Edit, "write", full)
    code, _, said, found = ask("--fix")
    assert (code, found) == (1, BEFORE)
    assert "No space left on device; make it writable" in said
    assert "written" not in said
