"""Show that seconds per call do not depend on how long a sample lasts.

`python -m studies.sample_length`. The rivals of each setting are prepared as in a run, in
fresh processes, but each has four players, whose samples last 1, 2, 4 and 8 ms. They play in one
random order a round, primed as in a run. The table shows how much more per call each length reads
than that of the protocol. A cost that every sample pays once, however long it lasts, shows as a
slope.
"""

import argparse
import gc
import math
import multiprocessing
import os
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from studies import ROOT, installed, parser, positive, program
from studies.scoreboard import Column, Row, Scoreboard
from timelift import rounds
from timelift.analyse.effects import trimmed_mean
from timelift.axis_values import Backend, Phase
from timelift.case import Case, Setting
from timelift.measure import catalogue
from timelift.messages import Message, RivalSpec, Task, WorkerChannel
from timelift.project import Project
from timelift.worker.engines import load, open_engine
from timelift.worker.prepare import SettingUnderTest

WORKLOAD = "tokens"
STRATEGIES = ("native", "fold_time", "loop_unstack", "time_distributed")
BATCH = 8
#: Seconds of a sample, and those of the protocol, which the others are compared with.
LENGTHS = (1e-3, 2e-3, 4e-3, 8e-3)
USUAL = rounds.SAMPLE_SECONDS
#: What the median over all cases may differ by, as a share.
FLAT = 0.01
#: Lengths of the sequences, and rounds of a launch; fewer do not judge so closely.
SEQ_LENS, ROUNDS = (16, 128), 60
QUICK_SEQ_LENS, QUICK_ROUNDS, QUICK_FLAT = (16,), 40, 0.5
MEDIAN = "median of"

#: Seconds per call of each case, by sample length.
Played = Mapping[str, Mapping[float, float]]


def board(backend: str, flat: float) -> Scoreboard:
    title = f"{backend}: per call, beside samples of {1e3 * USUAL:g} ms"
    titles = [f"{1e3 * length:g} ms" for length in LENGTHS]
    lengths = [Column(title, "+.2%", least=-flat, most=flat) for title in titles]
    return Scoreboard(
        [Column(title), *lengths], is_bound=lambda row: str(row[0]).startswith(MEDIAN)
    )


def rows(launches: Sequence[Played]) -> list[Row]:
    """Return how much more each case takes at each length, and the medians over cases."""
    logs: dict[str, list[list[float]]] = defaultdict(list)
    for launch in launches:
        for label, seconds in launch.items():
            logs[label].append([math.log(seconds[length] / seconds[USUAL]) for length in LENGTHS])
    excess = {label: np.expm1(np.mean(ratios, axis=0)).tolist() for label, ratios in logs.items()}
    middle = [statistics.median(column) for column in zip(*excess.values(), strict=True)]
    return [
        *((label, *row) for label, row in excess.items()),
        (f"{MEDIAN} {len(logs)} cases", *middle),
    ]


def played(backend: Backend, launches: int, seed: int, *, quick: bool) -> list[Played]:
    """Play every setting in every launch, each in a fresh process."""
    seq_lens, count = (QUICK_SEQ_LENS, QUICK_ROUNDS) if quick else (SEQ_LENS, ROUNDS)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, max_tasks_per_child=1) as pool:
        launched = [
            pool.submit(
                play, Setting(WORKLOAD, seq_len, BATCH, phase, backend=backend), number, count
            )
            for number in range(1 + seed, 1 + seed + launches)
            for seq_len in seq_lens
            for phase in (Phase.FORWARD, Phase.BACKWARD)
        ]
        return [each.result() for each in launched]


def play(setting: Setting, seed: int, count: int) -> Played:
    """Prepare the rivals in this process and play them at every sample length."""
    os.environ["KERAS_BACKEND"] = str(setting.backend)
    load(setting.backend)
    engine = open_engine(setting)
    workload = catalogue.read_workloads(Project(ROOT).workloads.values())[setting.workload]
    rivals = tuple(RivalSpec(name, str(ROOT / "strategies" / f"{name}.py")) for name in STRATEGIES)
    task = Task(setting, rivals, workload.factory, workload.inputs, seed, 1.0)
    under_test = SettingUnderTest(engine, task, WorkerChannel(_log))
    ready = [under_test.prepare(rival) for rival in rivals]
    dice = random.Random(seed)
    players: dict[tuple[str, float], rounds.Player] = {}
    for prepared in ready:
        for length in LENGTHS:
            call = prepared.compiled.bind(prepared.feed)
            player = rounds.Player(prepared.rival.name, call, engine.wait)
            seconds = rounds.warm_up(player)
            rounds.size_samples(player, seconds, dice, length)
            rounds.prime([player], [seconds])
            players[Case(setting, prepared.rival.name).label, length] = player
    return _rounds(players, count, dice)


def _log(event: Message) -> None:
    sys.stderr.write(f"{event}\n")


def _rounds(
    players: Mapping[tuple[str, float], rounds.Player], count: int, dice: random.Random
) -> Played:
    gc.collect()
    gc.freeze()
    gc.disable()
    samples: dict[tuple[str, float], list[float]] = defaultdict(list)
    for _ in range(count):
        for key in dice.sample(list(players), len(players)):
            seconds = players[key].take_turn(clock=time.perf_counter)
            samples[key].append(seconds / players[key].calls_per_sample)
    means: dict[str, dict[float, float]] = defaultdict(dict)
    for (label, length), seconds_per_call in samples.items():
        means[label][length] = float(trimmed_mean(np.array(seconds_per_call)))
    return dict(means)


OPTIONS = parser("sample_length", __doc__)
OPTIONS.add_argument("--backends", default="all", metavar="LIST", help="default: all")
OPTIONS.add_argument("--launches", type=positive, default=3, metavar="N")


@program(OPTIONS)
def main(asked: argparse.Namespace) -> int:
    backends, launches = ("tensorflow", 1) if asked.quick else (asked.backends, asked.launches)
    flat = QUICK_FLAT if asked.quick else FLAT
    return max(
        board(backend, flat).show(rows(played(backend, launches, asked.seed, quick=asked.quick)))
        for backend in installed(backends)
    )


if __name__ == "__main__":
    sys.exit(main())
