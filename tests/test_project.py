"""Which file a name means: the user's before timelift's, and two of the user's are refused."""

import pytest

from tests.repositories import strategy, workload, write
from timelift.errors import UserError
from timelift.project import Project


@pytest.fixture
def places(tmp_path):
    """A user's project, which has a strategy of its own, and what timelift brings."""
    write(
        tmp_path,
        {
            "site/timelift/strategies/native.py": strategy("Brought"),
            "site/timelift/strategies/fold_time.py": strategy("Brought"),
            "site/timelift/workloads/tokens.py": workload(),
            "mine/pyproject.toml": "",
            "mine/strategies/native.py": strategy("Own"),
            "mine/strategies/_parts.py": "",
        },
    )
    return tmp_path


def project(places, *includes):
    """The user's project."""
    return Project(places / "mine", includes, brought=places / "site/timelift")


def shown(found, kind="strategies"):
    """Every name with its file as it is told."""
    return {name: found.shown(path) for name, path in getattr(found, kind).items()}


def test_a_project_s_file_comes_before_one_of_the_same_name_that_timelift_brings(places):
    found = project(places)
    assert shown(found) == {
        "fold_time": "timelift/strategies/fold_time.py",
        "native": "strategies/native.py",
    }
    assert shown(found, "workloads") == {"tokens": "timelift/workloads/tokens.py"}
    assert found.strategy_file("native") == places / "mine/strategies/native.py"
    assert found.workload_file("native") is None


def test_what_is_included_is_told_apart_by_what_it_defines(places):
    write(
        places,
        {
            "one.py": strategy(),
            "both/two.py": strategy(),
            "both/three.py": workload(),
            "both/notes.py": "",
            "other/strategies/four.py": strategy(),
            "other/workloads/five.py": workload(),
            "other/setup.py": strategy(),
        },
    )
    found = project(places, *(places / name for name in ("one.py", "both", "other")))
    assert set(found.strategies) == {"native", "fold_time", "one", "two", "four"}
    assert set(found.workloads) == {"tokens", "three", "five"}


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("gone.py", "--include: expected files and folders that exist, received '.*gone.py'"),
        ("notes.txt", "--include: expected strategies or workloads in '.*notes.txt', found none"),
        ("empty", "--include: expected strategies or workloads in '.*empty', found none"),
    ],
)
def test_what_is_included_and_has_neither_is_a_sentence(places, path, sentence):
    write(places, {"notes.txt": "x = 1", "empty/notes.py": ""})
    with pytest.raises(UserError, match=sentence):
        project(places).including([places / path])


def test_a_damaged_file_of_a_folder_that_is_included_is_not_left_out(places):
    write(places, {"more/two.py": strategy(), "more/damaged.py": "def build(:"})
    found = project(places).including([places / "more"])
    assert found.strategy_file("damaged") == places / "more/damaged.py"
    assert found.workload_file("damaged") is None


def test_two_of_the_user_s_files_of_one_name_are_refused(places):
    write(places, {"more/native.py": strategy(), "more/fold_time.py": strategy()})
    sentence = r"more/native\.py: strategies/native\.py has the same name; rename one of them"
    with pytest.raises(UserError, match=sentence):
        _ = project(places, places / "more").strategies
    found = project(places, places / "more/fold_time.py", places / "more/../more/fold_time.py")
    assert shown(found)["fold_time"] == str(places / "more/fold_time.py")


def test_a_folder_without_anything_to_include_is_refused(places):
    write(places, {"empty/notes.txt": "", "empty/tools.py": "", "full/one.py": workload()})
    with pytest.raises(
        UserError, match=r"^--include: expected strategies or workloads in '.*empty"
    ):
        project(places).including([places / "empty"])
    assert "one" in project(places).including([places / "full"]).workloads


def test_a_checkout_of_timelift_has_its_own_files_and_no_others(places):
    here = Project(places / "site/timelift", brought=places / "site/timelift")
    assert shown(here)["native"] == "strategies/native.py"
    assert here.is_timelift
    assert set(here.at(places / "mine").strategies) == {"native"}


def test_another_revision_of_a_project_has_the_same_files_of_timelift_s(places):
    write(
        places,
        {
            "mine/ours/two.py": strategy(),
            "mine/ours/three.py": strategy(),
            "one.py": strategy(),
            "then/ours/two.py": strategy("Then"),
            "then/lib/inner.py": "",
        },
    )
    names = ("mine/ours/two.py", "mine/ours/three.py", "one.py")
    now = project(places, *(places / name for name in names))
    now = Project(now.root, now.includes, (places / "mine/lib",), now.brought)
    then = now.at(places / "then")
    assert shown(then) == {
        "fold_time": "timelift/strategies/fold_time.py",
        "native": "timelift/strategies/native.py",
        "two": "ours/two.py",
        "one": str(places / "one.py"),
    }
    assert then.import_folders == [places / "then", places / "then/lib"]


def test_timelift_may_be_installed_inside_a_project(places):
    inside = Project(places, brought=places / "site/timelift")
    assert shown(inside)["native"] == "timelift/strategies/native.py"
    assert set(inside.at(places / "gone").strategies) == {"native", "fold_time"}


@pytest.mark.parametrize("marker", ["pyproject.toml", "pytest.ini", ".git"])
def test_the_project_is_the_nearest_folder_above_that_is_marked_as_one(tmp_path, marker):
    write(tmp_path, {f"mine/{marker}": "", "mine/deep/down/a.txt": "", "bare/deep/a.txt": ""})
    assert Project.around(tmp_path / "mine/deep/down").root == tmp_path / "mine"
    bare = tmp_path / "bare/deep"
    assert Project.around(bare).root == bare
