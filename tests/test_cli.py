"""`timelift`: its words, how it ends, and what it hands to pytest."""

import errno
import inspect
import platform
import shlex
import sys
from types import SimpleNamespace

import pytest

import timelift
from tests.golden import commands
from tests.support.projects import ROOT, run_python, write
from timelift import cli
from timelift.cli import COMMANDS
from timelift.escape import plain
from timelift.measure import header

#: The door, interrupted while it imports the commands.
INTERRUPTED = """
import sys
class Interrupts:
    def find_spec(name, *_):
        if name == "timelift.cli":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupts)
from timelift import __main__
sys.exit(__main__.main())
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_function_and_help(name):
    first = (inspect.getdoc(getattr(cli.module_of(name), name)) or "").splitlines()[0]
    assert first.endswith((".", ":", "?"))
    assert plain(first) in cli.parser(name).format_help()


def test_help_has_three_spellings(run_command):
    (said,) = {run_command(0, *words, root=ROOT).out for words in ([], ["--help"], ["-h"])}
    assert said


def test_the_version_stands_with_those_of_what_a_fault_may_come_from(monkeypatch, run_command):
    found = {"tensorflow": ["tensorflow-cpu", "tensorflow-cpu"], "keras": ["keras"], "numpy": ["a"]}
    monkeypatch.setattr(cli.metadata, "packages_distributions", lambda: found)
    monkeypatch.setattr(cli.metadata, "version", {"keras": "3.9", "tensorflow-cpu": "2.18"}.get)
    others = f"Python {platform.python_version()}, keras 3.9, tensorflow-cpu 2.18"
    said = run_command(0, "--version", root=ROOT).out
    assert said == f"timelift {timelift.__version__}\n{others}\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [("-m timelift bnech", 1, "timelift: expected"), (f"-c {INTERRUPTED}", 130, "timelift: inter")],
)
def test_python_m_is_a_door_as_well_and_an_interrupt_of_its_imports_is_a_line(words, code, said):
    done = run_python(ROOT, *words.split(maxsplit=1 if code == 130 else -1))
    assert (done.returncode, done.stderr[: len(said)]) == (code, said)


def test_the_project_is_the_one_around_the_working_directory(tmp_path, monkeypatch, capsys):
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "er")
    assert cli.main(["report"]) == 1
    assert "expected a run under '../../results'" in capsys.readouterr().err


def called(monkeypatch, words, root):
    """What `pytest.main` got of `timelift`, and the exit code that it made of 5."""
    calls = []

    def main(args, plugins):
        calls.append((args, plugins))
        return pytest.ExitCode.NO_TESTS_COLLECTED

    monkeypatch.setattr(pytest, "main", main)
    code = cli.main(words, root)
    ((args, plugins),) = calls
    return code, args, plugins


def test_every_word_is_handed_on_and_the_exit_code_handed_back(tmp_path, monkeypatch):
    write(tmp_path, {"tox.ini": "[pytest]\n", "pyproject.toml": "[project]\nname = 'p'\n"})
    words = shlex.split("-k test_modes.py --junitxml j.xml -p no:cacheprovider --resume --gate=3%")
    code, args, _ = called(monkeypatch, ["bench", *words], tmp_path)
    assert code == 5
    mine = ["-p", "timelift.plugin", "--rootdir", str(tmp_path), "-c", str(tmp_path / "tox.ini")]
    assert args[:4] + args[6:] == [*mine, *words]


def test_what_the_project_s_tests_import_is_not_needed_to_measure(tmp_path):
    write(tmp_path, {"tests/conftest.py": "import no_such_module"})
    words = "bench --collect-only -q -p no:cacheprovider --workloads tokens"
    code, _, complained = commands.played(tmp_path, words)
    assert (code, complained) == (0, "")


@pytest.mark.parametrize("folder", ["", "timelift/bench/"])
@pytest.mark.parametrize("item", ["", "::test_modes[sensor-T3-B2-forward-xla-native]"])
def test_a_question_of_timelift_is_typed_without_its_folder(tmp_path, monkeypatch, folder, item):
    monkeypatch.chdir(tmp_path)
    word = f"{folder}test_modes.py{item}"
    brought = str(ROOT / "bench" / "test_modes.py")
    assert called(monkeypatch, ["bench", word], tmp_path)[1][-1] == brought + item
    write(tmp_path, {f"{folder}test_modes.py": ""})
    assert called(monkeypatch, ["bench", word], tmp_path)[1][-1] == word


@pytest.mark.parametrize(
    ("program", "name"), [("/p/timelift/__main__.py", "timelift"), ("-c", "pytest")]
)
def test_a_run_records_the_program_that_started_it(monkeypatch, program, name):
    monkeypatch.setattr(sys, "argv", [program, "--workloads", "sensor"])
    assert header.program() == name


def configured(source, *args):
    """As much of pytest's configuration as the choice of questions looks at."""
    return SimpleNamespace(option=SimpleNamespace(pyargs=False), args_source=source, args=[*args])


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, "timelift"),
        ({"bench/test_speed.py": "def test_speed(benchmark): ..."}, "timelift"),
        ({"bench/test_lift.py": "pytestmark = pytest.mark.question()"}, "bench"),
        ({"bench/deep/test_lift.py": "@pytest.mark.question()"}, "bench"),
        ({"bench/test_lift.py": b"\xff"}, "timelift"),
    ],
)
def test_the_project_s_questions_come_first(tmp_path, monkeypatch, files, expected):
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    _, _, (questions,) = called(monkeypatch, ["bench"], tmp_path)
    source = pytest.Config.ArgsSource
    for chosen_by in (source.TESTPATHS, source.INVOCATION_DIR):
        config = configured(chosen_by, "tests")
        questions.pytest_cmdline_main(config)
        brought = [str(path) for path in sorted((ROOT / "bench").glob("test_*.py"))]
        assert config.args == ([str(tmp_path / "bench")] if expected == "bench" else brought)
    named = configured(source.ARGS, str(ROOT / "bench/test_modes.py"))
    questions.pytest_cmdline_main(named)
    assert named.args == [str(ROOT / "bench/test_modes.py")]


