"""Engines: the only code that knows a framework, one module a backend.

A module has its backend's name and an `open_engine`, which takes a setting. No operation runs while
it is imported, so that a process may import it and fork.
"""

import gc
import importlib
import random
import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelift.axis_values import Backend
from timelift.case import Setting

Array = NDArray[Any]


class UnavailableError(Exception):
    """A device or mode that this machine or backend lacks, in a sentence."""


@dataclass(frozen=True)
class Feed:
    """The arguments of one call, on the device.

    `inputs` is a nest of tensors (batch, time, *features). `mask` is None, or the same nest of
    booleans: (batch, time), (batch, time, first axis of the features), or None for a tensor that
    has none. Where a call differentiates, `cotangents` has a tensor for each float leaf of the
    flattened outputs, in its shape, and their products sum to the loss.
    """

    inputs: Any
    mask: Any = None
    cotangents: Sequence[Any] | None = None

    @property
    def arguments(self) -> list[Any]:
        return [self.inputs, self.mask, *(self.cotangents or ())]


class Compiled:
    """A model made callable in one phase and mode."""

    traces = 0
    #: The nodes of its graph by kind; None in eager mode and before the backend has a graph, which
    #: TensorFlow and JAX have after `trace`, PyTorch after the first call. Counting takes a while,
    #: so it is not done on any clock.
    operations: Counter[str] | None = None
    _step: Any = None
    #: What else is known of it after its first call: facts of a measurement, by name.
    facts: Mapping[str, Any] = {}
    #: Whether the law looks if it follows its weights.
    checks_weights = True

    def anew(self, feed: Feed) -> "Compiled":  # noqa: ARG002 - what is exported is traced with it
        """Return what computes with the weights as they are now: itself, unless it is exported."""
        return self

    def trace(self, feed: Feed) -> None:
        """Trace without running, where a backend can; PyTorch traces in its first call."""

    def bind(self, feed: Feed) -> Callable[[], Any]:
        """Return the call that is timed, without any work around it.

        It returns the outputs; in the backward phase the loss, a list of the gradients by the float
        leaves of the inputs, if the setting has them, and by the weights, and on JAX the other
        variables that a step changes; in the train phase the loss metric by its name.
        """
        raise NotImplementedError

    def assign_changed(self, result: Any) -> None:
        """Assign the other variables that a call has changed, where it returned them instead."""

    def step(self) -> Any:
        """Return the `TrainStep`, its variables as the last call left them; None in other phases.

        A call that is bound later starts from them.
        """
        return self._step


class Engine(ABC):
    """One backend on one device; opened before any operation runs, `warm` if that compiled one."""

    warm: bool = False

    @abstractmethod
    def place(self, array: Array) -> Any: ...

    def place_ragged(self, array: Array, valid: Array) -> Any:  # noqa: ARG002
        """Place the valid steps of (batch, time, …) on the device, as a ragged tensor."""
        raise TypeError("Keras has ragged tensors on TensorFlow alone")

    @abstractmethod
    def to_numpy(self, value: Any) -> Array:
        """Fetch a tensor; a sparse one becomes dense."""

    @abstractmethod
    def compile(self, model: Any, setting: Setting, *, training: bool) -> Compiled: ...

    @abstractmethod
    def wait(self, result: Any) -> None:
        """Block until `result` is computed, and all calls before it."""

    def apply(self, layer: Any, step: Any, mask: Any, *, training: bool) -> list[Array]:
        """Return the flattened outputs of a nest of tensors; without a mask, none is passed."""
        import keras  # noqa: PLC0415 - the backend is chosen by now

        outputs = layer(step, training=training, **mask_arg(mask))
        return [*map(self.to_numpy, keras.tree.flatten(outputs))]

    @abstractmethod
    def differentiate(
        self, layer: Any, step: Any, mask: Any, cotangents: Sequence[Any], *, training: bool
    ) -> tuple[list[Array], list[Array]]:
        """Return gradients of all float outputs times `cotangents`, by float leaves and weights."""

    def seed(self, number: int) -> None:
        """Seed Python's generator, numpy's and the backend's, for weights and noise of layers.

        Keras's `set_random_seed` would import TensorFlow for its seed.
        """
        random.seed(number)
        np.random.seed(number)  # noqa: NPY002 - a user's layer may draw from the global generator

    def pooled_peak_bytes(self, call: Callable[[], Any]) -> int:  # noqa: ARG002
        """Return the peak of `call` in the backend's own pool of host memory; 0 without a pool."""
        return 0

    @abstractmethod
    def device_peak_bytes(self, call: Callable[[], Any]) -> int | None:
        """Return the bytes of a GPU's memory that `call` adds at its peak; None if unknown."""

    @abstractmethod
    def identity(self) -> Mapping[str, str]:
        """Return the device's name, and the switches on which its precision and speed depend."""

    def reusing_compiled(self) -> AbstractContextManager[None]:
        """Load programs that earlier workers have compiled, where the backend can."""
        return nullcontext()

    def release(self) -> None:
        """Delete unreferenced tensors, and return unused memory of the device to the system."""
        gc.collect()

    @abstractmethod
    def switches(self) -> list[tuple[Callable[[Any], object], Any]]:
        """Return the functions that set what a strategy might turn, each with its value now."""


def mask_arg(mask: Any) -> dict[str, Any]:
    """The keyword that hands a mask to a layer: layers without masks take none."""
    return {} if mask is None else {"mask": mask}


def open_engine(setting: Setting) -> Engine:
    """Start the setting's backend on its device; raises UnavailableError."""
    engine: Engine = load(setting.backend).open_engine(setting)
    return engine


#: Packages that Keras and TensorFlow import, where they are installed, for `fit`, pictures and
#: TensorFlow Lite: a third of the time of their own import.
_UNUSED = ("pandas", "matplotlib", "jax")


def load(backend: str) -> Any:
    """Import the module of a backend; `KERAS_BACKEND` must name it.

    Keras looks for TensorFlow's types where it copies a layer or seeds; `_available` spares that.
    """
    with _importing(backend):
        from keras.src.utils import module_utils  # noqa: PLC0415 - the backend is chosen by now

        if backend != Backend.TENSORFLOW:
            module_utils.tensorflow._available = False  # noqa: SLF001
        return importlib.import_module(f"timelift.worker.engines.{backend}")


@contextmanager
def _importing(backend: str) -> Iterator[None]:
    """Let imports of `_UNUSED` fail inside, and exempt what they make from collections of garbage.

    In `sys.modules` None stands for a module that cannot be imported
    (https://docs.python.org/3/reference/import.html#the-module-cache), and a process that forks
    should freeze (https://docs.python.org/3/library/gc.html#gc.freeze).
    """
    hidden = [name for name in _UNUSED if name != backend and name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
        gc.freeze()
        if enabled:
            gc.enable()
