"""Synthetic journals for the tests of what reads: known times, small noise, no TensorFlow.

They are written by the writer of real ones. What is broken is made by damaging what that wrote.
"""

import itertools
from collections.abc import Mapping

import numpy as np

from studies import noise
from timelift.axis_values import Phase, Status
from timelift.case import Case, Setting
from timelift.journal.files import json_line
from timelift.journal.lines import SCHEMA, End
from timelift.measurement import CaseInLaunch, Facts

#: Seconds per call at one step and batch 1, and seconds more for each step.
SPEEDS = {
    "time_distributed": (3e-4, 2e-6),
    "native": (2e-4, 1.0e-6),
    "fold_time": (2e-4, 1.04e-6),
    "conv1d_pointwise": (2.5e-4, 1.3e-6),
    "loop_slice": (1e-4, 6e-5),
}
MACHINE = {
    "name": "example-cpu-2cores-8gib",
    "identity": {"system": "Linux", "cpu": "Example CPU", "cores": 2, "memory_gib": 8},
    "drift": {"versions": {"tensorflow": "2.21.0", "keras": "3.15.1"}, "python": "3.12.1"},
    "information": {"load": [0.1, 0.2, 0.3]},
}
#: By what share each twin of a self-test's strategy is slower.
TWINS = {f"copy_{number}": 0.0 for number in (1, 2, 3)} | {
    f"+5%_{number}": 0.05 for number in (1, 2, 3)
}
#: The other side of a run, as its header has it.
AGAINST = {
    "label": "main",
    "commit": "0123456789abcdef",
    "gates": {"time": 0.03, "first call": 0.25, "peak memory": 0.25},
    "screening": 3,
    "undecided": "pass",
    "new": ["mine"],
    "removed": [],
    "unchanged": [],
    "versions": {},
}


def header(**changes):
    return {
        "kind": "run",
        "schema": SCHEMA,
        "id": "20260102T030405Z_abcdef1",
        "started": "2026-01-02T03:04:05+00:00",
        "seed": 7,
        "command": ["pytest", "bench/", "--seq-len", "10,100"],
        "commit": {"id": "abcdef1234567890", "dirty": False},
        "machine": MACHINE,
        "options": {},
        "cases": 1,
    } | changes


def case(strategy="native", workload="tokens", **axes):
    """A case of 16 steps and 8 sequences, forward, unless changed."""
    sizes = {"seq_len": 16, "batch": 8, "phase": Phase.FORWARD}
    return Case(Setting(workload=workload, **(sizes | axes)), strategy)


def line(of, launch=1, seconds=(1e-3,), **changes):
    """One case in one launch, measured; None or NaN is a round that it sat out."""
    facts = Facts(first_call_seconds=0.25, graph_nodes=42, peak_bytes=3 << 20)
    samples = {
        "seconds_per_call": np.array(seconds, float).tolist(),
        "calls_per_sample": 2,
        "facts": facts,
    }
    return CaseInLaunch(of, launch, rivals=1, **samples).fields() | changes


def ended(of, status, reason, launch=1):
    return CaseInLaunch(of, launch, rivals=1, status=status, reason=reason).fields()


END = End(exit="complete", ended="2026-01-02T03:05:00+00:00").fields()


def write(path, head, *records):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text(head, *records), encoding="utf-8")
    return path


def go_on(path, *records):
    with path.open("a", encoding="utf-8") as file:
        file.write(text(*records))
    return path


def played_together(records):
    """Count neighbouring lines of one setting in one launch in each of them."""
    for place, group in itertools.groupby(records, _setting_in_launch):
        lines = list(group)
        yield from (one | {"rivals": len(lines)} if place else one for one in lines)


def _setting_in_launch(record):
    """The launch and the setting of a line; empty for what is no line of a launch."""
    if record["kind"] != "launch":
        return ""
    axes = {name: value for name, value in record["case"].items() if name != "strategy"}
    return f"{record['launch']} {axes}"


