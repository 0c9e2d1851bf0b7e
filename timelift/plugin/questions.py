"""The bench questions of one pytest session: their cases are measured before the items report.

An item reports a case's samples, as pytest-benchmark's own, or the reason why it has none.

At the first question that is collected, the plugin imports this module and registers `Questions`.
"""

import io
import itertools
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from timelift.axis_values import SKIPPED, Status
from timelift.case import AXES, Case
from timelift.commands import PREFIX, SELFTEST, USUAL_REPORT, place_of
from timelift.errors import UserError
from timelift.journal.files import AGAINST_FOLDER
from timelift.measure.campaign import CampaignReferee
from timelift.measure.options import OPTIONS
from timelift.measure.request import Question, RunRequest
from timelift.measure.session import Race, Session, interrupts
from timelift.measurement import Measurement
from timelift.project import Project

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from timelift.gate.outcomes import GateFindings

PARAMETERS = ("strategy", *AXES)
_INTERRUPTED = "the run was interrupted; what was measured is in the journal"
_QUESTIONS = pytest.StashKey["Questions"]()
#: The name of pytest-benchmark's session among plugins.
_BENCHMARK = "pytest-benchmark"
#: A case that was refused or failed has no samples to hand over.
_UNUSED = "ignore:Benchmark fixture was not used:pytest_benchmark.logger.PytestBenchmarkWarning"


def questions_of(config: pytest.Config) -> "Questions":
    """Return the session's questions, made when first asked for; raises UserError."""
    if _QUESTIONS not in config.stash:
        if not config.pluginmanager.hasplugin(_BENCHMARK):
            raise UserError(
                "a bench question hands its samples to pytest-benchmark, which is not loaded; "
                "leave out -p no:benchmark, or ask for it with -p pytest_benchmark.plugin"
            )
        questions = config.stash[_QUESTIONS] = Questions(config)
        config.pluginmanager.register(questions, "timelift-questions")
    return config.stash[_QUESTIONS]


def case_of(item: pytest.Item) -> Case | None:
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    is_question = item.get_closest_marker("question") and set(PARAMETERS) <= set(parameters)
    return Case.from_fields(parameters) if is_question else None


def _texts(config: pytest.Config) -> Mapping[str, str]:
    """Return each option's text, '' if not typed; raises UserError for one without its value."""
    texts = {option.name: config.getoption(PREFIX + option.name) for option in OPTIONS}
    for option in OPTIONS:
        if texts[option.name] == "":
            raise UserError(f"{option.flag}: expected {option.help}, received nothing")
    return {name: text or "" for name, text in texts.items()}


class UsualRace(Race):
    """All strategies of a setting, raced until the answer is known."""

    def referee(self) -> CampaignReferee:
        from timelift.analyse.stopping import Referee, ranking_plan  # noqa: PLC0415 - numpy, not to collect

        options, aside = self.request.options, self.request.catalogue.look_alikes
        return Referee(ranking_plan(options.precision), aside=aside)


def race_of(config: pytest.Config) -> Race:
    """Return the race that the options ask for; raises UserError for wrong options."""
    texts, resume = _texts(config), config.getoption(f"{PREFIX}resume")
    once = config.getoption("benchmark_disable") and not config.getoption("benchmark_enable")
    is_selftest = config.pluginmanager.hasplugin(SELFTEST)
    if resume == "":
        raise UserError("--resume: expected a run, received nothing; leave out the '='")
    if resume and (once or is_selftest):
        raise UserError("--resume goes with neither timelift selftest nor --benchmark-disable")
    if is_selftest and texts["against"]:
        raise UserError(
            "timelift selftest races strategies against themselves; leave out --against"
        )
    kind = _kind_of(texts, is_selftest=is_selftest)
    request = RunRequest(
        Project(config.rootpath, pythonpath=tuple(config.getini("pythonpath"))),
        texts,
        kind.usual_axes,
        resume=resume or "",
        once=once,
        stop_after=config.option.maxfail or 0,
        place=place_of(
            texts["cluster"], config.add_cleanup, "timelift selftest" if is_selftest else ""
        ),
    )
    return kind(request)


def _kind_of(texts: Mapping[str, str], *, is_selftest: bool) -> type[Race]:
    """Return the kind of a race; no other kind is imported."""
    if is_selftest:
        from timelift.selftest.twins import TwinsRace  # noqa: PLC0415

        return TwinsRace
    if texts["against"]:
        from timelift.gate.sides import SidesRace  # noqa: PLC0415

        return SidesRace
    return UsualRace


