"""What went is refused in one sentence that names what is there instead, at both doors."""

import re

import pytest

from timelift import cli, removed
from timelift.cli import parser
from timelift.measure.options import FLAGS

pytest_plugins = ("pytester",)

PLUGIN = ("-p", "timelift.plugin", "-p", "no:randomly", "-p", "no:hypothesispytest")


def refused(done, sentence):
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = filter(None, done.errlines)
    assert line == f"ERROR: {sentence}"


@pytest.mark.parametrize("name", sorted(removed.COMMANDS))
def test_a_command_that_went_is_one_sentence(name, capsys):
    assert cli.main([name, "tokens"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"timelift: {name} is no command any more: {removed.COMMANDS[name]}"


@pytest.mark.parametrize(
    ("command", "flag"),
    [(name, flag) for name, options in removed.OPTIONS.items() for flag in options],
)
def test_no_option_that_went_is_there(command, flag):
    assert f"{flag} " not in parser(command).format_help()
    assert removed.OPTIONS[command][flag] in removed.option_sentence(command, flag, FLAGS)


@pytest.mark.parametrize("command", removed.OPTIONS)
def test_what_is_there_instead_is_an_option_of_the_command(command):
    sentences = removed.OPTIONS[command].values()
    flags = {found[0] for text in sentences for found in re.finditer("(?<=^write )--[a-z-]+", text)}
    known = parser(command).format_help()
    assert [flag for flag in flags if f"{flag} " not in known] == []


def test_pytest_refuses_an_option_that_went_in_one_sentence(pytester):
    done = pytester.runpytest_inprocess(*PLUGIN, "--layer-file=x.py:make")
    refused(done, "--layer-file is no option any more: write --layer path.py:name")


def test_a_command_refuses_an_option_that_went_in_one_sentence(capsys):
    assert cli.main(["history", "--workload", "tokens"]) == 1
    assert capsys.readouterr().err == (
        "timelift: --workload is no option any more: write --workloads, as in timelift bench\n"
    )


def test_a_slip_names_the_nearest_option_to_pytest(pytester):
    done = pytester.runpytest_inprocess(*PLUGIN, "--worklods", "x")
    refused(done, "--worklods is no option; nearest: --workloads")


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


def test_a_key_of_another_plugin_s_is_left_alone(pytester):
    pytester.makeini("[pytest]\nfeatures = 3\n")
    pytester.makeconftest("def pytest_addoption(parser): parser.addini('features', 'how many')")
    pytester.makepyfile("def test_plain(): pass")
    assert pytester.runpytest_inprocess(*PLUGIN).ret == 0
