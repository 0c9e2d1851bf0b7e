"""The plugin by itself and in others' projects: other tests, other plugins, places of questions.

What needs pytest-cov, pytest-randomly and pytest-timeout is skipped where they are not installed.
"""

import importlib.util
import os
import signal
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from tests.support.projects import ROOT, SMALL, bench, write
from timelift.axis_values import Phase
from timelift.case import Case, Setting
from timelift.measure import launch
from timelift.measure.session import SIGNALS, interrupts
from timelift.plugin.questions import Questions, case_of, is_table_asked_for

pytest_plugins = ("pytester",)

ALL_FOUR = ("xdist", "pytest_cov", "pytest_randomly", "pytest_timeout")
MISSING = [name for name in ALL_FOUR if importlib.util.find_spec(name) is None]
needs_all_four = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {MISSING}")

INI = """
[tool.pytest.ini_options]
addopts = ["-p", "timelift.plugin", "-p", "no:hypothesispytest"]

[tool.coverage.run]
patch = ["subprocess"]
source = ["."]
"""
PLAIN = "import pytest\n\n@pytest.mark.parametrize('n', range(4))\ndef test_plain(n):\n    pass\n"
#: Prints which of timelift's modules a session has imported.
LOOKS = """
import sys

def pytest_unconfigure():
    print("LOADED", sorted(name for name in sys.modules if name.startswith("timelift.")))
"""
#: A strategy that keeps what traces it.
PROBE = '''"""A probe."""
import sys
from pathlib import Path
import keras

def build(layer, shape, dtype=None):
    traced = sys.gettrace() is not None or "coverage" in sys.modules
    Path(__file__).parent.with_name("traced").write_text(str(traced))
    return keras.layers.TimeDistributed(layer)
'''


@pytest.fixture
def theirs(pytester):
    files = {
        "pyproject.toml": INI,
        "conftest.py": LOOKS,
        "tests/test_plain.py": PLAIN,
        "strategies/probe.py": PROBE,
        "bench/test_lift.py": (ROOT / "bench" / "test_forward.py").read_text(),
    }
    return write(pytester.path, files)


@pytest.fixture
def session(pytester):
    """Run pytest in their project, in this process; return its code, output and errors."""

    def run(*words):
        done = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:randomly", *words)
        return done.ret, done.stdout.str(), done.stderr.str()

    return run


@needs_all_four
def test_without_a_question_nothing_is_imported_beside_the_other_plugins(theirs):
    words = "-n 2 --cov=. --cov-report= --timeout=60 --randomly-seed=1 --seed wrong".split()
    done = bench(theirs, "tests", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
    assert "timelift.measure.options" in done.stdout
    assert importlib.util.find_spec("timelift.measure.session").name not in done.stdout


@needs_all_four
@pytest.mark.whole
def test_a_question_is_measured_beside_the_other_plugins(theirs):
    words = "--cov=. --timeout=1 --randomly-seed=1 -n 0 --strategies probe --workloads sensor"
    sizes = [word if word != "2" else "1" for word in SMALL[2:]]  # one launch, of one sequence
    done = bench(theirs, *words.split(), *sizes, "-W", "error::pytest.PytestWarning")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout
    assert "tests/test_plain.py" in done.stdout
    assert (theirs / "traced").read_text() == "False"
    assert list(theirs.glob("results/*/*.jsonl"))


def test_a_launch_inherits_all_but_what_traces_it(monkeypatch):
    traced = ["COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG", "COV_CORE_SOURCE"]
    for name in (*traced, "COVERT"):
        monkeypatch.setenv(name, "x")
    inherited = launch.environment()
    assert inherited.keys() >= os.environ.keys() - set(traced)
    assert not inherited.keys() & set(traced)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("-p no:benchmark", "pytest-benchmark, which is not loaded; leave out -p no:benchmark"),
        ("-p no:terminal --seed x", "--seed: expected a whole number from 0"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_4(session, theirs, words, sentence):
    code, printed, complained = session(*words.split())
    assert code == 4
    (line,) = filter(None, complained.splitlines())
    assert line.startswith("ERROR: ")
    assert sentence in line
    assert "Traceback" not in printed
    assert not (theirs / "results").exists()


def test_a_question_is_refused_where_tests_run_side_by_side(theirs):
    done = bench(theirs, *"tests bench -n 2".split())
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert done.stdout.count("\nbench/test_lift.py::test_forward: a bench question") == 1
    assert "Traceback" not in done.stdout
    assert not (theirs / "results").exists()


def test_a_test_beside_a_question_stays_a_test(session, theirs):
    path = theirs / "bench/test_lift.py"
    path.write_text(path.read_text() + "\n\ndef test_beside():\n    pass\n")
    words = (*SMALL, "--backends", "tensorflow")  # whose cases have no backend in their names
    _, printed, _ = session("bench", "--collect-only", "-q", "--strategies", "native", *words)
    ids = [line for line in printed.splitlines() if line.startswith("bench/")]
    assert sorted(ids) == [
        "bench/test_lift.py::test_beside",
        "bench/test_lift.py::test_forward[sensor-T3-B2-forward-graph-native]",
    ]


def test_what_is_skipped_is_not_measured_and_timelift_s_own_questions_have_names(session, theirs):
    words = ["--rootdir", ".", "-c", "pyproject.toml", "--benchmark-skip", "tests"]
    files = sorted(map(str, (ROOT / "bench").glob("test_*.py")))
    _, printed, _ = session(*words, *files, "--strategies", "native", *SMALL)
    assert "\ntimelift/bench/test_forward.py s " in printed, printed
    assert "\ntimelift/bench/test_modes.py ssss " in printed
    assert "4 passed, " in printed
    assert not (theirs / "results").exists()


def test_a_session_that_does_not_load_the_plugin_has_no_options_of_it(session, theirs):
    (theirs / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    words = ["tests", "-q", "-p", "no:hypothesispytest", "--workloads", "sensor"]
    code, _, complained = session(*words)
    assert code == 4
    assert "unrecognized arguments: --workloads" in complained
    (theirs / "conftest.py").write_text('pytest_plugins = ("timelift.plugin",)\n')
    assert session(*words)[0] == 0
    assert session(*words, "-p", "timelift.plugin")[0] == 0


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_gentle_and_the_second_ends_the_run(number):
    heard, before = [], signal.getsignal(number)
    with interrupts(lambda: heard.append("gently")):
        os.kill(os.getpid(), number)
        assert heard == ["gently"]
        if number == signal.SIGHUP:
            os.kill(os.getpid(), number)  # as a closing shell does
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM if number == signal.SIGHUP else number)
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
    monkeypatch.setattr(questions, "_run", played.extend)
    option = SimpleNamespace(collectonly=False, continue_on_collection_errors=False)
    items = [question(case) for case in (cases[2], cases[0], cases[1])]
    session = SimpleNamespace(
        items=items, testsfailed=0, config=SimpleNamespace(option=option), Interrupted=KeyError
    )
    next(questions.pytest_runtestloop(session))
    assert played == cases
    assert [case_of(item) for item in items] != cases


PLUGIN = ("-p", "timelift.plugin", "-p", "no:randomly", "-p", "no:hypothesispytest")


def refused(done, sentence):
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = filter(None, done.errlines)
    assert line == f"ERROR: {sentence}"


def test_pytest_refuses_an_unknown_option_in_one_sentence(pytester):
    sentence = "--worklods is no option of pytest; nearest: --workloads"
    refused(pytester.runpytest_inprocess(*PLUGIN, "--worklods=x"), sentence)


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
