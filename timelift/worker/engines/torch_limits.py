"""What a device attains at best, and what an inner layer asks of it, by PyTorch."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from timelift.case import Phase, Setting
from timelift.worker.engines.rates import SIZES, fastest, rates

#: Parts of the names of kernels that do a whole recurrence or attention.
_UNCOUNTED = ("rnn", "lstm", "gru", "attention")


class _Names(TorchDispatchMode):  # type: ignore[misc]
    """Notes whether an operation ran whose products are not counted."""

    unknown = False

    def __torch_dispatch__(
        self, operation: Any, types: Any, arguments: Any = (), named: Any = None
    ) -> Any:
        self.unknown |= any(part in str(operation) for part in _UNCOUNTED)
        return operation(*arguments, **(named or {}))


def attainable(device: Any, wait: Callable[[Any], object]) -> dict[str, float]:
    """Measure a float32 product of squares and a copy; return what a second does at best."""
    side, many = SIZES["cpu" if device.type == "cpu" else "gpu"]
    square, long = (
        torch.ones(shape, dtype=torch.float32, device=device) for shape in ((side, side), (many,))
    )
    product = fastest(lambda: square @ square, wait)
    copy = fastest(lambda: long + 1.0, wait)
    return rates(side, many, product, copy)


def work(layer: Any, shape: Sequence[int], setting: Setting, device: Any) -> dict[str, int]:
    """Count what the inner layer must do for a batch of `shape`: `flops`, and the `least_bytes`.

    Products and convolutions are counted, one by one while the layer runs. Nothing is claimed where
    there are none, and where a kernel whose products are not known does more than one.
    """
    dtype = getattr(torch, setting.dtype)
    inputs = torch.zeros(tuple(shape), dtype=dtype, device=device)
    forward = setting.phase is Phase.FORWARD
    with _Names() as names, FlopCounterMode(display=False) as counter:
        outputs = _forward(layer, inputs) if forward else _backward(layer, inputs)
    flops = 0 if names.unknown else counter.get_total_flops()
    floats = math.prod(shape) + math.prod(outputs.shape)
    floats += sum(math.prod(weight.shape) for weight in layer.weights)
    moved = (1 if forward else 2) * floats * dtype.itemsize
    return {"flops": int(flops), "least_bytes": moved} if flops else {}


def _forward(layer: Any, inputs: Any) -> Any:
    with torch.no_grad():
        return layer(inputs, training=False)


def _backward(layer: Any, inputs: Any) -> Any:
    outputs = layer(inputs, training=True)
    weights = [weight.value for weight in layer.trainable_weights]
    if weights:
        torch.autograd.grad(outputs.sum(), weights, allow_unused=True)
    return outputs
