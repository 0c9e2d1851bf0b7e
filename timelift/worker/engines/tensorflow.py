"""TensorFlow on one device."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from timelift.case import BACKEND_THREADS, Setting
from timelift.worker.engines import Array, Engine, UnavailableError
from timelift.worker.engines.tensorflow_compiled import TensorFlowCompiled

#: The events of the pool of host memory.
_ALLOCATED, _RELEASED = "MemoryAllocation", "MemoryDeallocation"


class TensorFlowEngine(Engine):
    def __init__(self, setting: Setting) -> None:
        threads = setting.threads
        if threads != BACKEND_THREADS:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
        self._kind = setting.device_kind
        place = _show_only(self._kind, setting.device_number)
        logical = tf.config.list_logical_devices(self._kind.upper())
        if len(logical) <= place:
            raise UnavailableError(f"TensorFlow sees no {setting.device} on this machine")
        self._name = f"{self._kind.upper()}:{place}"
        self.device = f"/{self._kind}:{place}"
        self._scope = ExitStack()  # held for good: weights are made on the device
        self._scope.enter_context(tf.device(self.device))
        tf.config.experimental.set_synchronous_execution(True)

    def place(self, array: Array) -> Any:
        with tf.device(self.device):
            return tf.identity(tf.constant(array))

    def place_ragged(self, array: Array, valid: Array) -> Any:
        with tf.device(self.device):
            return tf.RaggedTensor.from_row_lengths(array[valid], valid.sum(axis=1))

    def to_numpy(self, value: Any) -> Array:
        return np.asarray(tf.convert_to_tensor(value).numpy())

    def compile(self, model: Any, setting: Setting, *, training: bool) -> TensorFlowCompiled:
        return TensorFlowCompiled(model, setting, self.device, training=training)

    def wait(self, result: Any) -> None:  # noqa: ARG002 - devices are waited for whole
        """Block until the GPU has finished; `.numpy()` would add a copy.

        On a CPU every call has ended when it returns (synchronous execution, TensorFlow's default).
        Waiting there all the same runs an operation that finds the pool's threads asleep: 10 µs in
        a row, and 40 to 200 µs after a sample, which each sample would be billed.
        """
        if self._kind != "cpu":
            tf.test.experimental.sync_devices()

    def apply(self, layer: Any, step: Any, *, training: bool) -> Array:
        with tf.device(self.device):
            return self.to_numpy(layer(step, training=training))

    def differentiate(
        self, layer: Any, steps: Sequence[Any], cotangents: Sequence[Any], *, training: bool
    ) -> tuple[list[Array], list[Array]]:
        weights = list(layer.trainable_weights)
        values = [weight.value for weight in weights]
        with tf.device(self.device), tf.GradientTape() as tape:
            tape.watch([step for step in steps if step.dtype.is_floating])
            outputs = [layer(step, training=training) for step in steps]
        # weighing and summing the outputs here would take three more kinds of eager operations,
        # and the first of a kind in a process costs oneDNN 5 ms
        input_gradients, weight_gradients = tape.gradient(
            outputs,
            (list(steps), values),
            output_gradients=list(cotangents),
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return [self.to_numpy(one) for one in input_gradients], [
            self.to_numpy(one) for one in weight_gradients
        ]

    def seed(self, number: int) -> None:
        keras.utils.set_random_seed(number)

    def pooled_peak_bytes(self, call: Callable[[], Any]) -> int:
        """Return the bytes of the CPU's pool that `call` holds at most at once; 0 without a pool.

        With oneDNN, which is how TensorFlow comes for x86, blocks of 256 KiB and more are taken
        from a pool (BFC) that returns nothing to the system, so the resident set of a process does
        not show them. The pool reports each allocation and release to TensorFlow's profiler, with
        the bytes asked for. Source: mkl_cpu_allocator.h and bfc_allocator.cc (AddTraceMe) in
        tensorflow/core/common_runtime.
        """
        if not _has_pool():
            return 0
        held, live, peak = 0, dict[int, int](), 0
        for event, place, asked in _pool_events(call):
            if event == _ALLOCATED:
                live[place], held = asked, held + asked
            else:
                held -= live.pop(place, 0)
            peak = max(peak, held)
        return peak

    def device_peak_bytes(self, call: Callable[[], Any]) -> int | None:
        if self._kind == "cpu":
            return None
        tf.config.experimental.reset_memory_stats(self._name)
        before = tf.config.experimental.get_memory_info(self._name)["current"]
        call()
        peak = tf.config.experimental.get_memory_info(self._name)["peak"]
        return max(0, int(peak) - int(before))

    def identity(self) -> dict[str, str]:
        (physical, *_) = tf.config.get_visible_devices(self._kind.upper())
        details = tf.config.experimental.get_device_details(physical)
        return {
            "name": str(details.get("device_name", self._kind)),
            "tf32": str(tf.config.experimental.tensor_float_32_execution_enabled()),
            "soft_placement": str(tf.config.get_soft_device_placement()),
        }

    def save_switches(self) -> Callable[[], None]:
        eagerly = tf.config.functions_run_eagerly()
        waits = tf.config.experimental.get_synchronous_execution()

        def restore() -> None:
            tf.config.run_functions_eagerly(eagerly)
            if tf.config.experimental.get_synchronous_execution() != waits:
                tf.config.experimental.set_synchronous_execution(waits)

        return restore


def _show_only(kind: str, number: int) -> int:
    """Hide every GPU but the chosen one, and let its memory grow; return its number from then on.

    TensorFlow would start all of them, and take nearly all of their memory, even for the CPU.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus or (kind == "gpu" and number >= len(gpus)):
        return number
    shown = [gpus[number]] if kind == "gpu" else []
    if tf.config.get_visible_devices("GPU") != shown:
        tf.config.set_visible_devices(shown, "GPU")
    for one in shown:
        tf.config.experimental.set_memory_growth(one, True)  # noqa: FBT003 - TensorFlow's signature
    return 0 if kind == "gpu" else number


def open_engine(setting: Setting) -> TensorFlowEngine:
    return TensorFlowEngine(setting)


def _has_pool() -> bool:
    """True if the CPU's allocator is the pool: no other one counts (`get_memory_info` raises)."""
    try:
        tf.config.experimental.get_memory_info("CPU:0")
    except ValueError:
        return False
    return True


def _pool_events(call: Callable[[], object]) -> Iterator[tuple[str, int, int]]:
    """Yield (event, address, bytes asked for) of each block while `call` runs, in order of time."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2  # noqa: PLC0415 - no public module

    options = tf.profiler.experimental.ProfilerOptions(
        host_tracer_level=2, python_tracer_level=0, device_tracer_level=0
    )
    with tempfile.TemporaryDirectory(prefix="timelift-") as folder:
        tf.profiler.experimental.start(folder, options)
        try:
            call()
        finally:
            tf.profiler.experimental.stop()
        for path in Path(folder).rglob("*.xplane.pb"):
            space = xplane_pb2.XSpace()
            space.ParseFromString(path.read_bytes())
            found = [event for plane in space.planes for event in _plane_events(plane)]
            for _, name, place, asked in sorted(found):
                yield name, place, asked


def _plane_events(plane: Any) -> Iterator[tuple[int, str, int, int]]:
    """Yield (picoseconds, event, address, bytes) of a plane of the profile."""
    stats = {number: one.name for number, one in plane.stat_metadata.items()}
    for line in plane.lines:
        for event in line.events:
            name = plane.event_metadata[event.metadata_id].name
            if name in {_ALLOCATED, _RELEASED}:
                values = {stats[one.metadata_id]: one.int64_value for one in event.stats}
                when = line.timestamp_ns * 1000 + event.offset_ps
                yield when, name, values["addr"], values["requested_bytes"]