class Questions:
    """Hooks of a pytest session that has a question, and the `session` that measures its cases.

    With --against, `failures` has the reason of each case that fails the gate, and `not_compared`
    of each for which the other side has no figures. `first_without_layer` has the case that tells
    why a workload has no inner layer, by the workload and the reason.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.session = Session(race_of(config))
        self.failures: dict[Case, str] = {}
        self.not_compared: dict[Case, str] = {}
        self._gate: GateFindings | None = None
        self.first_without_layer = dict[tuple[str, str], Case]()
        self._config = config
        self._collected: dict[Case, int] = {}
        self._limits: list[str] = []
        self._failed: list[Any] = []
        self._at_exit = ExitStack()
        config.add_cleanup(self._at_exit.close)

    def parametrize(self, metafunc: pytest.Metafunc, question: Mapping[str, Any]) -> None:
        """Turn a test's question into cases, one item each, without those of earlier questions."""
        request, asked = self.session.request, Question.from_marker(question)
        path = metafunc.definition.path
        # a layer is asked no comparison by itself
        waits = asked.waits or (asked.compares and request.options.layer)
        is_asked = not waits or self._is_named(path) or request.texts[asked.compares or asked.keeps]
        grid = request.cases(asked) if is_asked else []
        if not grid:
            self._limits.append(f"{path.name} {asked.why_not(request.texts, request.axes)}")
        cases = [case for case in self.session.race.cases(grid) if case not in self._collected]
        for case in cases:
            self._collected[case] = len(self._collected)
        rows = [[case.fields()[name] for name in PARAMETERS] for case in cases]
        metafunc.fixturenames.extend(PARAMETERS)  # no argument of the test: `case_of` reads them
        metafunc.parametrize(PARAMETERS, rows, ids=[case.label for case in cases])

    def _is_named(self, path: Path) -> bool:
        """True if the user typed the path of a question, or of an item in it."""
        is_typed = self._config.args_source is pytest.Config.ArgsSource.ARGS
        typed = self._config.args if is_typed else ()
        return any(Path(word.partition("::")[0]).resolve() == path.resolve() for word in typed)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self._limits and not (items or self._collected):
            raise pytest.UsageError(f"nothing to measure: {'; '.join(self._limits)}")
        for item in filter(case_of, items):
            item.add_marker(pytest.mark.filterwarnings(_UNUSED))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Iterator[None]:
        """Measure the cases of every selected item, interleaved, before the items report.

        Other plugins may have shuffled the items; the cases keep the order of their collection, so
        that `--seed` alone decides the order in which they are played.
        """
        wanted = [item for item in session.items if not item.get_closest_marker("skip")]
        cases = sorted(filter(None, map(case_of, wanted)), key=self._collected.__getitem__)
        option = session.config.option
        failed = session.testsfailed and not option.continue_on_collection_errors
        if cases and not (option.collectonly or failed):
            self._run(cases)
        reported = yield
        if self.session.interrupted:
            raise session.Interrupted(_INTERRUPTED)
        return reported

    def _run(self, cases: list[Case]) -> None:
        from timelift.measure.display import CampaignDisplay  # noqa: PLC0415 - rich, not to collect

        config = self._config
        if not is_table_asked_for(config):
            config.pluginmanager.getplugin(_BENCHMARK).quiet = True  # as --benchmark-quiet
        reporter = config.pluginmanager.getplugin("terminalreporter")  # None with -p no:terminal
        stream = reporter._tw._file if reporter else io.StringIO()  # noqa: SLF001 - pytest tells its stream nowhere else
        display = CampaignDisplay(stream)
        try:
            self.session.measure(cases, display)
            self._judge()
        except UserError as error:
            display.say(str(error))
            raise pytest.Session.Failed(str(error)) from None
        except KeyboardInterrupt:
            raise pytest.Session.Interrupted(_INTERRUPTED) from None
        finally:
            display.done()

    def _judge(self) -> None:
        session = self.session
        if not (session.journal_path and session.header.against):
            return
        from timelift.analyse.results import Run  # noqa: PLC0415 - numpy, not to collect
        from timelift.gate import gate_words, outcomes  # noqa: PLC0415

        run = Run.of_lines(session.header, session.lines, session.end)
        self._gate = gate = outcomes.gate_findings(run)
        self.failures, self.not_compared = gate_words.failures(gate), gate_words.not_compared(gate)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        """Ignore a first Ctrl-C while the answer is written: there is nothing to cut short.

        The exit code of a run that measured nothing is that of a session without tests.
        """
        self._at_exit.enter_context(interrupts(lambda: None))
        if self.session.measured_nothing and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
        try:
            return (yield)
        except KeyboardInterrupt:
            pytest.exit("interrupted twice while it ended", returncode=pytest.ExitCode.INTERRUPTED)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(
        self, terminalreporter: "pytest.TerminalReporter"
    ) -> Iterator[None]:
        """Show the end below pytest's own; it and -r's list alone tell what fails the gate.

        pytest reads its FAILURES and this list from `stats`, and no hook says what is in either.
        """
        stats, told = terminalreporter.stats, set(self.failures.values())
        self._failed = stats.get("failed", [])
        if self._failed:
            stats["failed"] = [each for each in self._failed if each.longreprtext not in told]
        yield
        if self._failed:
            stats["failed"] = self._failed
        session = self.session
        # a run against another side has an end even if no case has another side
        is_against = session.referee and session.race.folder == AGAINST_FOLDER
        if session.journal_path or (is_against and not session.request.options.once):
            from timelift.plugin import ending  # noqa: PLC0415 - only a run that measured ends

            ending.show_end(terminalreporter, session, self._gate)
        elif session.not_tried and session.measured_nothing:
            from timelift.plugin import ending  # noqa: PLC0415

            ending.show_nothing(terminalreporter, session.not_tried.values())

    @pytest.hookimpl(specname="pytest_terminal_summary")
    def pytest_terminal_summary_of_list(self, terminalreporter: "pytest.TerminalReporter") -> None:
        """Restore what fails the gate, after FAILURES and before the list, if -r asks for it."""
        shown = self._config.option.reportchars
        if self._failed and shown != USUAL_REPORT and not set(shown).isdisjoint("faA"):
            terminalreporter.stats["failed"] = self._failed


