"""Measure one backend on one device, as JSON: `python -m tests.gpu.probe BACKEND DEVICE`.

A process has one backend, so the suite starts a fresh one. The probe runs on a CPU too, so that it
is tested where there is no GPU.
"""

import json
import math
import os
import random
import statistics
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np

from timelift import rounds
from timelift.axis_values import Backend, Mode, Phase
from timelift.case import Setting
from timelift.worker.engines import Feed, open_engine

#: Inputs whose product keeps a device busy for long, by kind of device.
LARGE = {"cpu": (8, 16, 64), "gpu": (64, 256, 4096)}
#: Samples that are timed by both clocks.
READINGS = 9


def main(backend: str, device: str) -> None:
    os.environ["KERAS_BACKEND"] = backend
    shape = LARGE[device.partition(":")[0]]
    sizes = ("probe", shape[1], shape[0], Phase.FORWARD)
    setting = Setting(*sizes, device=device, backend=Backend(backend))
    engine = open_engine(setting)
    large = player(engine, setting, shape)
    seconds = rounds.warm_up(large)
    rounds.measure_wait(large)
    rounds.size_samples(large, seconds, random.Random(1))
    sys.stdout.write(json.dumps(measured(engine, setting, large)) + "\n")


def measured(engine: Any, setting: Setting, large: rounds.Player) -> dict:
    shape = LARGE[setting.device.partition(":")[0]]
    peak = None
    if not setting.on_cpu:
        peak = engine.device_peak_bytes(lambda: engine.wait(large.call()))
    clocks = [both_clocks(setting, large) for _ in range(READINGS)]
    seconds = statistics.median(clock for clock, _ in clocks)
    return {
        "device": str(getattr(engine.place(np.zeros(2, np.float32)), "device", "")),
        "identity": dict(engine.identity()),
        "peak_bytes": peak,
        "output_bytes": int(np.prod(shape)) * 4,
        "wait_share": large.wait_seconds / seconds,
        "seconds_per_call": seconds / large.calls_per_sample,
        "event_over_clock": statistics.median(event / clock for clock, event in clocks),
    }


def player(engine: Any, setting: Setting, shape: tuple[int, ...]) -> rounds.Player:
    """A Dense layer over every step of (batch, time, features), through the engine."""
    import keras

    inputs = keras.Input(shape[1:])
    model = keras.Model(inputs, keras.layers.Dense(shape[-1])(inputs))
    compiled = engine.compile(model, replace(setting, mode=Mode.EAGER), training=False)
    call = compiled.bind(Feed(engine.place(np.ones(shape, np.float32))))
    return rounds.Player(str(shape), call, engine.wait)


def both_clocks(setting: Setting, large: rounds.Player) -> tuple[float, float]:
    """Seconds of one sample by our clock, and by the device's own around the same calls.

    PyTorch alone has that clock; elsewhere it is NaN.
    """
    if setting.backend is not Backend.TORCH or setting.device == "cpu":
        return large.sample(large.calls_per_sample, time.perf_counter), math.nan
    import torch

    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    seconds = large.sample(large.calls_per_sample, time.perf_counter)
    end.record()
    torch.cuda.synchronize()
    return seconds, begin.elapsed_time(end) / 1e3


if __name__ == "__main__":
    main(*sys.argv[1:])
