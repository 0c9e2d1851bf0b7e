"""Journals of schema 1, simulated from a seed: what stored runs held before a redesign.

They are written here by hand, and by nothing of timelift: a later writer may write another schema,
and older checkouts have to read these. `anything` draws a run of any kind, whole or damaged.
"""

import itertools
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

#: Seconds per call at one step and batch 1, and seconds more for each step.
SPEEDS = {
    "native": (2e-4, 1.0e-6),
    "fold_time": (2e-4, 1.04e-6),
    "conv1d_pointwise": (2.5e-4, 1.3e-6),
    "time_distributed": (3e-4, 9e-6),
    "loop_slice": (1e-4, 6e-5),
}
#: The axes of a case in a journal.
USUAL = {
    "workload": "tokens",
    "seq_len": 16,
    "batch": 8,
    "phase": "forward",
    "mode": "graph",
    "lengths": "full",
    "gradients": "weights",
    "time_axis": "static",
    "dtype": "float32",
    "device": "cpu",
    "threads": 0,
    "backend": "tensorflow",
}
LOST = {
    "refused": "no gradient of this inner layer",
    "law broken": "outputs differ by 0.03 at step 2",
    "failed": "ValueError: expected three axes",
    "crashed": "signal 11",
    "out of memory": "4.2 GiB were asked for",
    "timed out": "nothing came back for 60 s",
    "not run: tracing limit": "2,048 steps would be traced one by one",
    "unavailable": "needs another backend",
    "no inner layer": "make_layer raised ImportError",
}
END = {"kind": "end", "ended": "2026-01-02T03:05:00+00:00", "exit": "complete"}
#: Of so many journals one is damaged.
DAMAGED = 3
Record = dict[str, Any]


def machine(name: str = "golden", keras: str = "3.15.1", cores: int = 2) -> Record:
    return {
        "name": name,
        "identity": {"system": "Linux", "cpu": "Example CPU", "cores": cores, "memory_gib": 8},
        "drift": {"versions": {"tensorflow": "2.21.0", "keras": keras}, "python": "3.12.1"},
        "information": {"load": [0.1, 0.2, 0.3]},
    }


def header(**changes: Any) -> Record:
    return {
        "kind": "run",
        "schema": 1,
        "id": "20260102T030405Z_abcdef1",
        "started": "2026-01-02T03:04:05+00:00",
        "seed": 7,
        "command": ["pytest", "bench/", "--seq-lens", "16,128"],
        "commit": {"id": "abcdef1234567890", "dirty": False},
        "machine": machine(),
        "options": {},
        "cases": 1,
    } | changes


def settings(**axes: Sequence[Any]) -> list[Record]:
    """Return every setting of a grid; an axis that is not named has its usual value."""
    made = [
        USUAL | dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())
    ]
    for one in made:
        one["gradients"] = "none" if one["phase"] == "forward" else one["gradients"]
    return made


def typical_seconds(strategy: str, axes: Mapping[str, Any]) -> float:
    """Return the true seconds per call; a strategy without a speed gets one by its name."""
    fixed, per_step = SPEEDS.get(strategy, (1e-4 * (2 + len(strategy) % 7), 4e-6))
    backward = 2.5 if axes["phase"] == "backward" else 1.0
    mode = {"eager": 3.0, "xla": 0.8}.get(axes["mode"], 1.0)
    heavy = 1 + len(axes["workload"]) % 5
    return float(
        backward * mode * heavy * (fixed + per_step * axes["seq_len"] * axes["batch"] ** 0.7)
    )


def line(strategy: str, axes: Mapping[str, Any], launch: int, **fields: Any) -> Record:
    case = {"strategy": strategy, **axes}
    usual = {"rivals": 1, "case": case, "status": "measured", "reason": ""}
    return {"kind": "launch", "launch": launch, **usual, **fields}


