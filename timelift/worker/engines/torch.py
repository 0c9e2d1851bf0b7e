"""PyTorch: plain calls, and `torch.compile` with its own compiler, inductor.

Inductor's caches are off, so that it compiles in every launch. It compiles in this process alone,
since a worker must not leave processes behind.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import keras
import torch
from torch._inductor import config as inductor

from timelift.axis_values import Gradients, Mode, Phase, TimeAxis
from timelift.case import BACKEND_THREADS, Setting
from timelift.worker.engines import Array, Compiled, Engine, Feed, UnavailableError, mask_arg
from timelift.worker.engines.train_step import TrainStep, data_of, loss_of

inductor.force_disable_caches = True
inductor.compile_threads = 1  # before the next import, which may start processes

from torch._inductor import cpu_vec_isa  # noqa: E402
from torch._inductor.compile_fx import compile_fx  # noqa: E402

#: Kinds of nodes of a captured graph that call nothing.
_CALLS_NOTHING = frozenset({"placeholder", "get_attr", "output"})


class TorchEngine(Engine):
    def __init__(self, setting: Setting) -> None:
        self.warm = setting.mode is Mode.GRAPH
        _check_available(setting)
        if setting.threads != BACKEND_THREADS:
            torch.set_num_threads(setting.threads)
            if torch.get_num_interop_threads() != setting.threads:  # it may be set once a process
                torch.set_num_interop_threads(setting.threads)
        self._gpu = not setting.on_cpu
        self.device = torch.device(f"cuda:{setting.device_number}" if self._gpu else "cpu")
        if self._gpu:
            torch.cuda.set_device(self.device)
        self._scope = ExitStack()  # never left: no call pays for a scope
        self._scope.enter_context(keras.device(setting.device))
        if setting.mode is Mode.GRAPH:
            _prepare_compiler(self.device, differentiates=setting.differentiates)
            # Keras makes the scope's attribute at its first use. Models that were compiled before
            # it was there would be compiled again, so that a rival would pay for a later one.
            with keras.StatelessScope():
                pass

    def place(self, array: Array) -> Any:
        return keras.ops.convert_to_tensor(array).clone()

    def to_numpy(self, value: Any) -> Array:
        dense = value.to_dense() if value.is_sparse else value
        fetched: Array = keras.ops.convert_to_numpy(dense)
        return fetched

    def compile(self, model: Any, setting: Setting, *, training: bool) -> "TorchCompiled":
        return TorchCompiled(model, setting, training=training)

    def wait(self, result: Any) -> None:  # noqa: ARG002 - the device is waited for whole
        """Wait for the GPU; on a CPU every call has ended when it returns."""
        if self._gpu:
            torch.cuda.synchronize(self.device)

    def apply(self, layer: Any, step: Any, mask: Any, *, training: bool) -> list[Array]:
        with torch.no_grad():
            return super().apply(layer, step, mask, training=training)

    def differentiate(
        self, layer: Any, step: Any, mask: Any, cotangents: Sequence[Any], *, training: bool
    ) -> tuple[list[Array], list[Array]]:
        step = keras.tree.map_structure(torch.detach, step)
        leaves = [leaf.requires_grad_() for leaf in _float_leaves(step)]
        outputs = layer(step, training=training, **mask_arg(mask))
        loss = loss_of(_float_leaves(outputs), cotangents, torch.sum)
        weights = [weight.value for weight in layer.trainable_weights]
        sources = [*leaves, *(weight for weight in weights if weight.requires_grad)]
        gradients = torch.autograd.grad(loss, sources, materialize_grads=True) if sources else ()
        fetched = [*map(self.to_numpy, gradients)]
        return fetched[: len(leaves)], fetched[len(leaves) :]

    def seed(self, number: int) -> None:
        super().seed(number)
        torch.manual_seed(number)

    def device_peak_bytes(self, call: Callable[[], Any]) -> int:
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
        super().release()
        if self._gpu:
            torch.cuda.empty_cache()

    def switches(self) -> list[Any]:
        cudnn = torch.backends.cudnn
        flags = ("enabled", "allow_tf32", "benchmark", "deterministic")
        return [
            (torch.set_grad_enabled, torch.is_grad_enabled()),
            (torch.set_default_dtype, torch.get_default_dtype()),
            (torch.set_num_threads, torch.get_num_threads()),
            (torch.set_float32_matmul_precision, torch.get_float32_matmul_precision()),
            (torch.use_deterministic_algorithms, torch.are_deterministic_algorithms_enabled()),
            (torch.autograd.set_detect_anomaly, torch.is_anomaly_enabled()),
            *((partial(setattr, cudnn, flag), getattr(cudnn, flag)) for flag in flags),
        ]


open_engine = TorchEngine


def _check_available(setting: Setting) -> None:
    if setting.mode is Mode.XLA:
        raise UnavailableError("PyTorch has no XLA here: measure mode graph, which is its compiler")
    dynamic = setting.time_axis is TimeAxis.DYNAMIC and setting.mode is Mode.GRAPH
    if dynamic and setting.seq_len == 1:
        raise UnavailableError("PyTorch compiles a length of 1 for that length alone")
    present = 1 if setting.on_cpu else torch.cuda.device_count()
    if setting.device_number >= present:
        raise UnavailableError(f"PyTorch sees no {setting.device} on this machine")


def _prepare_compiler(device: Any, *, differentiates: bool) -> None:
    """Compile something tiny, and its gradient; raises UnavailableError if that fails.

    So no rival pays for the first compilation of a process, with its imports, nor for that of a
    machine, which finds the vector instructions of processor and C++ compiler and stores them.
    """
    try:
        if device.type == "cpu":
            cpu_vec_isa.pick_vec_isa()
        tiny = torch.ones(2, device=device, requires_grad=differentiates)
        outputs = torch.compile(lambda x: x.tanh() + 1, backend=compile_fx)(tiny)
        if tiny.requires_grad:
            outputs.sum().backward()
    except Exception as error:
        raise UnavailableError(
            f"torch.compile does not work here: {_cause(error)}; it needs a C++ compiler and "
            "Python's headers, on Debian: apt-get install g++ python3-dev"
        ) from error


def _cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text[:200]}"


class TorchCompiled(Compiled):
    """One model in one phase and mode; counts the graphs that are handed to the compiler.

    A model whose Python cannot be captured whole becomes several graphs with Python between them:
    `traces` is the number of graphs, and `operations` counts the nodes of all of them.
    """

    def __init__(self, model: Any, setting: Setting, *, training: bool) -> None:
        self._model, self._setting = model, setting
        self._step = TrainStep(model, training=training) if setting.phase is Phase.TRAIN else None

        def outputs_of(inputs: Any, mask: Any) -> Any:
            return model(inputs, training=training, mask=mask)

        self._function: Callable[..., Any] = self._step.train_step if self._step else outputs_of
        if setting.mode is not Mode.EAGER:
            varies = setting.time_axis is TimeAxis.DYNAMIC
            self._function = torch.compile(
                self._function,
                backend=self._compile,
                isolate_recompiles=True,
                dynamic=None if varies else False,  # or the parts of one model share their shapes
            )

    def _compile(self, graph: Any, examples: Sequence[Any]) -> Any:
        self.traces += 1
        self.operations = (self.operations or Counter()) + Counter(map(_kind, graph.graph.nodes))
        return compile_fx(graph, examples)

    def bind(self, feed: Feed) -> Callable[[], Any]:
        inputs, mask = feed.inputs, feed.mask
        if feed.cotangents is not None:
            inputs = keras.tree.map_structure(torch.detach, inputs)
        if self._setting.time_axis is TimeAxis.DYNAMIC and self._setting.mode is Mode.GRAPH:
            for tensor in keras.tree.flatten((inputs, mask, feed.cotangents)):
                # PyTorch raises rather than compile for one length alone, as it does for 1
                if tensor is not None and tensor.shape[1] > 1:
                    torch._dynamo.mark_dynamic(tensor, 1)  # noqa: SLF001 - as it documents
        if feed.cotangents is None:
            return partial(_forward, self._function, inputs, mask)
        if self._step:
            return partial(self._function, data_of(Feed(inputs, mask, feed.cotangents)))
        sources = [weight.value for weight in self._model.trainable_weights]
        if self._setting.gradients is Gradients.INPUTS_AND_WEIGHTS:
            sources = [*(leaf.requires_grad_() for leaf in _float_leaves(inputs)), *sources]
        return partial(_backward, self._function, sources, inputs, mask, *feed.cotangents)


def _float_leaves(nest: Any) -> list[Any]:
    return [leaf for leaf in keras.tree.flatten(nest) if leaf.is_floating_point()]


def _kind(node: Any) -> str:
    called = node.op if node.op in _CALLS_NOTHING else node.target
    return str(getattr(called, "__name__", called))


def _forward(outputs_of: Callable[..., Any], inputs: Any, mask: Any) -> Any:
    with torch.no_grad():
        return outputs_of(inputs, mask)


def _backward(
    outputs_of: Callable[..., Any], sources: Sequence[Any], inputs: Any, mask: Any, *cotangents: Any
) -> Any:
    """Compute the loss outside the compiled part, as a training loop does."""
    loss = loss_of(_float_leaves(outputs_of(inputs, mask)), cotangents, torch.sum)
    return loss, torch.autograd.grad(loss, sources, allow_unused=True) if sources else ()
