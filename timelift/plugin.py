"""The pytest plugin: options and ini keys become cases, and a case's samples become its benchmark.

pytest takes the value of an option that it does not know yet for a path, and loads the conftest.py
that it finds there: with `--against-path ../other-checkout` that would be another timelift's. So
pyproject.toml names this plugin with `-p`, which adds the options before any conftest.py is read.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from timelift.case import AXES, SKIPPED, Case, Status, option_flag
from timelift.errors import UserError
from timelift.measure.campaign import CaseResult
from timelift.measure.campaign_options import CampaignReferee
from timelift.measure.interrupts import Interrupts
from timelift.measure.options import OPTIONS, RESUME_HELP, SWITCHES
from timelift.measure.session import RunMode, Session

if TYPE_CHECKING:
    from timelift.analyse.findings import RunFindings
    from timelift.present.summary import Summary

SESSION = pytest.StashKey[Session]()
#: Why a case fails the gate, by case.
FAILURES = pytest.StashKey[dict[Case, str]]()
#: The referee of the run.
REFEREE = pytest.StashKey[Any]()
#: How many signals asked the run to end.
INTERRUPTED = pytest.StashKey[int]()
#: What is held until the process has ended.
ENDING = pytest.StashKey[ExitStack]()
PARAMETERS = ("strategy", *AXES)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("timelift", "timelift: which way of applying a layer to every step")
    for option in OPTIONS:
        text = option.full_help.replace("%", "%%")
        group.addoption(option.flag, metavar=option.metavar, help=text, default="")
        parser.addini(option.name, option.full_help, default="")
    group.addoption("--resume", nargs="?", const="latest", metavar="RUN", help=RESUME_HELP)
    for name, text in SWITCHES.items():
        group.addoption(option_flag(name), action="store_true", help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Read options, strategies and workloads at once, so that a mistake costs no measuring."""
    config.stash[ENDING] = ExitStack()
    config.add_cleanup(config.stash[ENDING].close)
    if config.getoption("resume") == "":
        raise pytest.UsageError("--resume: expected a run, received nothing; leave out the '='")
    names = [option.name for option in OPTIONS]
    asked = {name: config.getoption(name) or config.getini(name) for name in names}
    run_mode = RunMode(
        once=bool(config.getoption("benchmark_disable", default=False)),
        selftest=config.getoption("selftest"),
        wait=config.getoption("wait"),
        resume=config.getoption("resume") or "",
    )
    try:
        config.stash[SESSION] = Session(config.rootpath, asked, run_mode)
    except UserError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Turn a bench module's question into its cases, one item each."""
    marker = metafunc.definition.get_closest_marker("question")
    if marker is None:
        return
    try:
        cases = metafunc.config.stash[SESSION].cases(marker.kwargs)
    except UserError as error:
        pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)
    rows = [[case.fields()[name] for name in PARAMETERS] for case in cases]
    metafunc.fixturenames.extend(PARAMETERS)  # no argument of the test: `_case` reads them
    metafunc.parametrize(PARAMETERS, rows, ids=[case.label for case in cases])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect a question about an axis of which only one value was asked for."""
    empty = [item for item in items if _is_question(item) and _case(item) is None]
    config.hook.pytest_deselected(items=empty)
    items[:] = [item for item in items if item not in empty]


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Iterator[None]:
    """Measure the cases of every selected item, interleaved, before the items report."""
    wanted = [item for item in session.items if not item.get_closest_marker("skip")]
    cases = [case for item in wanted if _is_question(item) and (case := _case(item))]
    option = session.config.option
    failed = session.testsfailed and not option.continue_on_collection_errors
    if cases and not (option.collectonly or failed):
        _measure(session.config, cases)
    reported = yield
    if session.config.stash.get(INTERRUPTED, 0):
        raise session.Interrupted("the run was interrupted; what was measured is in the journal")
    return reported


def _measure(config: pytest.Config, cases: list[Case]) -> None:
    from timelift.measure.display import CampaignDisplay  # noqa: PLC0415 - rich, not to collect

    if not _is_table_asked_for(config):
        config._benchmarksession.quiet = True  # type: ignore[attr-defined]  # noqa: SLF001 - as --benchmark-quiet
    reporter = config.pluginmanager.getplugin("terminalreporter")
    display = CampaignDisplay(reporter._tw._file)  # noqa: SLF001 - the stream that pytest reports on
    session = config.stash[SESSION]

    def ask_to_stop() -> None:
        session.interrupt()
        display.say("finishing the round that is being played; once more stops at once")

    try:
        if session.gate:
            session.gate.match(cases)
        referee = config.stash[REFEREE] = _referee(session)
        with Interrupts(ask_to_stop) as interrupts:
            session.measure(cases, display, referee, config.option.maxfail or 0)
        config.stash[INTERRUPTED] = interrupts.count
        config.stash[FAILURES] = _failures(session)
    except UserError as error:
        pytest.exit(str(error), returncode=pytest.ExitCode.TESTS_FAILED)
    finally:
        display.done()


def _referee(session: Session) -> CampaignReferee:
    # collecting needs no numpy
    from timelift.analyse.gate.outcomes import GateReferee  # noqa: PLC0415
    from timelift.analyse.stats.stopping import Referee  # noqa: PLC0415

    if session.gate:
        gate = session.gate
        return GateReferee(
            gate.matched.sides, gate.gates, gate.screening, thorough=gate.undecided_fails
        )
    look_alikes = session.look_alikes
    return Referee(
        session.options["precision"], planted=session.run_mode.selftest, aside=look_alikes
    )


def _failures(session: Session) -> dict[Case, str]:
    if not (session.gate and session.journal_path):
        return {}
    from timelift import ended  # noqa: PLC0415

    return ended.failures(session.journal_path)


def _is_question(item: pytest.Item) -> bool:
    return item.get_closest_marker("question") is not None


def _case(item: pytest.Item) -> Case | None:
    if not hasattr(item, "callspec"):
        pytest.fail("measure needs @pytest.mark.question(...) on its test", pytrace=False)
    parameters = item.callspec.params
    return Case.from_fields(parameters) if isinstance(parameters["strategy"], str) else None


#: Options of pytest-benchmark that ask for its table, or for what it prints with it.
_ASKS_FOR_TABLE = ("verbose", "sort", "group-by", "columns", "histogram", "compare", "cprofile")
ASKS_FOR_TABLE = tuple(f"--benchmark-{name}" for name in _ASKS_FOR_TABLE)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Hold Ctrl-C while the answer is written: there is nothing more to cut short."""
    session.config.stash[ENDING].enter_context(Interrupts(lambda: None))
    try:
        return (yield)
    except KeyboardInterrupt:
        pytest.exit("interrupted twice while it ended", returncode=pytest.ExitCode.INTERRUPTED)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    session = config.stash.get(SESSION, None)
    referee = session and session.gate and config.stash.get(REFEREE, None)
    if not (session and (session.journal_path or referee)):
        return
    terminalreporter.section("timelift")
    found = None
    if session.gate or session.run_mode.selftest:
        _show_copies(terminalreporter, session)
    else:
        found = _show_answer(terminalreporter, session, config.stash[REFEREE])
    if session.journal_path and config.getoption("report"):
        _write_page(terminalreporter, session, session.journal_path, found)


