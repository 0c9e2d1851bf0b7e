"""Runs of many nights for tests, of two, and levels as if of runs."""

import itertools
from datetime import UTC, datetime, timedelta

import numpy as np

from studies import noise
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


#: What they cost in two stored runs, and a commit of each.
COSTS = np.log([1.0, 1.1, 1.5, 2.0, 3.0])
OLD_COMMIT, NEW_COMMIT = "aaaa1111bbbb2222cccc", "dddd3333eeee4444ffff"
FACTS = {"first_call_seconds": 0.5, "graph_nodes": 42, "peak_bytes": 8 << 20, "weights": 96}


def stored(  # noqa: PLR0913, PLR0917
    path,
    seed,
    slower=None,
    machine_speed=1.0,
    canary=1.0,
    launches=5,
    sizes=8,
    strategies=STRATEGIES,
    facts=None,
    **header,
):
    """Write a run of these strategies at so many lengths.

    `slower` maps (strategy, length) to the ratio that it became slower by, `facts` a strategy to
    facts of its own; everything takes `machine_speed` times as long, the canary `canary` times.
    """
    random = np.random.default_rng(seed)
    shape = noise.Shape(sizes, len(strategies), launches, rounds=30)
    times = noise.seconds(noise.SCENARIOS[1], shape, COSTS[: len(strategies)], random)
    times = noise.in_sessions(times * machine_speed, 0.005, random)
    lines = []
    every = itertools.product(range(launches), range(sizes), enumerate(strategies))
    for launch, size, (place, strategy) in every:
        ratio = (slower or {}).get((strategy, size + 1), 1.0)
        own = FACTS | {"canary_seconds": 5e-5 * canary} | (facts or {}).get(strategy, {})
        seconds = (times[size, place, launch] * ratio).tolist()
        case = journals.case(strategy, seq_len=size + 1)
        lines.append(journals.line(case, launch + 1, seconds, facts=own))
    head = {"commit": {"id": OLD_COMMIT, "dirty": False}, "cases": sizes * len(strategies)}
    return journals.write(path, journals.header(**(head | header)), *lines, journals.END)


def other_machine(**changes):
    return journals.MACHINE | {"identity": journals.MACHINE["identity"] | changes}
