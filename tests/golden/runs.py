"""The stored runs, made once and kept: `python -m tests.golden --runs` writes them anew."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from studies import old_journals
from studies.old_journals import Record, SimulatedRun, settings

NIGHTS = 8
SLOW_FROM = 4
LIFTS = ("native", "fold_time", "conv1d_pointwise", "time_distributed", "loop_slice")
LOOK_ALIKE = "axis_swap_conv1d"
TITLES = {
    "native": "Call the layer itself",
    "fold_time": "Fold time into the batch, call the layer once, unfold",
    "conv1d_pointwise": "A convolution over one step",
    "time_distributed": "keras.layers.TimeDistributed",
    "loop_slice": "A loop over slices",
    LOOK_ALIKE: "Swap axes and convolve",
}
TRUST = """\
{"schema": 1, "measured": "2026-01-01T10:00:00+00:00",
 "versions": {"tensorflow": "2.21.0", "keras": "3.15.1"}, "settings": 12, "launches": 6.5,
 "false_alarms": [3, 120], "one_in_n": [5, 24], "wrong_way": [0, 96],
 "found": {"0.02": [14, 24], "0.03": [20, 24], "0.05": [24, 24], "0.1": [24, 24]},
 "seconds_per_verdict": 4.5}
"""


def write(results: Path) -> None:
    """Write every run of the machine, and one of another machine."""
    for night in range(NIGHTS):
        _write(results / f"golden/night{night}.jsonl", _night(night))
    _write(results / "golden/ordinary.jsonl", _ordinary())
    _write(results / "golden/cut_short.jsonl", _cut_short())
    _write(results / "golden/against/main.jsonl", _against())
    _write(results / "elsewhere/elsewhere.jsonl", _elsewhere())
    trust = results / "golden/selftest/trust.json"
    trust.parent.mkdir(parents=True, exist_ok=True)
    trust.write_text(TRUST)


def _write(path: Path, records: Iterator[Record]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(old_journals.text(*records))


def _ordinary() -> Iterator[Record]:
    """Several of every axis, and one case of every status."""
    told: dict[str, Any] = {
        name: {"title": title, "differs": "", "meaning": {}} for name, title in TITLES.items()
    }
    told["loop_slice"]["meaning"] = {"STATE": "per step"}
    yield old_journals.header(
        id="20260120T030405Z_abcdef1",
        started="2026-01-20T03:04:05+00:00",
        commit={"id": "abcdef1234567890", "dirty": True},
        cases=69,
        strategies=told,
    )
    grown = settings(seq_len=(16, 64, 256), phase=("forward", "backward"))
    ways = settings(workload=["sensor"], batch=(8, 32), mode=("eager", "graph"))
    facts = {"fold_time": {"steady": 0.0, "dropped_rounds": 2}, "native": {"throttled_periods": 3}}
    campaign = SimulatedRun([*grown, *ways], tuple(TITLES), drop=0.03, facts=facts)
    yield from campaign.records(np.random.default_rng(1))
    yield from old_journals.lost(grown[0])
    yield old_journals.END | {"ended": "2026-01-20T03:14:05+00:00"}


def _night(night: int) -> Iterator[Record]:
    """A night of the history; from one on the loop is slower, with another Keras."""
    late = night >= SLOW_FROM
    started = datetime(2026, 1, 2 + night, 2, tzinfo=UTC)
    yield old_journals.header(
        id=f"night{night}",
        started=started.isoformat(),
        commit={"id": f"{night + 1:07x}abcdef", "dirty": False},
        machine=old_journals.machine(keras="3.15.1" if late else "3.14.0"),
        cases=10,
    )
    campaign = SimulatedRun(
        settings(seq_len=(16, 128)),
        LIFTS,
        rounds=6,
        launch_sd=0.002,
        slower={"loop_slice": 1.2} if late else {},
        facts={"native": {"graph_nodes": 1044}} if late else {},
    )
    yield from campaign.records(np.random.default_rng(100 + night))
    yield old_journals.END


def _cut_short() -> Iterator[Record]:
    """A run that was killed, with a line that no reader knows."""
    yield old_journals.header(id="cut", started="2026-01-19T03:04:05+00:00", cases=12)
    campaign = SimulatedRun(settings(threads=(1, 2)), LIFTS[:3], launches=1, bare=True)
    yield from campaign.records(np.random.default_rng(2))
    yield {"kind": "launch", "launch": 2, "case": {"strategy": "native", "seq_len": "many"}}


def _against() -> Iterator[Record]:
    """Two sides of four cases: one is slower, one faster, one needs more memory."""
    sides = old_journals.twins(
        LIFTS[:4], renamed={"native": "plain"}, versions={"keras": ["1", "2"]}
    )
    yield old_journals.header(id="against", started="2026-01-18T03:04:05+00:00", cases=4, **sides)
    both = [one for name in LIFTS[:4] for one in (name, f"{name}@main")]
    campaign = SimulatedRun(
        settings(),
        both,
        launches=8,
        launch_sd=0.003,
        slower={
            **{f"{name}@main": _alike(name) for name in LIFTS[:4]},
            "fold_time": 1.08,
            "conv1d_pointwise": 0.9,
        },
        facts={name: {"peak_bytes": (2 if name == "native" else 1) << 21} for name in both},
    )
    yield from campaign.records(np.random.default_rng(3))
    yield old_journals.END


def _alike(name: str) -> float:
    """Return what makes a twin as fast as the strategy of that name."""
    axes = settings()[0]
    return old_journals.typical_seconds(name, axes) / old_journals.typical_seconds(
        f"{name}@main", axes
    )


def _elsewhere() -> Iterator[Record]:
    """The history's cases on a machine of more cores."""
    machine = old_journals.machine("elsewhere", cores=8)
    yield old_journals.header(
        id="far", started="2025-12-01T00:00:00+00:00", machine=machine, cases=10
    )
    campaign = SimulatedRun(settings(seq_len=(16, 128)), LIFTS, launches=2, slower={"native": 1.5})
    yield from campaign.records(np.random.default_rng(4))
    yield old_journals.END
