"""`timelift bench` and `timelift selftest`: pytest with the plugin, in this process."""

import argparse
import gc
import itertools
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from _pytest.config.findpaths import load_config_dict_from_file

from timelift.commands import BENCH, SELFTEST, USUAL_REPORT, Options, option_for
from timelift.errors import nearest, path_is
from timelift.inner_layer import Factory
from timelift.measure.options import FLAGS, OPTIONS, add_options
from timelift.project import Project


def bench(options: Options, project: Project) -> int:
    """Measure: run pytest with timelift's questions, and show what to write.

    Example: timelift bench --layer mypkg.models:make_encoder --seq-lens 8,32

    The questions are those in the project's bench/, where it has some, else timelift's own. Every
    option of pytest and of its plugins may follow, such as -k, -x, -v, --junitxml or --collect-only
    (pytest --help lists them); those below are timelift's. The project's pytest.ini, pyproject.toml
    or other file of pytest's options is read. Where it has `-p timelift.plugin`, pytest bench/ is
    the same. The exit code is pytest's.
    """
    return _pytest(options, project)


def bench_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "words",
        nargs="*",
        metavar="[QUESTION ...]",
        help="files or items, such as bench/test_lift.py, or test_modes.py of timelift's own "
        "(default: every question)",
    )
    add_options(lambda title: parser.add_argument_group(title).add_argument)


selftest_options = bench_options


def selftest(options: Options, project: Project) -> int:
    """Measure how far to trust this machine, by copies that are slower on purpose.

    Example: timelift selftest --budget 5m

    It takes ten minutes, and reports of this machine quote it from then on, in every project; with
    --results it is kept in that folder alone. It takes the options of timelift bench and of pytest.
    """
    by_its_name = ModuleType(SELFTEST)  # for `timelift.plugin.questions`
    return _pytest(options, project, by_its_name)


def _pytest(options: Options, project: Project, *plugins: object) -> int:
    gc.enable()
    questions = _Questions(project, options.words)
    return int(pytest.main([*_words(options.words, project)], plugins=[questions, *plugins]))


def _words(words: Sequence[str], project: Project) -> Iterator[str]:
    """Yield the words for pytest; a question of timelift's own becomes its path.

    `--rootdir` and `-c` are given: pytest takes them from the first path that it meets, which may
    be an option's value. So is `testpaths`: pytest would import the conftest.py of the project's
    tests, which may need more.
    """
    yield from ("-p", "timelift.plugin", "--rootdir", str(project.root))
    yield from ("-o", f"testpaths={shlex.join(map(str, _usual_questions(project)))}")
    if file := pytest_options(project.root).file:
        yield from ("-c", str(file))
    brought = {path.name: str(path) for path in _brought(project)}
    for before, word in zip(["", *words], words, strict=False):
        yield word if before == "-k" else _with_path(word, brought)


def _with_path(word: str, brought: Mapping[str, str]) -> str:
    """Return the path of a question of timelift's own, or of its item; any other word as it is."""
    file, colons, item = word.partition("::")
    path = brought.get(file.removeprefix("timelift/bench/"))
    return word if path is None or Path(file).exists() else f"{path}{colons}{item}"


class _Questions:
    """A plugin: the usual questions if none is named, no wrong words, and a letter an item."""

    __name__ = BENCH  # for `timelift.plugin`

    def __init__(self, project: Project, words: Sequence[str]) -> None:
        self.project, self.words = project, words

    def pytest_addoption(self, parser: pytest.Parser) -> None:
        parser.prog = "timelift bench"  # for errors about options
        expected = {option.flag: option.help for option in OPTIONS}
        for word, after in itertools.pairwise((*self.words, "--")):
            if word in expected and after.startswith("-"):
                received = "nothing" if after.startswith("--") else repr(after)
                raise pytest.UsageError(f"{word}: expected {expected[word]}, received {received}")

    def pytest_configure(self, config: pytest.Config) -> None:
        if config.option.verbose == 0 and not config.option.collectonly:
            config.option.verbose = -1
            if config.option.reportchars == USUAL_REPORT:  # it repeats what is above it
                config.option.reportchars = ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> None:
        if getattr(config.option, "numprocesses", None):
            raise pytest.UsageError("questions are timed with nothing beside them; leave out -n")
        if config.args_source is not pytest.Config.ArgsSource.ARGS:
            config.args[:] = map(str, _usual_questions(self.project))
        elif not config.option.pyargs:
            for word in config.args:
                self._refuse_unknown(word.partition("::")[0])

    def _refuse_unknown(self, file: str) -> None:
        """Raise UsageError for what is no file of questions; an option's value needs the option."""
        path, factory = Path(file), Factory.of(file)
        is_there = path_is(path.exists)
        inside = [*path.rglob("*.py")] if is_there and path.is_dir() else [path]
        if is_there and any(it.name.startswith("test_") or _has_question(it) for it in inside):
            return
        files = (*(self.project.root / "bench").glob("test_*.py"), *_brought(self.project))
        if factory.is_stored:
            hint = f"write timelift advise {file}"
        elif factory.name or is_there:
            named = file if factory.name else f"{file}:NAME"
            hint = f"write --layer {named}, or timelift advise {named} for a model"
        elif written := option_for(file, self.project, FLAGS):
            hint = f"{written}; several have commas between them"
        else:
            hint = nearest(file, {path.name for path in files})
        raise pytest.UsageError(f"expected a file of questions, received {file!r}; {hint}")


def _usual_questions(project: Project) -> list[Path]:
    """Return the project's bench/ if it has a question, else the files that timelift brings."""
    own = project.root / "bench"
    return [own] if any(map(_has_question, own.rglob("*.py"))) else _brought(project)


def _brought(project: Project) -> list[Path]:
    return sorted(project.brought.glob("bench/test_*.py"))


def _has_question(path: Path) -> bool:
    try:
        return "mark.question" in path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False


#: The files at the top of a project in which pytest looks for its options, in its order.
_FILES = (
    *("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini"),
    *("pyproject.toml", "tox.ini", "setup.cfg"),
)


class PytestOptions(NamedTuple):
    file: Path | None
    pythonpath: tuple[Path, ...] = ()


def pytest_options(root: Path) -> PytestOptions:
    """Read the options; a file that pytest cannot read has none, and pytest refuses it.

    pytest's reader is private, since it answers in a session alone, which other commands lack.
    """
    for file in (root / name for name in _FILES):
        try:
            options = load_config_dict_from_file(file) if file.is_file() else None
            if options is not None:
                pythonpath = options.get("pythonpath", "")
                value: Any = getattr(pythonpath, "value", pythonpath)  # since pytest 9
                folders = shlex.split(value) if isinstance(value, str) else value
                return PytestOptions(file, tuple(root / folder for folder in folders))
        except (pytest.UsageError, ValueError, TypeError, AttributeError):
            return PytestOptions(file)
    return PytestOptions(None)


def with_pythonpath(project: Project) -> Project:
    """Return the project with the folders of pytest's option `pythonpath`."""
    return replace(project, pythonpath=pytest_options(project.root).pythonpath)
