"""Seconds per call must not depend on how long a sample lasts: `python -m studies.sample_length`.

In every launch (a fresh process) the rivals of each setting are prepared and played as in a run,
only that each has four players, whose samples last 1, 2, 4 and 8 ms, in one random order a round.
The table shows how much more or less per call each length reads than 2 ms, the median over all
cases. A cost that every sample pays once, whatever its length, shows as a slope.
"""

import argparse
import dataclasses
import gc
import json
import random
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from timelift.case import Backend, Case, Phase, Setting

ROOT = Path(__file__).resolve().parents[1]
STRATEGIES = ("native", "fold_time", "loop_unstack", "time_distributed")
LENGTHS = (1e-3, 2e-3, 4e-3, 8e-3)
#: The sample length that the others are compared with: the protocol's own.
USUAL = 2e-3
#: What the median over cases may differ by, as a share.
FLAT = 0.01


def main(words: Sequence[str]) -> int:
    """Print a table a backend; 1 where a backend is not flat."""
    options = _parser().parse_args(words)
    if options.inside:
        _play_inside(options)
        return 0
    flat = [_print_backend(backend, options) for backend in options.backends.split(",")]
    return 0 if all(flat) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m studies.sample_length", description=__doc__)
    parser.add_argument("--backends", default=",".join(Backend), help="default: all three")
    parser.add_argument("--launches", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--quick", action="store_true", help="one launch, one size, ten rounds")
    parser.add_argument("--inside", default="", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=1)
    return parser


def _settings(backend: str, *, quick: bool) -> Iterator[Setting]:
    for seq_len in (16,) if quick else (16, 128):
        for phase in Phase:
            yield Setting("tokens", seq_len, 8, phase, backend=Backend(backend))


def _print_backend(backend: str, options: argparse.Namespace) -> bool:
    rows: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for launch in range(1 if options.quick else options.launches):
        for label, seconds in _launch(backend, launch, options).items():
            for length, value in seconds.items():
                rows[label][float(length)].append(value)
    means = {k: {n: statistics.fmean(v) for n, v in by.items()} for k, by in rows.items()}
    off = {n: [by[n] / by[USUAL] - 1 for by in means.values()] for n in LENGTHS}
    for label, by in means.items():
        cells = "".join(f"{100 * (by[n] / by[USUAL] - 1):>10.1f} %" for n in LENGTHS)
        print(f"{label:60}{1e3 * by[USUAL]:9.3f} ms{cells}")
    medians = {n: statistics.median(values) for n, values in off.items()}
    cells = "".join(f"{100 * medians[n]:>10.2f} %" for n in LENGTHS)
    print(f"{backend + ', median of ' + str(len(means)) + ' cases':60}{'':12}{cells}", flush=True)
    return all(abs(one) <= FLAT for one in medians.values())


def _launch(backend: str, number: int, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Play every setting in processes of their own; give seconds per call by case and length."""
    found: dict[str, dict[str, float]] = {}
    for setting in _settings(backend, quick=options.quick):
        inside = json.dumps([dataclasses.asdict(setting), options.seed + number])
        words = ["--inside", inside, "--rounds", str(10 if options.quick else options.rounds)]
        told = subprocess.run(
            [sys.executable, "-m", "studies.sample_length", *words],
            check=True,
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        found |= json.loads(told.stdout.splitlines()[-1])
    return found


def _play_inside(options: argparse.Namespace) -> None:
    fields, seed = json.loads(options.inside)
    setting = Case.from_fields({**fields, "strategy": "any"}).setting
    import os

    os.environ["KERAS_BACKEND"] = str(setting.backend)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from timelift import engine as engines

    engines.load(setting.backend)
    from timelift.engine import open_engine
    from timelift.measure import worker
    from timelift.measure.playing import Play
    from timelift.measure.wire import Rival, Task, Wires

    rivals = tuple(Rival(n, str(ROOT / "strategies" / f"{n}.py")) for n in STRATEGIES)
    task = Task(setting, rivals, f"{ROOT / 'workloads/tokens.py'}:make_layer", (32,), seed, 1.0)
    events: list[Any] = []
    stage = worker.Stage(open_engine(setting), task, Wires(events.append))
    play = Play(stage.engine, task, Wires(events.append), stage.dice)
    contenders = [c for rival in rivals if (c := stage.prepare(rival))]
    print(json.dumps(_seconds(play, contenders, options.rounds, random.Random(seed))))


def _seconds(play, contenders, rounds_, dice):
    from timelift.measure import rounds
    import os

    if os.environ.get("NOWAIT"):
        play.engine.wait = lambda r: None
    if os.environ.get("PRIME"):
        rounds.PRIMING_SECONDS = float(os.environ["PRIME"])
    players = {}
    for one in contenders:
        for length in LENGTHS:
            player = play._player(one)
            seconds = rounds.warm_up(player)
            rounds.SAMPLE_SECONDS = length
            rounds.size_samples(player, seconds, dice)
            players[one.rival.name, length] = player
    gc.collect()
    gc.freeze()
    gc.disable()
    samples = defaultdict(list)
    for _ in range(rounds_):
        for key in dice.sample(list(players), len(players)):
            p = players[key]
            samples[key].append(p.take_turn(time.perf_counter) / p.calls_per_sample)
    import numpy as np

    out = defaultdict(dict)
    for (name, length), values in samples.items():
        v = np.sort(values)
        c = len(v) // 5
        out[f"{play.task.setting.label}-{name}"][str(length)] = float(v[c : len(v) - c].mean())
    return out


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
