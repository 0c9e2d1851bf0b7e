"""The project: its folder, its files, and those of timelift below them."""

import os

import pytest

from tests.support.projects import commit, git, strategy, write
from timelift.project import Project, has_changes, modules_in


@pytest.fixture
def places(tmp_path):
    """A user's project, which has a strategy of its own, and what timelift brings."""
    files = {
        "site/timelift/strategies/native.py": strategy("Brought"),
        "site/timelift/strategies/fold_time.py": strategy("Brought"),
        "mine/pyproject.toml": "",
        "mine/strategies/native.py": strategy("Own"),
    }
    return write(tmp_path, files)


def project(places):
    return Project(places / "mine", brought=places / "site/timelift")


def shown(project):
    return {name: project.shown(path) for name, path in project.strategies.items()}


def test_another_revision_of_a_project_has_the_same_files_of_timelift_s(places):
    files = {"then/strategies/_parts.py": "", "then/lib/inner.py": ""}
    write(places, files | {"then/strategies/two.py": strategy("Then")})
    now = project(places)
    then = Project(now.root, (places / "mine/lib",), now.brought).at(places / "then")
    assert shown(then) == {
        "fold_time": "timelift/strategies/fold_time.py",
        "native": "timelift/strategies/native.py",
        "two": "strategies/two.py",
    }
    assert then.import_folders == [places / "then", places / "then/lib"]


def test_timelift_may_be_installed_inside_a_project(places):
    inside = Project(places, brought=places / "site/timelift")
    assert shown(inside)["native"] == "timelift/strategies/native.py"
    assert set(inside.at(places / "gone").strategies) == {"native", "fold_time"}


@pytest.mark.parametrize("marker", ["pyproject.toml", "pytest.ini", ".git"])
def test_the_project_is_the_nearest_folder_above_with_a_marker(tmp_path, marker):
    write(tmp_path, {f"mine/{marker}": "", "mine/deep/down/a.txt": "", "bare/deep/a.txt": ""})
    assert Project.around(tmp_path / "mine/deep/down").root == tmp_path / "mine"
    bare = tmp_path / "bare/deep"
    assert Project.around(bare).root == bare


def test_a_folder_of_data_is_no_module_of_a_project(tmp_path):
    data, code = ["logging.yaml", "json/data.txt"], ["mine.py", "pack/__init__.py"]
    root = write(tmp_path, dict.fromkeys([*data, *code, "src/deep/inner/part.py"], ""))
    assert modules_in([root, root / "src", root / "none"]) == {"mine", "pack", "deep"}


def test_a_folder_is_asked_for_changes_without_running_what_it_configures(tmp_path):
    folder = commit(write(tmp_path / "a b", {"file": "old", ".gitattributes": "* filter=own=x"}))
    for name in ("clean", "required"):
        git(folder, "config", f"filter.own=x.{name}", "touch ran; cat" if name == "clean" else "1")
    git(folder, "config", "core.fsmonitor", "touch ran")
    hook = write(folder, {".git/hooks/post-index-change": "#!/bin/sh\ntouch ran\n"})
    (hook / ".git/hooks/post-index-change").chmod(0o755)
    os.utime(folder / "file", (1, 1))
    assert not has_changes(folder)
    (folder / "file").write_text("new")
    assert has_changes(folder)
    assert not (folder / "ran").exists()
    git(folder, "status")
    assert (folder / "ran").exists()
