"""Synthetic histories for tests: a folder of journals, one a night, with what is asked of them."""

from datetime import UTC, datetime, timedelta

import numpy as np

from studies.history import HistoryKind, HistorySize, simulate
from tests.support import journals
from timelift.history.levels import RunLevels

START = datetime(2026, 1, 1, 2, tzinfo=UTC)
STRATEGIES = ("native", "fold_time", "conv1d_pointwise", "loop_slice", "time_distributed")


def levels(seed=1, *, settings=4, rivals=5, nights=60, sd=0.005, **happens):
    """A simulated history as its levels, in which nothing happens unless told otherwise."""
    kind = HistoryKind("simulated", sd=sd, **happens)
    size = HistorySize(settings=settings, rivals=rivals, nights=nights)
    return simulate(kind, size, np.random.default_rng(seed))[0]


def table(cases, log_seconds, log_canary=None):
    """Levels of these cases, whose launches agree, beside a canary that stands still."""
    runs = log_seconds.shape[1]
    canary = np.full((2, runs), -10.0) if log_canary is None else log_canary
    unknown = np.zeros_like(log_seconds)
    return RunLevels(tuple(cases), log_seconds, unknown, canary, np.zeros(runs, int))


def nothing(_, night):
    """What a case is slower by on a night, as a log ratio: nothing, ever."""
    return 0.0 * night


def step(strategy, night, share=0.10):
    return lambda case, now: np.log1p(share) * (case.strategy == strategy and now >= night)


def day(night):
    return (START + timedelta(days=night)).date().isoformat()


def machine(keras="3.14", **changes):
    drift = {"versions": {"keras": keras, "tensorflow": "2.21"}, "python": "3.12"}
    return journals.MACHINE | {"drift": drift, "information": {}} | changes


def nights(  # noqa: PLR0913
    results,
    count,
    slower=nothing,
    *,
    cases=None,
    described=lambda _: machine(),
    canary=lambda _: 1.0,
    missing=lambda _: 0.0,
):
    """Write a journal for each night under results/example and return `results`.

    The canary takes `canary` times as long, and other programs take `missing` cores.
    """
    random = np.random.default_rng(1)
    measured = journals.grid(STRATEGIES) if cases is None else list(cases)
    for night in range(count):
        beats = {"canary_seconds": 4e-5 * canary(night), "missing_cores": missing(night)}
        lines = [line for case in measured for line in _lines(case, night, slower, random, beats)]
        lines.sort(key=lambda line: line["launch"])
        run(results / "example" / f"{night:03}.jsonl", night, lines, machine=described(night))
    return results


def run(path, night, lines, **changes):
    when = START + timedelta(days=night)
    commit = {"id": f"{night + 1:07x}abcdef", "dirty": False}
    head = {"id": f"{night}", "started": when.isoformat(), "commit": commit}
    return journals.write(path, journals.header(**(head | changes)), *lines, journals.END)


def _lines(case, night, slower, random, beats):
    level = journals.typical_seconds(case) * np.exp(slower(case, night) + random.normal(0, 0.005))
    for launch in (1, 2):
        seconds = (level * np.exp(random.normal(0, 0.01, 5))).tolist()
        yield journals.line(case, launch, seconds, facts=beats)
