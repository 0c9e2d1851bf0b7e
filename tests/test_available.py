"""`timelift strategies` and `workloads`: what there is, where it is from, and its page."""

import pytest

from tests.projects import ROOT
from tests.repositories import write
from timelift import cli

FOLD = (ROOT / "strategies" / "fold_time.py").read_text(encoding="utf-8")
OWN = FOLD.replace("time", "my time", 1)


@pytest.fixture
def root(tmp_path):
    """A project with a strategy of its own, and one in the place of timelift's."""
    return write(tmp_path, {"strategies/fold_time.py": OWN, "strategies/zig_zag.py": OWN})


def listed(capsys, *words, root):
    """The lines of a command that ended well."""
    assert cli.main(words, root) == 0
    return capsys.readouterr().out.splitlines()


def test_strategies_of_the_project_come_first(root, capsys):
    lines = listed(capsys, "strategies", root=root)
    assert lines[0] == "strategies/, measured by default:"
    assert lines[1].startswith("  fold_time ")
    assert lines[1].endswith(" (instead of timelift's)")
    assert lines[2].startswith("  zig_zag ")
    assert not lines[2].endswith(")")
    assert lines[3] == "timelift/strategies/, measured by default:"
    assert not any(line.startswith("  fold_time ") for line in lines[3:])


def test_workloads_are_listed_likewise(root, capsys):
    lines = listed(capsys, "workloads", root=root)
    assert lines[0] == "timelift/workloads/, measured by default:"
    assert "  windows " in "\n".join(lines)


def test_a_page_is_shown_as_it_is_measured(root, capsys):
    assert cli.main(["strategies", "show", "fold_time"], root) == 0
    assert capsys.readouterr().out == OWN


def test_a_variant_s_page_is_its_family_s(tmp_path, capsys):
    assert cli.main(["strategies", "show", "fold_chunks[k=8]"], tmp_path) == 0
    assert "def build" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("show fold_tmie", "unknown strategy 'fold_tmie'; nearest: fold_time"),
        ("fold_time", "expected nothing, or show NAME; received 'fold_time'"),
        ("show", "expected nothing, or show NAME; received 'show'"),
    ],
)
def test_a_mistake_is_a_sentence(root, capsys, words, said):
    assert cli.main(["strategies", *words.split()], root) == 1
    assert said in capsys.readouterr().err


def test_a_damaged_file_is_a_sentence(root, capsys):
    (root / "strategies" / "broken.py").write_text("def build(")
    assert cli.main(["strategies"], root) == 1
    assert "broken.py: not valid Python" in capsys.readouterr().err
