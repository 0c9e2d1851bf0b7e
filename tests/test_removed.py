"""What went, and a name that two plugins have, is refused in one sentence that says what to do."""

import re

import pytest

from timelift import cli
from timelift.cli import parser
from timelift.commands import removed
from timelift.measure.options import FLAGS

pytest_plugins = ("pytester",)

PLUGIN = ("-p", "timelift.plugin", "-p", "no:randomly", "-p", "no:hypothesispytest")


def refused(done, sentence):
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = filter(None, done.errlines)
    assert line == f"ERROR: {sentence}"


@pytest.mark.parametrize("name", sorted(removed.COMMANDS))
def test_a_removed_command_is_one_sentence(name, capsys):
    assert cli.main([name, "tokens"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"timelift: {name} is no command any more: {removed.COMMANDS[name]}"


@pytest.mark.parametrize(
    ("command", "flag"),
    [(name, flag) for name, options in removed.OPTIONS.items() for flag in options],
)
def test_no_removed_option_is_in_the_help(command, flag):
    assert f"{flag} " not in parser(command).format_help()
    assert removed.OPTIONS[command][flag] in removed.option_sentence(
        command, flag, FLAGS, "timelift"
    )


@pytest.mark.parametrize("command", removed.OPTIONS)
def test_an_option_that_a_sentence_names_exists(command):
    sentences = removed.OPTIONS[command].values()
    flags = {match[0] for text in sentences for match in re.finditer("(?<=^write )--[a-z-]+", text)}
    help_text = parser(command).format_help()
    assert [flag for flag in flags if f"{flag} " not in help_text] == []


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("--layer-file=x", "--layer-file is no option: write --layer path.py:name"),
        ("--worklods=x", "--worklods is no option; nearest: --workloads"),
        ("--maxfial=1", "--maxfial is no option; nearest: --maxfail"),
        ("--frobnicate", "--frobnicate is no option; pytest --help lists them"),
    ],
)
def test_pytest_refuses_a_removed_or_misspelt_option_in_one_sentence(pytester, word, sentence):
    refused(pytester.runpytest_inprocess(*PLUGIN, word), sentence)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pytest.ini", "[pytest]\nseq_lens = 4\n"),
        ("pyproject.toml", '[tool.pytest.ini_options]\nseq_lens = ["4", "8"]\n'),
    ],
)
def test_a_key_of_the_ini_file_names_addopts(file, text, pytester):
    (pytester.path / file).write_text(text)
    done = pytester.runpytest_inprocess(*PLUGIN)
    refused(done, removed.key_sentence("seq_lens"))
    assert "addopts = --seq-lens=VALUE" in done.errlines[0]


def test_a_key_of_another_plugin_is_left_alone(pytester):
    pytester.makeini("[pytest]\nfeatures = 3\n")
    pytester.makeconftest("def pytest_addoption(parser): parser.addini('features', 'how many')")
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
