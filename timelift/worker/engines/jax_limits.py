"""What a device attains at best, and what an inner layer asks of it, by JAX."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax import numpy as jnp

from timelift.case import Phase, Setting
from timelift.worker.engines.jax_compiled import called, held, nested
from timelift.worker.engines.rates import SIZES, fastest, rates

#: Loops, whose body XLA counts once however often it runs.
_UNCOUNTED = frozenset({"while", "scan"})


def attainable(device: Any, kind: str) -> dict[str, float]:
    """Measure a float32 product of squares and a copy; return what a second does at best."""
    side, many = SIZES["cpu" if kind == "cpu" else "gpu"]
    square, long = (
        jax.device_put(jnp.ones(shape, "float32"), device) for shape in ((side, side), (many,))
    )
    product = fastest(functools.partial(jax.jit(jnp.matmul), square, square), jax.block_until_ready)
    copy = fastest(functools.partial(jax.jit(lambda x: x + 1), long), jax.block_until_ready)
    return rates(side, many, product, copy)


def work(layer: Any, rows: int, features: Sequence[int], setting: Setting) -> dict[str, int]:
    """Count what the inner layer must do for `rows` steps: `flops`, and the `least_bytes` moved.

    Nothing is claimed of layers that loop over an axis of their own. XLA counts before it
    optimises, for what it makes of a product afterwards it may not count.
    """
    forward = setting.phase is Phase.FORWARD
    inputs = jax.ShapeDtypeStruct((rows, *features), setting.dtype)
    traced = jax.jit(_forward(layer) if forward else _backward(layer)).trace(*held(layer), inputs)
    outputs = layer.compute_output_shape((rows, *features))
    if _loops(traced.jaxpr) or None in outputs:
        return {}
    floats = rows * math.prod(features) + math.prod(outputs)
    floats += sum(math.prod(weight.shape) for weight in layer.weights)
    size = jnp.dtype(setting.dtype).itemsize
    return {
        "flops": int(traced.lower().cost_analysis()["flops"]),
        "least_bytes": (1 if forward else 2) * floats * size,
    }


def _loops(program: Any) -> bool:
    looped = any(equation.primitive.name in _UNCOUNTED for equation in program.eqns)
    return looped or any(map(_loops, nested(program)))


def _forward(layer: Any) -> Callable[..., Any]:
    def outputs(weights: Any, state: Any, inputs: Any) -> Any:
        return called(layer, weights, state, inputs, training=False)[0]

    return outputs


def _backward(layer: Any) -> Callable[..., Any]:
    def loss(weights: Any, state: Any, inputs: Any) -> Any:
        return jnp.sum(called(layer, weights, state, inputs, training=True)[0])

    differentiated: Callable[..., Any] = jax.value_and_grad(loss)
    return differentiated
