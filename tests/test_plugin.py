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
