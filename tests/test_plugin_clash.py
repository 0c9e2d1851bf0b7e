"""Two plugins with one name for an option: a sentence, whichever of them pytest reads first."""

import pytest

pytest_plugins = ("pytester",)

OPTION = """
def pytest_addoption(parser):
    parser.getgroup("seeder", "plants seeds").addoption("--seed", help="which seed to plant")
"""
FIRST, LAST = ("-p", "theirs", "-p", "timelift.plugin"), ("-p", "timelift.plugin", "-p", "theirs")


@pytest.fixture
def run(pytester, monkeypatch):
    """Lay out a plugin beside a plain test, and run pytest there in a process of its own."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:randomly -p no:hypothesispytest -p no:xdist")

    def lay_out_and_run(file, text, *words):
        pytester.makepyfile("def test_plain(): pass")
        (pytester.path / file).write_text(text)
        pytester.syspathinsert()
        return pytester.runpytest_subprocess(*words)

    return lay_out_and_run


@pytest.mark.parametrize(
    ("file", "words", "other"),
    [
        ("theirs.py", FIRST, "another plugin"),
        ("theirs.py", LAST, "theirs.py"),
        ("conftest.py", LAST[:2], "conftest.py"),
    ],
)
def test_a_name_that_two_plugins_have_is_one_sentence(run, file, words, other):
    done = run(file, OPTION, *words)
    assert done.ret == 1
    (line,) = filter(None, done.errlines)
    assert line == (
        f"ERROR: --seed: timelift.plugin and {other} both add this option; rename it there, or "
        "run without one of the two (-p no:NAME)"
    )


def test_a_clash_of_two_others_stays_theirs(run, pytester):
    other = OPTION.replace("--seed", "--planted")
    (pytester.path / "conftest.py").write_text(other.replace("seeder", "sower"))
    done = run("theirs.py", other, *LAST)
    assert "--planted" in done.errlines[-1]
    assert "timelift.plugin and" not in done.stderr.str()