def test_a_removed_working_directory_is_a_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()
    assert cli.main(["report"]) == 1
    assert "expected a working directory, but it has been removed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 1, "cannot write the answer: No space"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_a_full_disk_and_an_interrupt_are_a_sentence(monkeypatch, capsys, error, code, said):
    def fails(*_):
        """Fail as this test says."""
        raise error

    monkeypatch.setattr("timelift.commands.report.report", fails)
    monkeypatch.setattr(cli.os, "dup2", lambda *_: None)
    monkeypatch.setattr(cli.sys.stdout, "fileno", lambda: 1, raising=False)
    assert cli.main(["report"], ROOT) == code
    assert capsys.readouterr().err.startswith(f"timelift: {said}")


OWN = (ROOT / "strategies" / "fold_time.py").read_text(encoding="utf-8").replace("time", "mine", 1)


@pytest.fixture
def root(tmp_path):
    """A project with a strategy of its own, and one in the place of timelift's."""
    return write(tmp_path, {"strategies/fold_time.py": OWN, "strategies/zig_zag.py": OWN})


def test_strategies_of_the_project_come_first(root, run_command):
    lines = run_command(0, "strategies", root=root).out.splitlines()
    assert lines[0] == "strategies/, measured by default"
    assert lines[1].startswith("  fold_time ")
    assert lines[1].endswith(" (instead of timelift's)")
    assert lines[2].startswith("  zig_zag ")
    assert not lines[2].endswith(")")
    assert lines[3:5] == ["", "timelift/strategies/, measured by default"]
    assert not any(line.startswith("  fold_time ") for line in lines[5:])


def test_show_prints_the_file_that_is_measured_of_a_variant_too(root, run_command):
    chunks = (ROOT / "strategies" / "fold_chunks.py").read_text(encoding="utf-8")
    for name, text in (("fold_time", OWN), ("fold_chunks[k=8]", chunks)):
        assert run_command(0, "strategies", "show", name, root=root).out == text