@dataclass(frozen=True)
class SimulatedRun:
    """What is measured, and how noisily.

    `slower` maps strategies to ratios, `drop` is the share of rounds that a rival sat out, `facts`
    are those of a strategy besides the usual ones, and a `bare` line has none.
    """

    settings: Sequence[Mapping[str, Any]]
    strategies: Sequence[str] = tuple(SPEEDS)
    launches: int = 3
    rounds: int = 8
    launch_sd: float = 0.006
    round_sd: float = 0.01
    drop: float = 0.0
    slower: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    bare: bool = False

    def records(self, dice: np.random.Generator) -> Iterator[Record]:
        for launch, axes in itertools.product(range(1, self.launches + 1), self.settings):
            shared = dice.normal(0, self.round_sd, self.rounds)
            for strategy in self.strategies:
                own = dice.normal(0, self.launch_sd) + dice.normal(
                    0, self.round_sd / 2, self.rounds
                )
                level = typical_seconds(strategy, axes) * self.slower.get(strategy, 1.0)
                seconds = (level * np.exp(shared + own)).round(9).tolist()
                out = dice.random(self.rounds) < self.drop
                played = [None if o else s for s, o in zip(seconds, out, strict=True)]
                facts = self._facts(strategy, axes, launch, level, dice)
                fields = {"seconds_per_call": played, "calls_per_sample": 2, "facts": facts}
                yield line(strategy, axes, launch, rivals=len(self.strategies), **fields)

    def _facts(
        self,
        strategy: str,
        axes: Mapping[str, Any],
        launch: int,
        level: float,
        dice: np.random.Generator,
    ) -> Record:
        if self.bare:
            return {}
        noise = float(np.exp(dice.normal(0, 0.03)))
        loop = axes["seq_len"] if "loop" in strategy else 1
        found: Record = {
            "build_seconds": round(0.01 * noise, 6),
            "trace_seconds": round((0.02 + 0.002 * loop) * noise, 6),
            "first_call_seconds": round((0.1 + 0.004 * loop + 30 * level) * noise, 6),
            "traces": 1,
            "graph_nodes": 30 + len(strategy) + 8 * loop,
            "weights": 96,
            "valid_steps": axes["seq_len"] * axes["batch"],
            "law_error": 1e-7,
            "steady": 1.0,
            "built": 1 + (launch + len(strategy)) % len(self.strategies),
            "canary_seconds": round(5e-5 * noise, 9),
            "waited_share": 0.01,
        }
        if launch == 1:
            found |= {
                "peak_bytes": (1 << 20) + 64 * axes["seq_len"] * len(strategy),
                "flops": 2e4 * axes["seq_len"] * axes["batch"],
                "least_bytes": 2e2 * axes["seq_len"] * axes["batch"],
                "attainable_flops_per_second": 4e10,
                "attainable_bytes_per_second": 1e10,
                "engine": {"name": "tensorflow 2.21.0"},
            }
        return found | dict(self.facts.get(strategy, {}))


def text(*records: Mapping[str, Any]) -> str:
    return "".join(json.dumps(one, separators=(",", ":")) + "\n" for one in records)


def lost(axes: Mapping[str, Any], statuses: Iterable[str] = tuple(LOST)) -> list[Record]:
    """Return cases that were not measured, one a status."""
    names = ("vectorized_map", "rnn_cell", "scan", "einsum", "map_fn", "pack", "vmap", "mask", "xs")
    named = zip(names, statuses, strict=False)
    return [line(name, axes, 1, status=word, reason=LOST[word]) for name, word in named]


def twins(strategies: Sequence[str], label: str = "main", **told: Any) -> Record:
    """Return what the header of a run against another side adds."""
    named: Record = {name: {"title": name, "differs": ""} for name in strategies}
    named |= {f"{name}@{label}": {"title": name, "against": {"of": name}} for name in strategies}
    about = {
        "label": label,
        "commit": "0123456789abcdef",
        "gates": {"time": 0.03, "first call": 0.25, "peak memory": 0.10},
        "screening": 3,
        "undecided": "pass",
        "new": ["mine"],
        "removed": ["gone"],
        "unchanged": ["einsum"],
        "renamed": {},
        "versions": {},
    }
    return {"strategies": named, "against": about | told}


