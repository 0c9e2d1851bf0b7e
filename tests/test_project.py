"""Which file a name means: the user's before timelift's."""

import pytest

from tests.repositories import strategy, workload, write
from timelift.project import Project, modules_in


@pytest.fixture
def places(tmp_path):
    """A user's project, which has a strategy of its own, and what timelift brings."""
    files = {
        "site/timelift/strategies/native.py": strategy("Brought"),
        "site/timelift/strategies/fold_time.py": strategy("Brought"),
        "site/timelift/workloads/tokens.py": workload(),
        "mine/pyproject.toml": "",
        "mine/strategies/native.py": strategy("Own"),
        "mine/strategies/_parts.py": "",
    }
    return write(tmp_path, files)


def project(places):
    return Project(places / "mine", brought=places / "site/timelift")


def shown(project, kind="strategies"):
    return {name: project.shown(path) for name, path in getattr(project, kind).items()}


def test_a_project_s_file_comes_before_timelift_s_own_of_the_same_name(places):
    mine = project(places)
    brought = {"fold_time": "timelift/strategies/fold_time.py"}
    assert shown(mine) == brought | {"native": "strategies/native.py"}
    assert shown(mine, "workloads") == {"tokens": "timelift/workloads/tokens.py"}


def test_a_checkout_of_timelift_has_its_own_files_and_no_others(places):
    here = Project(places / "site/timelift", brought=places / "site/timelift")
    assert shown(here)["native"] == "strategies/native.py"
    assert here.is_timelift
    assert set(here.at(places / "mine").strategies) == {"native"}


def test_another_revision_of_a_project_has_the_same_files_of_timelift_s(places):
    write(places, {"then/strategies/two.py": strategy("Then"), "then/lib/inner.py": ""})
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
    assert modules_in([root, root / "src"]) == {"mine", "pack", "deep"}


def test_pytest_s_pythonpath_is_searched_too(tmp_path):
    root = write(tmp_path, {"lib/deep.py": ""})
    searched = Project(root, pythonpath=(root / "lib",))
    assert searched.import_folders == [root, root / "lib"]
    assert "deep" in searched.modules
