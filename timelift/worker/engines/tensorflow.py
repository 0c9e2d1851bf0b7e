"""TensorFlow on one device: eager, `tf.function`, and `tf.function(jit_compile=True)` for xla."""

import functools
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from timelift.axis_values import Gradients, Mode, Phase, TimeAxis
from timelift.case import BACKEND_THREADS, Setting
from timelift.worker.engines import Array, Compiled, Engine, Feed, UnavailableError, mask_arg
from timelift.worker.engines.train_step import TrainStep, data_of, loss_of

#: Names of the events of the pool of host memory in a profile.
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
        self._scope = ExitStack()  # never left: all is on the device, weights too
        self._scope.enter_context(tf.device(self.device))
        tf.config.experimental.set_synchronous_execution(True)

    def place(self, array: Array) -> Any:
        return tf.identity(tf.constant(array))

    def place_ragged(self, array: Array, valid: Array) -> Any:
        return tf.RaggedTensor.from_row_lengths(array[valid], valid.sum(axis=1))

    def to_numpy(self, value: Any) -> Array:
        return np.asarray(tf.convert_to_tensor(value).numpy())

    def compile(self, model: Any, setting: Setting, *, training: bool) -> "TensorFlowCompiled":
        return TensorFlowCompiled(model, setting, self.device, training=training)

    def wait(self, result: Any) -> None:  # noqa: ARG002 - devices are waited for whole
        """Block until the GPU has finished; `.numpy()` would add a copy.

        On a CPU calls are synchronous, and `sync_devices` would wake the pool's threads for up to
        200 µs, a part of the sample.
        """
        if self._kind != "cpu":
            tf.test.experimental.sync_devices()

    def differentiate(
        self, layer: Any, step: Any, mask: Any, cotangents: Sequence[Any], *, training: bool
    ) -> tuple[list[Array], list[Array]]:
        values = [weight.value for weight in layer.trainable_weights]
        leaves = _float_leaves(step)
        with tf.GradientTape() as tape:
            tape.watch(leaves)
            outputs = layer(step, training=training, **mask_arg(mask))
        # weighing and summing the outputs here would take three more kinds of eager operations,
        # and the first of a kind in a process costs oneDNN 5 ms
        by_leaves, by_weights = tape.gradient(
            _float_leaves(outputs),
            (leaves, values),
            output_gradients=list(cotangents),
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return [*map(self.to_numpy, by_leaves)], [*map(self.to_numpy, by_weights)]

    def seed(self, number: int) -> None:
        keras.utils.set_random_seed(number)

    def pooled_peak_bytes(self, call: Callable[[], Any]) -> int:
        """Return the peak that `call` holds of the CPU's pool, in bytes; 0 without a pool.

        oneDNN's pool (BFC) returns nothing to the system, so no resident set shows it. It reports
        each allocation to TensorFlow's profiler. Source: mkl_cpu_allocator.h and bfc_allocator.cc
        (AddTraceMe) in tensorflow/core/common_runtime.
        """
        try:
            tf.config.experimental.get_memory_info("CPU:0")
        except ValueError:  # the allocator is no pool
            return 0
        held, blocks, peak = 0, dict[int, int](), 0
        for event, address, size in _pool_events(call):
            if event == _ALLOCATED:
                blocks[address], held = size, held + size
            else:
                held -= blocks.pop(address, 0)
            peak = max(peak, held)
        return peak

    def device_peak_bytes(self, call: Callable[[], Any]) -> int:
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

    def switches(self) -> list[Any]:
        config = tf.config.experimental
        return [
            (tf.config.run_functions_eagerly, tf.config.functions_run_eagerly()),
            (config.set_synchronous_execution, config.get_synchronous_execution()),
        ]


def _show_only(kind: str, number: int) -> int:
    """Hide every GPU but the setting's, and let its memory grow; return the device's new number.

    TensorFlow would start all GPUs, and take nearly all of their memory, even for a CPU's setting.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus or (kind == "gpu" and number >= len(gpus)):
        return number
    shown = [gpus[number]] if kind == "gpu" else []
    if tf.config.get_visible_devices("GPU") != shown:
        tf.config.set_visible_devices(shown, "GPU")
    for gpu in shown:
        tf.config.experimental.set_memory_growth(gpu, True)  # noqa: FBT003 - TensorFlow's signature
    return 0 if kind == "gpu" else number


open_engine = TensorFlowEngine


class TensorFlowCompiled(Compiled):
    """One model in one phase and mode; counts its traces from inside the traced Python."""

    def __init__(self, model: Any, setting: Setting, device: str, *, training: bool) -> None:
        self._concrete: Any = None
        self._model, self._training, self._device = model, training, device
        self._setting, self._compiles = setting, setting.mode is not Mode.EAGER
        body: Any = self._backward if setting.differentiates else self._forward
        if setting.phase is Phase.TRAIN:
            self._step, body = TrainStep(model, training=training), self._train
        if self._compiles:
            body = tf.function(body, jit_compile=setting.mode is Mode.XLA, autograph=False)
        self._function = body

    def _forward(self, inputs: Any, mask: Any) -> Any:
        if self._compiles:
            self.traces += 1
        with tf.device(self._device):
            return self._model(inputs, training=self._training, mask=mask)

    def _backward(self, inputs: Any, mask: Any, *cotangents: Any) -> Any:
        sources = [weight.value for weight in self._model.trainable_weights]
        with tf.GradientTape() as tape:
            if self._setting.gradients is Gradients.INPUTS_AND_WEIGHTS:
                leaves = _float_leaves(inputs)
                tape.watch(leaves)
                sources = [*leaves, *sources]
            outputs = _float_leaves(self._forward(inputs, mask))
            loss = loss_of(outputs, cotangents, tf.reduce_sum)
        return loss, tape.gradient(loss, sources)

    def _train(self, inputs: Any, mask: Any, *cotangents: Any) -> Any:
        if self._compiles:
            self.traces += 1
        with tf.device(self._device):
            return self._step.train_step(data_of(Feed(inputs, mask, cotangents)))

    def trace(self, feed: Feed) -> None:
        """Trace the function for the feed's shapes, with time unknown on a dynamic time axis."""
        if not self._compiles:
            return
        # cotangents of ragged outputs are (steps of all sequences, *outputs)
        time = 0 if isinstance(keras.tree.flatten(feed.inputs)[0], tf.RaggedTensor) else 1
        specs = keras.tree.map_structure(lambda each: self._spec(each, time), feed.arguments)
        self._concrete = self._function.get_concrete_function(*specs)

    @functools.cached_property
    def operations(self) -> Counter[str] | None:  # type: ignore[override]
        """The nodes of the graph and of all functions inside it."""
        if self._concrete is None:
            return None
        graph = self._concrete.graph.as_graph_def()
        bodies = (inner.node_def for inner in graph.library.function)
        return Counter(node.op for nodes in (graph.node, *bodies) for node in nodes)

    def _spec(self, tensor: Any, time: int) -> Any:
        if tensor is None or isinstance(tensor, tf.RaggedTensor):
            return None if tensor is None else tf.type_spec_from_value(tensor)
        shape = list(tensor.shape)
        if self._setting.time_axis is TimeAxis.DYNAMIC:
            shape[time] = None
        return tf.TensorSpec(shape, tensor.dtype)

    def bind(self, feed: Feed) -> Callable[[], Any]:
        return functools.partial(self._function, *feed.arguments)


def _float_leaves(nest: Any) -> list[Any]:
    """The float tensors of a nest, of ragged ones their values."""
    leaves = [leaf for leaf in keras.tree.flatten(nest) if leaf.dtype.is_floating]
    return [leaf.flat_values if isinstance(leaf, tf.RaggedTensor) else leaf for leaf in leaves]


def _pool_events(call: Callable[[], object]) -> Iterator[tuple[str, int, int]]:
    """Yield (event, address, bytes) of each allocation and release while `call` runs."""
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
            events = [event for plane in space.planes for event in _plane_events(plane)]
            for _, name, address, size in sorted(events):
                yield name, address, size


def _plane_events(plane: Any) -> Iterator[tuple[int, str, int, int]]:
    """Yield (picoseconds, event, address, bytes) of a plane of the profile."""
    stats = {number: metadata.name for number, metadata in plane.stat_metadata.items()}
    for line in plane.lines:
        for event in line.events:
            name = plane.event_metadata[event.metadata_id].name
            if name in {_ALLOCATED, _RELEASED}:
                values = {stats[stat.metadata_id]: stat.int64_value for stat in event.stats}
                picoseconds = line.timestamp_ns * 1000 + event.offset_ps
                yield picoseconds, name, values["addr"], values["requested_bytes"]
