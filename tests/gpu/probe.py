"""What one backend says of one device, as JSON: `python -m tests.gpu.probe BACKEND DEVICE`.

A process has one backend, so the suite asks a fresh one. On a CPU the same questions are asked, so
that the probe itself is tested where there is no GPU.
"""

import json
import os
import random
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from timelift.case import Backend, Gradients, Mode, Phase, Setting
from timelift.engine import Feed, open_engine
from timelift.measure import rounds

ROOT = Path(__file__).parents[2]
#: A product that keeps a device busy for long, and one that it has done at once.
LARGE, SMALL = (64, 64, 512), (2, 4, 8)


def main(backend: str, device: str) -> None:
    """Print what is found."""
    os.environ["KERAS_BACKEND"] = backend
    setting = Setting(
        *("probe", LARGE[1], LARGE[0], Phase.FORWARD), device=device, backend=Backend(backend)
    )
    engine = open_engine(setting)
    large, small = (player(engine, setting, shape) for shape in (LARGE, SMALL))
    for one in (large, small):
        seconds = rounds.warm_up(one)
        rounds.look_at_queue(one)
        rounds.size_samples(one, seconds, random.Random(1))
    sys.stdout.write(json.dumps(found(engine, setting, large, small)) + "\n")


def found(engine: Any, setting: Setting, large: rounds.Player, small: rounds.Player) -> dict:
    """Answer the suite's questions."""
    sample = large.billed_sample(rounds.time.perf_counter)
    placed = engine.place(np.zeros(LARGE, np.float32))
    return {
        "device": str(getattr(placed, "device", "")),
        "identity": dict(engine.identity()),
        "attainable": engine.attainable(),
        "peak_bytes": engine.device_peak_bytes(lambda: engine.wait(large.call())),
        "output_bytes": int(np.prod(LARGE)) * 4,
        "wait_share": large.wait_seconds / sample,
        "large_dispatch_share": large.dispatch_share,
        "small_dispatch_share": small.dispatch_share,
        "seconds_per_call": sample / large.calls_per_sample,
        "event_seconds_per_call": event_seconds(setting, large),
    }


def player(engine: Any, setting: Setting, shape: tuple[int, ...]) -> rounds.Player:
    """A Dense layer over every step of (batch, time, features), through the engine."""
    import keras

    inputs = keras.Input(shape[1:])
    model = keras.Model(inputs, keras.layers.Dense(shape[-1])(inputs))
    sized = replace(setting, seq_len=shape[1], batch=shape[0], mode=Mode.EAGER)
    compiled = engine.compile(model, replace(sized, gradients=Gradients.NONE), training=False)
    call = compiled.bind(Feed(engine.place(np.ones(shape, np.float32))))
    return rounds.Player(str(shape), call, engine.wait)


def event_seconds(setting: Setting, large: rounds.Player) -> float | None:
    """Seconds a call by the device's own clock, which PyTorch alone hands out."""
    if setting.backend is not Backend.TORCH or setting.device == "cpu":
        return None
    import torch

    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    for _ in range(large.calls_per_sample):
        large.call()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end) / 1e3 / large.calls_per_sample


if __name__ == "__main__":
    main(*sys.argv[1:])
