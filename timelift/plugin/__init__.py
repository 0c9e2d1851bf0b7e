"""The pytest plugin: options become cases, and a case's samples become its benchmark.

It is asked for with `-p timelift.plugin`, on the command line or in `addopts`: pytest takes the
value of an option that it does not know yet for a path, and loads the conftest.py that it finds
there. With `--against ../other-checkout` that would be another timelift's.

A session without bench questions imports this module and what defines the options, and no library
beside pytest. The first question that is collected brings the rest (`timelift.plugin.questions`).
"""

import argparse
import os
import re
import sys
import traceback
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from timelift.commands import BENCH, PREFIX, SELFTEST, unknown_option
from timelift.errors import UserError
from timelift.measure.options import FLAGS, add_options
from timelift.project import Project

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from timelift.plugin.questions import ReplayClock

#: The folder of timelift's own questions.
_BROUGHT = Project(Path()).brought / "bench"
QUESTION = "question"
_MARKER = f"{QUESTION}(**axes): the axes of a test, each overridden by the option of its name"


class QuestionError(Exception):
    """An error in an option or a question, which ends the session when it is collected."""


def pytest_addoption(parser: pytest.Parser) -> None:
    before = sys.excepthook  # argparse's error ends the process, and pytest calls no hook then
    sys.excepthook = lambda kind, error, trace: _explain_clash(before, kind, error, trace)
    add_options(lambda title: parser.getgroup(f"timelift: {title}").addoption, PREFIX)


def _explain_clash(before: Callable[..., None], kind: Any, error: Any, trace: Any) -> None:
    """Print a sentence if another plugin has an option of the same name as one of timelift's.

    Either plugin may be the second to add it, and pytest lets argparse's error end the process.
    """
    flag = next(filter(FLAGS.__contains__, re.findall(r"--[\w-]+", str(error))), "")
    if not (flag and kind is argparse.ArgumentError):
        before(kind, error, trace)
        return
    frames = [frame for frame in traceback.extract_tb(trace) if frame.name == "pytest_addoption"]
    others = [os.path.relpath(frame.filename) for frame in frames if frame.filename != __file__]
    other = others[0] if others else "another plugin"
    sys.stderr.write(
        f"ERROR: {flag}: timelift.plugin and {other} both add this option; rename it there, or run "
        "without one of the two (-p no:NAME)\n"
    )


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: Any, parser: pytest.Parser, args: list[str]
) -> Iterator[None]:
    """Refuse unknown options, once all plugins and conftest.py have added theirs."""
    loaded = yield
    _, unknown = parser.parse_known_and_unknown_args(args)
    if unknown:
        groups = (*parser._groups, parser._anonymous)  # noqa: SLF001 - pytest tells them nowhere
        known = [name for group in groups for option in group.options for name in option.names()]
        ours = filter(early_config.pluginmanager.hasplugin, (SELFTEST, BENCH))
        program = next(ours, "pytest").replace("-", " ")
        raise pytest.UsageError(str(unknown_option(program, unknown[0].partition("=")[0], known)))
    return loaded


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Refuse wrong options of `timelift bench` before pytest prints that it starts."""
    if session.config.pluginmanager.hasplugin(BENCH):
        try:
            from timelift.plugin.questions import questions_of  # noqa: PLC0415 - as below

            questions_of(session.config)
        except UserError as error:
            raise pytest.UsageError(str(error)) from None
        except KeyboardInterrupt:
            raise session.Interrupted("nothing was measured yet") from None


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    """Name a question of timelift's own `timelift/bench/…`, wherever timelift is installed."""
    if module_path.parent != _BROUGHT or parent.config.rootpath / "bench" == _BROUGHT:
        return None
    name = f"timelift/bench/{module_path.name}"
    return pytest.Module.from_parent(parent, path=module_path, nodeid=name)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Turn a question into its cases, one item each; other tests beside it stay as they are."""
    marker = metafunc.definition.get_closest_marker(QUESTION)
    if marker is None or "measure" not in metafunc.fixturenames:
        return
    if hasattr(metafunc.config, "workerinput"):
        raise pytest.Collector.CollectError(
            f"{metafunc.definition.nodeid}: a bench question is timed with nothing beside it, and "
            "pytest-xdist runs tests side by side; run it with -n 0"
        )
    from timelift.plugin.questions import questions_of  # noqa: PLC0415 - not without a question

    try:
        questions_of(metafunc.config).parametrize(metafunc, marker.kwargs)
    except UserError as error:
        raise QuestionError(str(error)) from None


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    """End the session with a question's error, which pytest would report as a file's traceback."""
    report = yield
    call = getattr(report, "call", None)
    error = call.excinfo.value if call and call.excinfo else None
    if isinstance(error, QuestionError):
        raise pytest.UsageError(str(error))
    report.result = [node for node in report.result if _has_cases(node)]
    return report


def _has_cases(node: Any) -> bool:
    """False for what pytest makes of a question without cases: an item with no values."""
    is_question = hasattr(node, "callspec") and node.get_closest_marker(QUESTION)
    return not is_question or isinstance(node.callspec.params.get("strategy", ""), str)


@pytest.fixture
def replay_clock(request: pytest.FixtureRequest) -> "ReplayClock":
    """Return the clock that the case's `benchmark` will read; it is made before that fixture."""
    if request.node.get_closest_marker(QUESTION) is None:
        pytest.fail("measure needs @pytest.mark.question(...) on its test", pytrace=False)
    from timelift.plugin.questions import clock_of  # noqa: PLC0415 - not without a question

    return clock_of(request.node)


@pytest.fixture
def measure(
    request: pytest.FixtureRequest, replay_clock: "ReplayClock", benchmark: "BenchmarkFixture"
) -> Callable[[], None]:
    """Hand the item's case to pytest-benchmark; a case that was not measured skips or fails."""
    from timelift.plugin.questions import report_item  # noqa: PLC0415 - not without a question

    return lambda: report_item(request.node, replay_clock, benchmark)