def _is_table_asked_for(config: pytest.Config) -> bool:
    """True if pytest-benchmark's own table is wanted: by `-v`, or by an option about it."""
    words = [
        *map(str, config.invocation_params.args),
        *os.environ.get("PYTEST_ADDOPTS", "").split(),
    ]
    return config.option.verbose > 0 or any(word.startswith(ASKS_FOR_TABLE) for word in words)


def _show_copies(terminalreporter: pytest.TerminalReporter, session: Session) -> None:
    """Show the end of a run against another side, or of a self-test."""
    from timelift import ended  # noqa: PLC0415 - only a run that measured ends
    from timelift.analyse.gate.outcomes import GateFindings  # noqa: PLC0415

    path = session.journal_path
    width = terminalreporter._tw.fullwidth  # noqa: SLF001 - what pytest itself writes with
    lines: Iterable[str] = ()
    try:
        if path is None and session.gate:  # both sides of everything are the same
            lines = ended.gate_screenful(GateFindings(session.gate.header_entry(), []), width)
        elif path:
            lines = ended.gate_lines(path, width) if session.gate else ended.selftest_lines(path)
        for line in lines:
            terminalreporter.write_line(line)
    except UserError as error:
        terminalreporter.write_line(f"timelift: {error}")


def _show_answer(
    terminalreporter: pytest.TerminalReporter, session: Session, referee: Any
) -> "RunFindings | None":
    """Show the end of a usual run, and return what was found; None where its journal is gone."""
    from timelift import ended  # noqa: PLC0415 - only a run that measured ends
    from timelift.analyse.findings import RunFindings  # noqa: PLC0415
    from timelift.analyse.runs.measurement import Run  # noqa: PLC0415
    from timelift.present.summary import summary  # noqa: PLC0415

    path = session.journal_path
    assert path
    wants_page = terminalreporter.config.getoption("report")
    page = session.results_folder / "report" / "index.html" if wants_page else None
    try:
        found = ended.find(path, session.results_folder)
        _print(terminalreporter, ended.end(found, path, session.root, page))
    except UserError as error:
        terminalreporter.write_line(f"timelift: {error}")
        run = Run(session.strategies_header(), referee.measurements(), complete=True)
        _print(terminalreporter, summary(RunFindings(run), None))
        return None
    return found


