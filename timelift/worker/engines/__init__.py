"""Engines: the only code that knows a framework. One module a backend, all with one interface.

A module has its backend's name and an `open_engine(setting)`. Importing it runs no operation, so
that a process may import it and fork.
"""

import gc
import importlib
import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from timelift.case import Backend, Setting

Array = NDArray[Any]
#: What sets a switch of Keras or of a backend, and its value.
Switch = tuple[Callable[[Any], object], Any]


class UnavailableError(Exception):
    """A device or backend that this machine lacks, in a sentence."""


@dataclass(frozen=True)
class Feed:
    """The arguments of one call, on the device.

    `inputs` is (batch, time, *features); `mask`, when lengths vary, is (batch, time) of booleans;
    `cotangent`, in the backward phase, weighs the outputs into the loss and has their shape.
    """

    inputs: Any
    mask: Any = None
    cotangent: Any = None

    @property
    def arguments(self) -> list[Any]:
        arguments = [self.inputs, self.mask]
        return arguments if self.cotangent is None else [*arguments, self.cotangent]


class Compiled(Protocol):
    """A model made callable in one phase and mode."""

    @property
    def traces(self) -> int: ...

    @property
    def operations(self) -> Counter[str] | None:
        """The nodes of its traced graph by kind, counted when asked for, outside of any clock.

        None in eager mode, and until it was traced or called, whichever a backend needs.
        """

    def trace(self, feed: Feed) -> None:
        """Trace without running, where a backend can."""

    def bind(self, feed: Feed) -> Callable[[], Any]:
        """Make the call that is timed, with no detour.

        It returns the outputs; or the loss, its gradients by the inputs, if asked for, and by the
        weights, and whatever else a training step changes.
        """


class Engine(ABC):
    """One backend on one device with a number of threads; made before any operation runs.

    It is `warm` if opening it has compiled something already.
    """

    warm: bool = False

    @abstractmethod
    def place(self, array: Array) -> Any: ...

    def place_ragged(self, array: Array, valid: Array) -> Any:  # noqa: ARG002
        """Put the valid steps of (batch, time, …) on the device as a ragged tensor."""
        raise TypeError("Keras has ragged tensors on TensorFlow alone")

    @abstractmethod
    def to_numpy(self, value: Any) -> Array:
        """Fetch a tensor; a sparse gradient becomes dense."""

    @abstractmethod
    def compile(self, model: Any, setting: Setting, *, training: bool) -> Compiled: ...

    @abstractmethod
    def wait(self, result: Any) -> None:
        """Return once `result`, and all that was asked of the device before it, is there."""

    @abstractmethod
    def apply(self, layer: Any, step: Any, *, training: bool) -> Array: ...

    @abstractmethod
    def differentiate(
        self, layer: Any, steps: Sequence[Any], cotangents: Sequence[Any], *, training: bool
    ) -> tuple[list[Array], list[Array]]:
        """Return gradients of sum(layer(step) * cotangent) by each step and trainable weight.

        Those by whole numbers are zeros.
        """

    @abstractmethod
    def seed(self, number: int) -> None:
        """Seed Python, numpy and the backend, so that weights and noise are drawn alike."""

    def pooled_peak_bytes(self, call: Callable[[], Any]) -> int:  # noqa: ARG002
        """Return the bytes of the backend's own pool in host memory that `call` holds at most.

        0 where the backend takes the host's memory from the system, block by block.
        """
        return 0

    @abstractmethod
    def device_peak_bytes(self, call: Callable[[], Any]) -> int | None:
        """Return the device's bytes that `call` adds at its peak; None in the host's memory.

        None as well where the backend does not report it.
        """

    @abstractmethod
    def identity(self) -> Mapping[str, str]:
        """Return the device, and the switches that change how exactly and how fast it computes."""

    def reusing_compiled(self) -> AbstractContextManager[None]:
        """Reuse inside what earlier workers of the run have compiled, where the backend can."""
        return nullcontext()

    def release(self) -> None:
        """Drop unreferenced tensors, and return what the device holds unused to the system."""
        gc.collect()

    @abstractmethod
    def switches(self) -> list[Switch]:
        """Return the backend's own switches as they are now."""


def open_engine(setting: Setting) -> Engine:
    """Start the setting's backend on its device; raises UnavailableError with a sentence."""
    engine: Engine = load(setting.backend).open_engine(setting)
    return engine


#: What Keras and TensorFlow import if it is there, for `fit`, pictures and TensorFlow Lite: a third
#: of what their own import takes.
_UNUSED = ("pandas", "matplotlib", "jax")


def load(backend: str) -> Any:
    """Import the module of a backend, which `KERAS_BACKEND` must name already.

    On other backends Keras would import TensorFlow too where it copies a layer or seeds, to see
    whether something is one of TensorFlow's types: there it is made to believe that there is none.
    """
    with _hidden(name for name in _UNUSED if name != backend), _uncollected():
        from keras.src.utils import module_utils  # noqa: PLC0415 - the backend is chosen by now

        if backend != Backend.TENSORFLOW:
            module_utils.tensorflow._available = False  # noqa: SLF001
        return importlib.import_module(f"timelift.worker.engines.{backend}")


@contextmanager
def _uncollected() -> Iterator[None]:
    """Collect no garbage, and later never look through what was made inside.

    An import makes a million objects and hardly any garbage; a process that forks does the same
    (https://docs.python.org/3/library/gc.html#gc.freeze).
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


@contextmanager
def _hidden(names: Iterable[str]) -> Iterator[None]:
    """Let packages that are not imported yet seem not to be installed; later they can be imported.

    In `sys.modules` None stands for a module that cannot be imported
    (https://docs.python.org/3/reference/import.html#the-module-cache).
    """
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
