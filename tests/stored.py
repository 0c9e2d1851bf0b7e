"""Pairs of stored runs whose true difference is known, for the tests of what compares them."""

import copy

import numpy as np

from studies import noise
from tests import journals

STRATEGIES = ("native", "fold_time", "loop_slice", "time_distributed", "vectorized_map")
COSTS = np.log([1.0, 1.1, 2.0, 3.0, 1.5])
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
    for launch in range(launches):
        for size in range(sizes):
            for place, strategy in enumerate(strategies):
                ratio = (slower or {}).get((strategy, size + 1), 1.0)
                own = FACTS | {"canary_seconds": 5e-5 * canary} | (facts or {}).get(strategy, {})
                seconds = (times[size, place, launch] * ratio).tolist()
                case = journals.case(strategy, seq_len=size + 1)
                lines.append(journals.line(case, launch + 1, seconds, facts=own))
    head = {"commit": {"id": OLD_COMMIT, "dirty": False}, "cases": sizes * len(strategies)}
    return journals.write(path, journals.header(**(head | header)), *lines, journals.END)


def other_machine(**changes):
    """A machine that differs from the journals' in this of its identity."""
    machine = copy.deepcopy(journals.MACHINE)
    machine["identity"] |= changes
    return machine