def anything(seed: int) -> bytes:
    """Draw a journal: a night of one history or a grid of its own; one in three is damaged."""
    pick, dice = random.Random(seed), np.random.default_rng(seed)
    drawn = _grid(pick, dice) if seed % 2 else _night(seed // 2, pick, dice)
    made = text(*drawn).encode()
    return _damaged(made, pick) if seed % DAMAGED == 0 else made


def _night(night: int, pick: random.Random, dice: np.random.Generator) -> Iterator[Record]:
    """Measure what every night measures; each week one strategy becomes slower."""
    slower = {"loop_slice": 1.1 ** (night // 7 % 3), "fold_time": pick.choice((1.0, 1.0, 1.02))}
    started = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=night)
    commit = {"id": f"{night + 1:07x}abcdef", "dirty": False}
    yield header(started=started.isoformat(), id=f"night{night}", commit=commit, cases=10)
    grid = settings(seq_len=(16, 128))
    campaign = SimulatedRun(grid, launches=3, rounds=6, launch_sd=0.003, slower=slower)
    yield from campaign.records(dice)
    yield END


def _happens(share: float, pick: random.Random) -> bool:
    return pick.random() < share


def _grid(pick: random.Random, dice: np.random.Generator) -> Iterator[Record]:
    """Measure a grid of any size, with any noise, losses and drops."""
    several = pick.choice(("seq_len", "mode", "backend", "lengths", "threads"))
    values = {
        "seq_len": pick.sample((4, 16, 64, 128, 512), pick.randint(1, 4)),
        "mode": ("eager", "graph", "xla"),
        "backend": ("tensorflow", "jax", "torch"),
        "lengths": ("full", "skewed"),
        "threads": (1, 2),
    }
    phases = pick.choice((("forward",), ("backward",), ("forward", "backward")))
    axes = {
        several: values[several],
        "phase": phases,
        "workload": pick.choice((("tokens",), ("sensor", "tokens"))),
    }
    grid = settings(**axes)
    rivals = pick.sample(tuple(SPEEDS), pick.randint(1, len(SPEEDS)))
    sides = _happens(0.15, pick)
    campaign = SimulatedRun(
        grid,
        [*rivals, *(f"{name}@main" for name in rivals)] if sides else rivals,
        launches=pick.randint(1, 8 if sides else 5),
        rounds=pick.randint(1, 12),
        launch_sd=pick.choice((0.002, 0.01, 0.05)),
        round_sd=pick.choice((0.0, 0.01, 0.1)),
        drop=pick.choice((0.0, 0.0, 0.05, 0.5)),
        slower={rivals[0]: pick.choice((1.0, 1.05, 1.3))},
        bare=_happens(0.1, pick),
    )
    copies = {
        name: {"title": f"The {name}", "differs": "no lift" if _happens(0.2, pick) else ""}
        for name in rivals
    }
    told = twins(rivals) if sides else {"strategies": copies}
    day = pick.randint(1, 28)
    started = f"2026-01-{day:02}T03:04:{pick.randint(0, 59):02}+00:00"
    commit = {"id": f"{pick.getrandbits(64):016x}", "dirty": _happens(0.2, pick)}
    yield header(started=started, id=f"{day}", commit=commit, cases=len(grid) * len(rivals), **told)
    yield from campaign.records(dice)
    yield from lost(grid[0], pick.sample(tuple(LOST), pick.randint(0, 3)))
    if _happens(0.8, pick):
        yield END


def _damaged(made: bytes, pick: random.Random) -> bytes:
    """Damage a journal as disks, editors and other programs do."""
    lines = made.splitlines(keepends=True)
    if _happens(0.3, pick):
        return made[: pick.randrange(len(made))]
    for at in pick.sample(range(len(lines)), min(len(lines), pick.randint(1, 4))):
        way = pick.choice(("cut", "byte", "gone", "twice", "field", "field", "field"))
        whole = lines[at]
        if way == "cut":
            lines[at] = whole[: pick.randrange(len(whole))] + b"\n"
        elif way == "byte":
            place = pick.randrange(len(whole) - 1)
            lines[at] = whole[:place] + bytes([pick.randrange(256)]) + whole[place + 1 :]
        elif way == "field":
            lines[at] = text(_wrong(json.loads(whole), pick)).encode()
        else:
            lines[at] = whole * 2 if way == "twice" else b""
    return b"".join(lines)


def _wrong(record: Record, pick: random.Random) -> Record:
    """Take a field away, at any depth, or give it a value of another type."""
    inside = [record, *(one for one in record.values() if isinstance(one, dict) and one)]
    chosen = pick.choice(inside)
    name = pick.choice(list(chosen))
    if _happens(0.4, pick):
        del chosen[name]
    else:
        chosen[name] = pick.choice((None, -1, 0, 1e308, "x", [], {}, True, [1, "a"], {"a": 1}))
    return record
