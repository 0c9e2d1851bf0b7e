"""What one item reports: a case's samples, as pytest-benchmark's own, or why it has none."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import pytest

from timelift.case import SKIPPED, Case, Status
from timelift.measure.campaign import CaseResult
from timelift.measure.session import Session
from timelift.plugin.questions import case_of, questions_of

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture


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
    """Return the clock that an item's `benchmark` reads from now on."""
    clock, case = ReplayClock(), case_of(item)
    assert case is not None
    item.add_marker(pytest.mark.benchmark(timer=clock, group=case.setting.label))
    return clock


def report(item: pytest.Item, clock: ReplayClock, benchmark: "BenchmarkFixture") -> None:
    """Hand an item's samples to pytest-benchmark; skip or fail it where it has none."""
    questions, case = questions_of(item.config), case_of(item)
    assert case is not None
    session = questions.session
    if failure := questions.failures.get(case):
        pytest.fail(failure, pytrace=False)
    result = _result(session, case)
    launches = [launch.seconds_per_call for launch in result.launches]
    samples = [seconds for launch in launches for seconds in launch if seconds is not None]
    benchmark.extra_info.update(result.launches[0].facts.fields())
    if why := session.look_alikes.get(case.strategy):
        benchmark.extra_info["differs"] = why
    clock.load(samples)
    benchmark.pedantic(lambda: None, rounds=max(1, len(samples)))  # type: ignore[no-untyped-call]


def _result(session: Session, case: Case) -> CaseResult:
    """Return what was measured of a case; skip or fail where that is nothing to report."""
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
    return result


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