def _write_page(
    terminalreporter: pytest.TerminalReporter,
    session: Session,
    journal: Path,
    found: "RunFindings | None",
) -> None:
    """Write the page of a run, after its answer was shown."""
    from timelift import ended, usage  # noqa: PLC0415

    try:
        found = found or ended.find(journal, session.results_folder)
        code = usage.code_of_run(found.run, session.root)
        ended.write_page(found, session.results_folder / "report", code)
    except UserError as error:
        terminalreporter.write_line(f"timelift: {error}")


def _print(terminalreporter: pytest.TerminalReporter, end: "Summary") -> None:
    """Print the end of a run as wide and as coloured as pytest prints."""
    from timelift.present import terminal  # noqa: PLC0415

    writer = terminalreporter._tw  # noqa: SLF001 - what pytest itself writes with
    text = terminal.summary_text(end, writer.fullwidth, colour=writer.hasmarkup)
    for line in text.splitlines():
        writer.line(line)


def _end(session: Session, case: Case, result: CaseResult) -> NoReturn:
    """Skip or fail a case without a result; what fails for a whole workload fails once."""
    why = f"{result.status}: {result.reason}"
    if result.status is Status.NO_LAYER:
        name = case.setting.workload
        if session.reports_first(case, result):
            pytest.fail(f"{name}: {why}", pytrace=False)
        pytest.skip(f"{result.status}: the first case of {name} says why")
    if result.status in SKIPPED:
        pytest.skip(why)
    pytest.fail(f"{case.label}: {why}", pytrace=False)


class ReplayClock:
    """A timer for pytest-benchmark that replays recorded samples instead of reading the time.

    pytest-benchmark takes any callable as `@pytest.mark.benchmark(timer=...)` and subtracts two
    readings a round: the first reads 0, the second the sample.
    """

    __name__ = "interleaved_rounds"

    def __init__(self) -> None:
        self._readings: list[float] = []

    def load(self, seconds_per_call: Sequence[float]) -> None:
        self._readings = [reading for sample in seconds_per_call for reading in (0.0, sample)]
        self._readings.reverse()

    def __call__(self) -> float:
        return self._readings.pop()


@pytest.fixture
def replay_clock(request: pytest.FixtureRequest) -> ReplayClock:
    """Return a clock that the case's `benchmark` will read; requested before it is made."""
    clock, case = ReplayClock(), _case(request.node)
    assert case is not None
    request.node.add_marker(pytest.mark.benchmark(timer=clock, group=case.setting.label))
    return clock


@pytest.fixture
def measure(
    request: pytest.FixtureRequest, replay_clock: ReplayClock, benchmark: BenchmarkFixture
) -> Callable[[], None]:
    """Hand the item's case to pytest-benchmark; a case that was not measured skips or fails."""

    def report() -> None:
        case = _case(request.node)
        assert case is not None
        session = request.config.stash[SESSION]
        if reason := session.why_not(case):
            pytest.skip(reason)
        result = session.result(case)
        lost = result and result.status is Status.MEASURED and session.other_side_lost(case)
        if lost and session.gate and session.gate.undecided_fails:
            pytest.fail(f"{case.label}: {lost}", pytrace=False)
        if lost:
            pytest.skip(lost)
        if result is None or (result.status is Status.MEASURED and not result.launches):
            pytest.skip("not measured: the run was stopped or its --budget spent before it")
        if result.status is not Status.MEASURED:
            _end(session, case, result)
        if failure := request.config.stash[FAILURES].get(case):
            pytest.fail(failure, pytrace=False)
        launches = [launch.seconds_per_call for launch in result.launches]
        samples = [seconds for launch in launches for seconds in launch if seconds is not None]
        benchmark.extra_info.update(result.launches[0].facts.fields())
        if why := session.look_alikes.get(case.strategy):
            benchmark.extra_info["differs"] = why
        replay_clock.load(samples)
        benchmark.pedantic(lambda: None, rounds=max(1, len(samples)))  # type: ignore[no-untyped-call]

    return report
