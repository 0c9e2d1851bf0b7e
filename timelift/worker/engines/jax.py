"""JAX: calls op by op, and `jax.jit`, which compiles by XLA and takes the weights as arguments.

Calls that do not depend on each other do not run side by side. What would is the dispatch of one
call and the work of the call before it, and each call would wake a thread: for small calls, what a
call takes would depend threefold on how many are made before the wait. So the CPU works in the
thread that calls (`jax_cpu_enable_async_dispatch` is off), and a call takes what it takes alone.
"""

import gc
import os
import random
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

from timelift.case import BACKEND_THREADS, Dtype, Mode, Setting, TimeAxis
from timelift.worker.engines import Array, UnavailableError, jax_limits
from timelift.worker.engines.jax_compiled import JaxCompiled, called, held

#: XLA sizes its pool of threads by this variable when its client is made; there is no other switch.
_THREADS = "PJRT_NPROC"
#: The switches that a strategy might turn.
_SWITCHES = (
    "jax_disable_jit",
    "jax_default_matmul_precision",
    "jax_enable_x64",
    "jax_debug_nans",
)


class JaxEngine:
    """JAX on one device with a number of threads; made before any op runs."""

    def __init__(self, setting: Setting) -> None:
        self.warm = False
        _check_compiles(setting)
        self._kind, _, number = setting.device.partition(":")
        _prepare(self._kind, setting)
        try:
            self.device = jax.devices(self._kind)[int(number or 0)]
        except (RuntimeError, IndexError):
            sentence = f"JAX sees no {setting.device} on this machine"
            raise UnavailableError(sentence) from None
        jax.config.update("jax_default_device", self.device)

    def place(self, array: Array) -> Any:
        return jax.device_put(array, self.device)

    def place_ragged(self, array: Array, valid: Array) -> Any:  # noqa: ARG002
        raise TypeError("JAX has no ragged tensors")

    def compile(self, model: Any, setting: Setting, *, training: bool) -> JaxCompiled:
        return JaxCompiled(model, setting, training=training)

    def wait(self, result: Any) -> None:
        """Block until the result is there; a device works in the order in which it was asked.

        On a CPU every call has ended when it returns, since it works in the thread that calls.
        """
        if self._kind != "cpu":
            jax.block_until_ready(result)

    def apply(self, layer: Any, step: Any, *, training: bool) -> Array:
        return self.to_numpy(layer(step, training=training))

    def differentiate(
        self, layer: Any, steps: Sequence[Any], cotangents: Sequence[Any], *, training: bool
    ) -> tuple[list[Array], list[Array]]:
        weights, state = held(layer)

        def loss(weights: Any, steps: Any) -> Any:
            outputs = [called(layer, weights, state, one, training=training)[0] for one in steps]
            pairs = zip(outputs, cotangents, strict=True)
            return sum(jnp.sum(output * cotangent) for output, cotangent in pairs)

        whole = not jnp.issubdtype(steps[0].dtype, jnp.floating)
        by_weight, *by_step = jax.grad(loss, (0,) if whole else (0, 1))(weights, list(steps))
        found = map(jnp.zeros_like, steps) if whole else by_step[0]
        return [self.to_numpy(one) for one in found], [self.to_numpy(one) for one in by_weight]

    def work(
        self, layer: Any, rows: int, features: Sequence[int], setting: Setting
    ) -> dict[str, int]:
        return jax_limits.work(layer, rows, features, setting)

    def attainable(self) -> dict[str, float]:
        return jax_limits.attainable(self.device, self._kind)

    def seed(self, number: int) -> None:
        """Seed Python, which Keras's initialisers draw from on JAX, and numpy.

        Keras's `set_random_seed` would import TensorFlow for its seed.
        """
        random.seed(number)
        np.random.seed(number)  # noqa: NPY002 - a user's layer may draw from the global generator

    def pooled_peak_bytes(self, call: Callable[[], Any]) -> int:  # noqa: ARG002
        """Return 0: JAX takes the host's memory from the system, block by block."""
        return 0

    def device_peak_bytes(self, call: Callable[[], Any]) -> None:
        """Return None: JAX keeps the highest peak of its process and cannot reset it."""

    def identity(self) -> dict[str, str]:
        return {
            "name": str(self.device.device_kind),
            "platform": " ".join(str(self.device.client.platform_version).split()),
            "matmul_precision": str(jax.config.jax_default_matmul_precision),
        }

    def release(self) -> None:
        """Drop unreferenced arrays; the allocator keeps its pool for the next call."""
        gc.collect()

    def keep(self) -> Callable[[], None]:
        kept = {switch: getattr(jax.config, switch) for switch in _SWITCHES}

        def put_back() -> None:
            for switch, value in kept.items():
                jax.config.update(switch, value)

        return put_back

    def to_numpy(self, value: Any) -> Array:
        return np.asarray(value)


def open_engine(setting: Setting) -> JaxEngine:
    """Start JAX; raises UnavailableError where it has no such device, mode or time axis."""
    return JaxEngine(setting)


def _check_compiles(setting: Setting) -> None:
    """Refuse what `jax.jit` cannot express."""
    if setting.mode is Mode.XLA:
        raise UnavailableError("jax.jit compiles by XLA: measure mode graph")
    if setting.mode is Mode.GRAPH and setting.time_axis is TimeAxis.DYNAMIC:
        raise UnavailableError(
            "jax.jit compiles for known shapes, and anew for each length: measure time axis static"
        )


def _prepare(kind: str, setting: Setting) -> None:
    """Set what JAX reads when it starts."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if setting.threads != BACKEND_THREADS:
        os.environ[_THREADS] = str(setting.threads)
    if kind == "cpu":
        jax.config.update("jax_platforms", "cpu")  # or it would take some of a GPU's memory too
    jax.config.update("jax_cpu_enable_async_dispatch", False)  # noqa: FBT003 - JAX's own signature
    if setting.dtype is Dtype.FLOAT64:
        jax.config.update("jax_enable_x64", True)  # noqa: FBT003
