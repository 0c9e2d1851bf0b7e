"""Show that seconds per call do not depend on how long a sample lasts.

`python -m studies.sample_length`. The rivals of each setting are prepared as in a run, in
fresh processes, but each has four players, whose samples last 1, 2, 4 and 8 ms. They play in one
random order a round, primed as in a run. The table tells how much more per call each length reads
than 2 ms. A cost that every sample pays once, however long it lasts, shows as a slope.
"""

import argparse
import dataclasses
import gc
import json
import math
import os
import random
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from studies import parser
from studies.scoreboard import Column, Row, Scoreboard
from timelift import rounds
from timelift.analyse.stats.robust_mean import trimmed_mean
from timelift.case import Backend, Case, Phase, Setting
from timelift.measure import catalogue
from timelift.messages import Event, RivalSpec, Task, WorkerChannel
from timelift.worker import setting_under_test
from timelift.worker.engines import Engine, load, open_engine
from timelift.worker.prepare import PreparedRival

ROOT = Path(__file__).resolve().parents[1]
WORKLOAD = "tokens"
STRATEGIES = ("native", "fold_time", "loop_unstack", "time_distributed")
BATCH = 8
#: Seconds of a sample, and those of the protocol, which the others are compared with.
LENGTHS = (1e-3, 2e-3, 4e-3, 8e-3)
USUAL = rounds.SAMPLE_SECONDS
#: What the median over all cases may differ by, as a share.
FLAT = 0.01
#: Backends, lengths, launches and rounds of the quick form: too few to judge so closely by.
QUICK, QUICK_FLAT = ("tensorflow", "16", 1, 40), 0.5
MEDIAN = "median of"

#: Seconds per call by sample length.
ByLength = Mapping[float, float]


def main(words: Sequence[str] | None = None) -> int:
    """Print a table for each backend; 1 if one of them is not flat."""
    options = _parser().parse_args(words)
    if options.inside:
        sys.stdout.write(json.dumps(_play(json.loads(options.inside), options.rounds)) + "\n")
        return 0
    if options.quick:
        options.backends, options.seq_lens, options.launches, options.rounds = QUICK
    wrong = [_tell(backend, options) for backend in options.backends.split(",")]
    return max(wrong)


def _parser() -> argparse.ArgumentParser:
    options = parser("sample_length", __doc__)
    options.add_argument("--backends", default=",".join(Backend), help="default: all three")
    options.add_argument("--seq-lens", default="16,128")
    options.add_argument("--launches", type=int, default=3)
    options.add_argument("--rounds", type=int, default=60, help="in each launch (default: 60)")
    options.add_argument("--inside", default="", help=argparse.SUPPRESS)
    return options


def _tell(backend: str, options: argparse.Namespace) -> int:
    """Print a backend's cases and their median; 1 if that is not flat."""
    found = {
        label: [_excess(by, length) for length in LENGTHS]
        for label, by in _measured(backend, options).items()
    }
    middle = [statistics.median(column) for column in zip(*found.values(), strict=True)]
    rows: list[Row] = [(label, *excess) for label, excess in found.items()]
    rows.append((f"{MEDIAN} {len(found)} cases", *middle))
    return _board(backend, QUICK_FLAT if options.quick else FLAT).show(rows)


def _board(backend: str, flat: float) -> Scoreboard:
    title = f"{backend}: per call, beside samples of {1e3 * USUAL:g} ms"
    lengths = [Column(f"{1e3 * one:g} ms", "+.2%", least=-flat, most=flat) for one in LENGTHS]
    return Scoreboard([Column(title), *lengths], judged=lambda row: str(row[0]).startswith(MEDIAN))


def _excess(launches: Sequence[ByLength], length: float) -> float:
    return math.exp(statistics.fmean(math.log(one[length] / one[USUAL]) for one in launches)) - 1


def _measured(backend: str, options: argparse.Namespace) -> dict[str, list[ByLength]]:
    """Play every launch of every setting in a process of its own."""
    found: dict[str, list[ByLength]] = defaultdict(list)
    for launch in range(options.launches):
        for seq_len in map(int, options.seq_lens.split(",")):
            for phase in Phase:
                setting = Setting(WORKLOAD, seq_len, BATCH, phase, backend=Backend(backend))
                inside = [dataclasses.asdict(setting), 1 + options.seed + launch]
                for label, by in _in_process(inside, options.rounds).items():
                    found[label].append({float(length): one for length, one in by.items()})
    return found


def _in_process(inside: Sequence[object], many: int) -> dict[str, dict[str, float]]:
    words = ["--inside", json.dumps(inside), "--rounds", str(many)]
    done = subprocess.run(
        [sys.executable, "-m", "studies.sample_length", *words],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=ROOT,
    )
    told: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return told


def _play(inside: tuple[Mapping[str, object], int], many: int) -> dict[str, dict[float, float]]:
    """Prepare the rivals in this process and play them at every sample length."""
    fields, seed = inside
    setting = Case.from_fields({**fields, "strategy": "any"}).setting
    os.environ["KERAS_BACKEND"] = str(setting.backend)
    load(setting.backend)
    engine = open_engine(setting)
    known = catalogue.workloads(ROOT / "workloads")[setting.workload]
    rivals = tuple(RivalSpec(name, str(ROOT / "strategies" / f"{name}.py")) for name in STRATEGIES)
    task = Task(setting, rivals, known.factory, known.features, seed, 1.0)
    under_test = setting_under_test.SettingUnderTest(engine, task, WorkerChannel(_log))
    ready = [found for rival in rivals if (found := under_test.prepare(rival))]
    if len(ready) < len(rivals):
        sys.exit(f"studies.sample_length: expected {len(rivals)} rivals, {len(ready)} were built")
    dice = random.Random(seed)
    players = {
        (Case(setting, one.rival.name).label, length): _player(engine, one, length, dice)
        for one in ready
        for length in LENGTHS
    }
    return _rounds(players, many, dice)


def _log(event: Event) -> None:
    sys.stderr.write(f"{event}\n")


def _player(
    engine: Engine, contender: PreparedRival, length: float, dice: random.Random
) -> rounds.Player:
    call = contender.compiled.bind(contender.feed)
    player = rounds.Player(contender.rival.name, call, engine.wait)
    rounds.size_samples(player, rounds.warm_up(player), dice, length)
    return player


def _rounds(
    players: Mapping[tuple[str, float], rounds.Player], many: int, dice: random.Random
) -> dict[str, dict[float, float]]:
    gc.collect()
    gc.freeze()
    gc.disable()
    samples: dict[tuple[str, float], list[float]] = defaultdict(list)
    turn = partial(rounds.Player.take_turn, clock=time.perf_counter)
    for _ in range(many):
        for key in dice.sample(list(players), len(players)):
            samples[key].append(turn(players[key]) / players[key].calls_per_sample)
    found: dict[str, dict[float, float]] = defaultdict(dict)
    for (label, length), seconds in samples.items():
        found[label][length] = float(trimmed_mean(np.array(seconds)))
    return found


if __name__ == "__main__":
    sys.exit(main())
