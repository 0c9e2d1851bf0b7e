"""An option or key that nobody has, and an option that two plugins have, are one sentence."""

import pytest

pytest_plugins = ("pytester",)

PLUGIN = ("-p", "timelift.plugin", "-p", "no:randomly", "-p", "no:hypothesispytest")


def refused(done, sentence):
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = filter(None, done.errlines)
    assert line == f"ERROR: {sentence}"


def test_pytest_refuses_an_unknown_option_in_one_sentence(pytester):
    sentence = "--worklods is no option of pytest; nearest: --workloads"
    refused(pytester.runpytest_inprocess(*PLUGIN, "--worklods=x"), sentence)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pytest.ini", "[pytest]\nseq_lens = 4\n"),
        ("pyproject.toml", '[tool.pytest.ini_options]\nseq_lens = ["4", "8"]\n'),
    ],
)
def test_a_key_of_pytest_s_file_names_addopts(file, text, pytester):
    (pytester.path / file).write_text(text)
    refused(
        pytester.runpytest_inprocess(*PLUGIN),
        "seq_lens: timelift reads no key of pytest's file of options; write it in addopts, like "
        "addopts = --seq-lens=VALUE",
    )


def test_a_key_of_another_plugin_is_left_alone(pytester):
    pytester.makeini("[pytest]\nlayer = 3\n")
    pytester.makeconftest("def pytest_addoption(parser): parser.addini('layer', 'how many')")
    pytester.makepyfile("def test_plain(): pass")
    assert pytester.runpytest_inprocess(*PLUGIN).ret == 0


OPTION = """
def pytest_addoption(parser):
    parser.getgroup("seeder", "plants seeds").addoption("--seed", help="which seed to plant")
"""
FIRST, LAST = ("-p", "theirs", "-p", "timelift.plugin"), ("-p", "timelift.plugin", "-p", "theirs")


@pytest.fixture
def run(pytester, monkeypatch):
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
def test_an_option_that_two_plugins_add_is_one_sentence(run, file, words, other):
    done = run(file, OPTION, *words)
    assert done.ret == 1
    (line,) = filter(None, done.errlines)
    assert line == (
        f"ERROR: --seed: timelift.plugin and {other} both add this option; rename it there, or "
        "run without one of the two (-p no:NAME)"
    )


def test_a_clash_of_two_other_plugins_keeps_its_error(run, pytester):
    other = OPTION.replace("--seed", "--planted")
    (pytester.path / "conftest.py").write_text(other.replace("seeder", "sower"))
    done = run("theirs.py", other, *LAST)
    assert "--planted" in done.errlines[-1]
    assert "timelift.plugin and" not in done.stderr.str()