#: Options of pytest-benchmark that ask for its table, or for what it prints with it.
_TABLE_OPTIONS = tuple(
    f"--benchmark-{name}"
    for name in ("verbose", "sort", "group-by", "columns", "histogram", "compare", "cprofile")
)


def is_table_asked_for(config: pytest.Config) -> bool:
    """True if pytest-benchmark's own table is wanted: by `-v`, or by an option about it."""
    words = [
        *map(str, config.invocation_params.args),
        *os.environ.get("PYTEST_ADDOPTS", "").split(),
    ]
    verbose = getattr(config.option, "verbose", 0)  # none with -p no:terminal
    return verbose > 0 or any(word.startswith(_TABLE_OPTIONS) for word in words)


# What an item reports ---------------------------------------------------------------------------


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


def clock_of(item: pytest.Item) -> ReplayClock:
    clock, case = ReplayClock(), case_of(item)
    assert case is not None
    item.add_marker(pytest.mark.benchmark(timer=clock, group=case.setting.label))
    return clock


def report_item(item: pytest.Item, clock: ReplayClock, benchmark: "BenchmarkFixture") -> None:
    """Hand an item's samples to pytest-benchmark; skip or fail an item without samples."""
    questions, case = questions_of(item.config), case_of(item)
    assert case is not None
    session = questions.session
    if failure := questions.failures.get(case):
        pytest.fail(failure, pytrace=False)
    if reason := questions.not_compared.get(case):
        pytest.skip(reason)
    result = _result(questions, case)
    rounds = itertools.chain.from_iterable(launch.seconds_per_call for launch in result.launches)
    samples = [seconds for seconds in rounds if not math.isnan(seconds)]
    benchmark.extra_info.update(result.launches[0].facts.fields())
    if why := session.catalogue.look_alikes.get(case.strategy):
        benchmark.extra_info["differs"] = why
    clock.load(samples)
    benchmark.pedantic(lambda: None, rounds=max(1, len(samples)))  # type: ignore[no-untyped-call]


def _result(questions: Questions, case: Case) -> Measurement:
    """Return the measurement of a case; skip or fail its item if there is nothing to report."""
    session = questions.session
    if reason := session.why_not(case):
        pytest.skip(reason)
    result = session.results.get(case)
    if result is None or (result.status is Status.MEASURED and not result.launches):
        pytest.skip("not measured: the run was stopped or its --budget spent before it")
    why = f"{result.status}: {result.reason}"
    if result.status is Status.NO_LAYER:
        name = case.setting.workload
        if questions.first_without_layer.setdefault((name, why), case) != case:
            pytest.skip(f"{result.status}: the first case of {name} says why")
    if result.status in SKIPPED:
        pytest.skip(why)
    if result.status is not Status.MEASURED:
        pytest.fail(f"{case.label}: {why}", pytrace=False)
    return result
