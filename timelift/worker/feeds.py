"""The arguments of a rival, on the device, and its results, fetched as (batch, time, …)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from timelift.case import Lengths, Setting
from timelift.worker.engines import Array, Compiled, Engine, Feed


@dataclass(frozen=True)
class Feeds:
    """Convert for one rival: padded arrays outside, padded or ragged tensors inside.

    `inputs` is (batch, time, *features), `valid` (batch, time) of booleans. A rival that takes
    ragged tensors is fed the valid steps alone; any other gets a mask where lengths vary.
    """

    engine: Engine
    setting: Setting
    inputs: Array
    valid: Array
    ragged: bool

    def feed(self, cotangent: Array | None = None) -> Feed:
        """Place the inputs, the mask and, in the backward phase, a cotangent (batch, time, …)."""
        place = self.engine.place
        varying = self.setting.lengths is not Lengths.FULL
        inputs = (
            self.engine.place_ragged(self.inputs, self.valid) if self.ragged else place(self.inputs)
        )
        mask = place(self.valid) if varying and not self.ragged else None
        if cotangent is None:
            return Feed(inputs, mask)
        return Feed(inputs, mask, place(cotangent[self.valid] if self.ragged else cotangent))

    def fetch(self, value: Any) -> Array:
        """Fetch (batch, time, …); the valid steps of a ragged value land where they belong."""
        if not self.ragged:
            return self.engine.to_numpy(value)
        steps = self.engine.to_numpy(getattr(value, "flat_values", value))
        padded = np.zeros((*self.valid.shape, *steps.shape[1:]), steps.dtype)
        padded[self.valid] = steps
        return padded


def called(engine: Engine, compiled: Compiled, feed: Feed) -> Any:
    result = compiled.bind(feed)()
    engine.wait(result)
    return result
