"""Two plugins with one name for an option: a sentence, whichever of them pytest reads first."""

import pytest

pytest_plugins = ("pytester",)

OPTION = """
def pytest_addoption(parser):
    parser.getgroup("seeder", "plants seeds").addoption("--seed", help="which seed to plant")
"""
KEY = """
def pytest_addoption(parser):
    parser.addini("features", "how many features the model has", default="3")
"""
#: The same place among the parsed values is no clash.
PLACE = """
def pytest_addoption(parser):
    parser.getgroup("seeder").addoption("--other-seed", dest="seed", help="which seed to plant")
"""
PLAIN = "def test_plain():\n    pass\n"
FIRST, LAST = ("-p", "theirs", "-p", "timelift.plugin"), ("-p", "timelift.plugin", "-p", "theirs")


@pytest.fixture
def run(pytester, monkeypatch):
    """Lay out files beside a plain test, and run pytest there in this process."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:randomly -p no:hypothesispytest -p no:xdist")

    def lay_out_and_run(files, *words):
        for name, text in {"test_plain.py": PLAIN, **files}.items():
            path = pytester.path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        pytester.syspathinsert()
        return pytester.runpytest_inprocess(*words)

    return lay_out_and_run


@pytest.mark.parametrize(
    ("files", "words", "begins", "other"),
    [
        ({"theirs.py": OPTION}, FIRST, "--seed: ", "'seeder'"),
        ({"theirs.py": OPTION}, LAST, "--seed: ", "'seeder'"),
        ({"conftest.py": OPTION}, LAST[:2], "--seed: ", " conftest.py "),
        ({"sub/conftest.py": OPTION, "sub/test_b.py": PLAIN}, LAST[:2], "--seed: ", "sub/conftest"),
        (
            {"conftest.py": "pytest_plugins = ('timelift.plugin',)", "theirs.py": OPTION},
            FIRST[:2],
            "--seed: ",
            "'seeder'",
        ),
        ({"theirs.py": KEY}, LAST, "features: ", "'how many features the model has'"),
        ({"conftest.py": KEY}, LAST[:2], "features: ", "'how many features the model has'"),
    ],
)
def test_a_name_that_two_plugins_have_is_one_sentence(run, files, words, begins, other):
    done = run(files, *words)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = filter(None, done.errlines)
    assert line.startswith(f"ERROR: {begins}timelift.plugin and ")
    assert other in line
    assert line.endswith("rename it there, or run without one of the two (-p no:NAME)")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"theirs.py": PLACE}, LAST),
        ({"theirs.py": OPTION}, FIRST[:2]),
        ({"theirs.py": OPTION}, (*LAST, "-p", "no:timelift.plugin", "--seed", "3")),
        ({"conftest.py": "pytest_plugins = ('timelift.plugin',)"}, LAST[:2]),
    ],
)
def test_other_names_and_other_plugins_are_left_alone(run, files, words):
    done = run(files, *words)
    assert done.ret == 0
    done.assert_outcomes(passed=1)


def test_a_clash_of_two_others_stays_theirs(run):
    other = OPTION.replace("--seed", "--planted")
    done = run({"theirs.py": other, "conftest.py": other.replace("seeder", "sower")}, *LAST)
    assert done.ret == pytest.ExitCode.INTERNAL_ERROR
    assert "planted" in done.errlines[-1]
    assert "timelift.plugin and" not in "".join(done.errlines)
