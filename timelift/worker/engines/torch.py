"""PyTorch: plain calls, and `torch.compile` with its own compiler, inductor.

Whatever is compiled is compiled really: inductor keeps nothing from one launch for the next. It
compiles in this process alone, since a worker may not leave processes behind.
"""

import gc
import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import keras
import numpy as np
import torch
from torch._inductor import config as inductor

from timelift.case import BACKEND_THREADS, Mode, Setting, TimeAxis
from timelift.worker.engines import Array, UnavailableError, torch_limits

inductor.force_disable_caches = True
inductor.compile_threads = 1  # before the next import, which may start processes

from timelift.worker.engines.torch_compiled import (  # noqa: E402
    TorchCompiled,
    prepare_compiler,
)


class TorchEngine:
    """PyTorch on one device with a number of threads; made before any op runs."""

    def __init__(self, setting: Setting) -> None:
        self.warm = setting.mode is Mode.GRAPH
        _check_mode(setting)
        kind, _, number = setting.device.partition(":")
        _check_device(setting.device, kind, int(number or 0))
        if setting.threads != BACKEND_THREADS:
            _use_threads(setting.threads)
        self._gpu = kind == "gpu"
        self.device = torch.device(f"cuda:{number or 0}" if self._gpu else "cpu")
        if self._gpu:
            torch.cuda.set_device(self.device)
        self._scope = ExitStack()  # held for good: no call pays for a scope
        self._scope.enter_context(keras.device(setting.device))
        if setting.mode is Mode.GRAPH:
            prepare_compiler(self.device, setting.phase)

    def place(self, array: Array) -> Any:
        return keras.ops.convert_to_tensor(array).clone()

    def place_ragged(self, array: Array, valid: Array) -> Any:  # noqa: ARG002
        raise TypeError("Keras has no ragged tensors on PyTorch")

    def compile(self, model: Any, setting: Setting, *, training: bool) -> TorchCompiled:
        return TorchCompiled(model, setting, training=training)

    def wait(self, result: Any) -> None:  # noqa: ARG002 - the device is waited for whole
        """Wait for the GPU; on a CPU every call has ended when it returns."""
        if self._gpu:
            torch.cuda.synchronize(self.device)

    def apply(self, layer: Any, step: Any, *, training: bool) -> Array:
        with torch.no_grad():
            return self.to_numpy(layer(step, training=training))

    def differentiate(
        self, layer: Any, steps: Sequence[Any], cotangents: Sequence[Any], *, training: bool
    ) -> tuple[list[Array], list[Array]]:
        """Return the gradients by each step and each trainable weight; zeros by whole numbers."""
        leaves = [one.detach().requires_grad_(one.is_floating_point()) for one in steps]
        outputs = [layer(leaf, training=training) for leaf in leaves]
        pairs = zip(outputs, cotangents, strict=True)
        loss = sum((output * cotangent).sum() for output, cotangent in pairs)
        weights = [weight.value for weight in layer.trainable_weights]
        sources = [one for one in (*leaves, *weights) if one.requires_grad]
        found = torch.autograd.grad(loss, sources, materialize_grads=True) if sources else ()
        fetched = [self.to_numpy(one) for one in found]
        first = len(fetched) - len(weights)
        by_step = fetched[:first] or [np.zeros(one.shape) for one in steps]
        return by_step, fetched[first:]

    def work(
        self, layer: Any, rows: int, features: Sequence[int], setting: Setting
    ) -> dict[str, int]:
        return torch_limits.work(layer, (rows, *features), setting, self.device)

    def attainable(self) -> dict[str, float]:
        return torch_limits.attainable(self.device, self.wait)

    def seed(self, number: int) -> None:
        """Seed Python, numpy and PyTorch; Keras's own function would import TensorFlow."""
        random.seed(number)
        np.random.seed(number)  # noqa: NPY002 - layers may draw from the old generator
        torch.manual_seed(number)

    def pooled_peak_bytes(self, call: Callable[[], Any]) -> int:  # noqa: ARG002
        """Return 0: PyTorch takes the host's memory from the system, block by block."""
        return 0

    def device_peak_bytes(self, call: Callable[[], Any]) -> int | None:
        """Return the bytes that `call` adds to PyTorch's own on the GPU; None on a CPU."""
        if not self._gpu:
            return None
        torch.cuda.reset_peak_memory_stats(self.device)
        before = torch.cuda.memory_allocated(self.device)
        call()
        return max(0, int(torch.cuda.max_memory_allocated(self.device)) - int(before))

    def identity(self) -> dict[str, str]:
        name = torch.cuda.get_device_name(self.device) if self._gpu else "cpu"
        switches = {
            "vectors": torch.backends.cpu.get_cpu_capability(),
            "matmul_precision": torch.get_float32_matmul_precision(),
            "matmul_tf32": torch.backends.cuda.matmul.allow_tf32,
            "cudnn_tf32": torch.backends.cudnn.allow_tf32,
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
            "cudnn_deterministic": torch.backends.cudnn.deterministic,
            "deterministic": torch.are_deterministic_algorithms_enabled(),
        }
        return {"name": name, **{switch: str(value) for switch, value in switches.items()}}

    def release(self) -> None:
        """Drop unreferenced tensors, and return the GPU's pool to the system."""
        gc.collect()
        if self._gpu:
            torch.cuda.empty_cache()

    def keep(self) -> Callable[[], None]:
        cudnn = torch.backends.cudnn
        flags = ("enabled", "allow_tf32", "benchmark", "deterministic")
        kept = [
            (torch.set_grad_enabled, torch.is_grad_enabled()),
            (torch.set_default_dtype, torch.get_default_dtype()),
            (torch.set_num_threads, torch.get_num_threads()),
            (torch.set_float32_matmul_precision, torch.get_float32_matmul_precision()),
            (torch.use_deterministic_algorithms, torch.are_deterministic_algorithms_enabled()),
            (torch.autograd.set_detect_anomaly, torch.is_anomaly_enabled()),
            *((partial(setattr, cudnn, flag), getattr(cudnn, flag)) for flag in flags),
        ]

        def put_back() -> None:
            for setter, value in kept:
                setter(value)

        return put_back

    def to_numpy(self, value: Any) -> Array:
        dense = value.to_dense() if value.is_sparse else value
        fetched: Array = keras.ops.convert_to_numpy(dense)
        return fetched


def _check_mode(setting: Setting) -> None:
    """Refuse what PyTorch cannot do on any machine."""
    if setting.mode is Mode.XLA:
        raise UnavailableError("PyTorch has no XLA here: measure mode graph, which is its compiler")
    dynamic = setting.time_axis is TimeAxis.DYNAMIC and setting.mode is Mode.GRAPH
    if dynamic and setting.seq_len == 1:
        raise UnavailableError("PyTorch compiles a length of 1 for that length alone")


def _check_device(device: str, kind: str, number: int) -> None:
    present = {"cpu": 1, "gpu": torch.cuda.device_count() if kind == "gpu" else 0}
    if number >= present.get(kind, 0):
        raise UnavailableError(f"PyTorch sees no {device} on this machine")


def _use_threads(number: int) -> None:
    torch.set_num_threads(number)
    if torch.get_num_interop_threads() != number:  # it may be set once in a process
        torch.set_num_interop_threads(number)


def open_engine(setting: Setting) -> TorchEngine:
    """Start PyTorch; raises UnavailableError where it lacks the device, the mode or a compiler."""
    return TorchEngine(setting)
