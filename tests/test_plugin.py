"""The plugin's own parts: which race the options ask for, and what signals do to a run."""

import os
import signal
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from timelift.case import Case, Phase, Setting
from timelift.measure.session import SIGNALS, interrupts
from timelift.plugin.questions import Questions, case_of, is_table_asked_for


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_gentle_and_the_second_ends_the_run(number):
    heard, before = [], signal.getsignal(number)
    with interrupts(lambda: heard.append("gently")):
        os.kill(os.getpid(), number)
        assert heard == ["gently"]
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        assert heard == ["gently"]
    assert signal.getsignal(number) == before


@pytest.mark.parametrize(
    ("words", "always", "verbose", "asked"),
    [
        ([], "", 0, False),
        (["bench/", "--benchmark-json=out.json", "--benchmark-autosave"], "", 0, False),
        (["-v"], "", 1, True),
        (["-q"], "", -1, False),
        (["--benchmark-sort=name"], "", 0, True),
        ([], "-x --benchmark-histogram", 0, True),
    ],
)
def test_the_table_of_pytest_benchmark_is_shown_where_it_is_asked_for(
    monkeypatch, words, always, verbose, asked
):
    monkeypatch.setenv("PYTEST_ADDOPTS", always)
    config = SimpleNamespace(
        option=SimpleNamespace(verbose=verbose), invocation_params=SimpleNamespace(args=words)
    )
    assert is_table_asked_for(config) is asked


def question(case):
    item = Mock(keywords=(), callspec=SimpleNamespace(params=case.fields()))
    item.get_closest_marker = lambda name: None if name == "skip" else object()
    return item


def test_shuffled_items_are_measured_in_the_order_of_their_collection(monkeypatch):
    cases = [Case(Setting("tokens", 4, 2, Phase.FORWARD), name) for name in ("b", "c", "a")]
    played = []
    questions = Questions.__new__(Questions)
    questions._collected = {case: at for at, case in enumerate(cases)}
    monkeypatch.setattr(questions, "_measure", played.extend)
    option = SimpleNamespace(collectonly=False, continue_on_collection_errors=False)
    items = [question(case) for case in (cases[2], cases[0], cases[1])]
    session = SimpleNamespace(
        items=items, testsfailed=0, config=SimpleNamespace(option=option), Interrupted=KeyError
    )
    next(questions.pytest_runtestloop(session))
    assert played == cases
    assert [case_of(item) for item in items] != cases


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