def text(*records):
    """Records as the writer has them in a file, for tests that damage it."""
    return "".join(map(json_line, played_together(records)))


def grid(
    strategies=SPEEDS,
    workloads=("tokens",),
    seq_lens=(16, 128),
    batches=(8,),
    phases=("forward", "backward"),
    **axes,
):
    sizes = itertools.product(workloads, seq_lens, batches, phases, strategies)
    return [
        case(strategy, workload, seq_len=seq_len, batch=batch, phase=Phase(phase), **axes)
        for workload, seq_len, batch, phase, strategy in sizes
    ]


def campaign(cases, launches=3, rounds=8, noise=0.01, seed=5):
    """Measure the cases: lines as a campaign writes them, with a little noise.

    Times are those of a mapping of cases to seconds, or else by `SPEEDS`.
    """
    generator = np.random.default_rng(seed)
    times = cases if isinstance(cases, Mapping) else {of: typical_seconds(of) for of in cases}
    for launch, (of, usual) in itertools.product(range(1, launches + 1), times.items()):
        spread = generator.normal(0.0, noise, rounds + 1)
        seconds = usual * np.exp(spread[0] + spread[1:])
        first = {"first_call_seconds": 0.1 + 300 * usual}
        facts = {**first, "graph_nodes": 40 + len(of.strategy), "peak_bytes": 1 << 20}
        yield line(of, launch, seconds.round(9).tolist(), facts=facts)


def typical_seconds(of):
    """The true seconds per call of a case; a strategy without a speed gets one by its name."""
    fixed, per_step = SPEEDS.get(of.strategy, (1e-4 * (2 + len(of.strategy) % 7), 4e-6))
    phase = {Phase.BACKWARD: 2.5, Phase.TRAIN: 4.0}.get(of.setting.phase, 1.0)
    heavy = 1 + len(of.setting.workload) % 5
    return phase * heavy * (fixed + per_step * of.setting.seq_len * of.setting.batch**0.7)


def synthetic(path, cases=None, **how):
    """Write a whole run: a grid with a refused and a crashed case."""
    cases = grid() if cases is None else cases
    lost = [
        ended(case("vectorized_map"), Status.REFUSED, "no gradient of this inner layer"),
        ended(case("rnn_cell"), Status.CRASHED, "signal 11"),
    ]
    return write(path, header(cases=len(cases) + 2), *campaign(cases, **how), *lost, END)


def selftest(path, bases=("native", "loop_slice"), sizes=3, **shape):
    """Write a self-test of these bases at so many lengths, with the noise of a quiet machine.

    `shape` is that of `studies.noise.Shape`.
    """
    shaped = noise.Shape(settings=sizes * len(bases), rivals=1 + len(TWINS), **shape)
    quiet = noise.Scenario("quiet", launch_sd=0.005, round_sd=0.03)
    truths = np.log1p([0.0, *TWINS.values()])
    times = noise.seconds(quiet, shaped, truths, np.random.default_rng(3))
    settings = list(itertools.product(bases, range(1, sizes + 1)))
    facts = {"build_seconds": 0.1, "trace_seconds": 0.1, "first_call_seconds": 0.4}
    lines = [
        line(case(base + twin, seq_len=size), launch + 1, seconds[launch].tolist(), facts=facts)
        for launch in range(shaped.launches)
        for rivals, (base, size) in zip(times, settings, strict=True)
        for seconds, twin in zip(rivals, ["", *(f"@{name}" for name in TWINS)], strict=True)
    ]
    strategies = {base: {"title": base} for base in bases}
    for base, (name, slower) in itertools.product(bases, TWINS.items()):
        planted = {"of": base, "slower": slower}
        strategies[f"{base}@{name}"] = {"title": f"A twin of {base}", "planted": planted}
    head = header(strategies=strategies, cases=len(settings) * shaped.rivals)
    return write(path, head, *lines, END)
