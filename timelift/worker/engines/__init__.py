"""Engines: the only code that knows a framework. One module a backend, all with one interface.

A module bears its backend's name and has `open_engine(setting)`. Importing it runs no operation, so
that a process may import it and fork.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from timelift.case import Backend, Setting

Array = NDArray[Any]


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


class Compiled(Protocol):
    """A model made callable in one phase and mode."""

    @property
    def traces(self) -> int: ...

    @property
    def nodes(self) -> int | None:
        """The nodes of its graph, counted when asked for, outside of any clock.

        None in eager mode, and until it was traced or called, whichever a backend needs.
        """

    def trace(self, feed: Feed) -> None:
        """Trace without running, where a backend can."""

    def bind(self, feed: Feed) -> Callable[[], Any]:
        """Make the call that is timed, with no detour.

        It gives the outputs; or the loss, its gradients by the inputs, if asked for, and by the
        weights, and whatever else a training step changes.
        """


class Engine(Protocol):
    """One backend on one device; it is `warm` if opening it has compiled something already."""

    warm: bool

    def place(self, array: Array) -> Any: ...

    def place_ragged(self, array: Array, valid: Array) -> Any:
        """Put the valid steps of (batch, time, …) on the device as a ragged tensor."""

    def compile(self, model: Any, setting: Setting, *, training: bool) -> Compiled: ...

    def wait(self, result: Any) -> None:
        """Return once `result`, and all that was asked of the device before it, is there."""

    def apply(self, layer: Any, step: Any, *, training: bool) -> Array: ...

    def differentiate(
        self, layer: Any, steps: Sequence[Any], cotangents: Sequence[Any], *, training: bool
    ) -> tuple[list[Array], list[Array]]:
        """Return gradients of sum(layer(step) * cotangent) by each step and trainable weight."""

    def work(
        self, layer: Any, rows: int, features: Sequence[int], setting: Setting
    ) -> dict[str, int]:
        """Count what the inner layer must do for `rows` steps; empty where that is not known."""

    def attainable(self) -> dict[str, float]: ...

    def seed(self, number: int) -> None:
        """Seed Python, numpy and the backend, so that weights and noise are drawn alike."""

    def pooled_peak_bytes(self, call: Callable[[], Any]) -> int:
        """Return the bytes of the backend's own pool in host memory that `call` holds at most."""

    def device_peak_bytes(self, call: Callable[[], Any]) -> int | None:
        """Return the device's bytes that `call` adds at its peak; None in the host's memory.

        None as well where the backend does not tell.
        """

    def identity(self) -> Mapping[str, str]:
        """Return the device, and the switches that change how exactly and how fast it computes."""

    def release(self) -> None:
        """Return what the device holds unused to the system."""

    def keep(self) -> Callable[[], None]:
        """Note the backend's own switches; calling the result puts them back."""

    def to_numpy(self, value: Any) -> Array:
        """Fetch a tensor; a sparse gradient becomes dense."""


def open_engine(setting: Setting) -> Engine:
    """Start the setting's backend on its device; raises UnavailableError with a sentence."""
    engine: Engine = load(setting.backend).open_engine(setting)
    return engine


def load(backend: str) -> Any:
    """Import the module of a backend; Keras must be told of it first (`KERAS_BACKEND`).

    On other backends Keras would import TensorFlow too where it copies a layer or seeds, to see
    whether something is one of TensorFlow's types: there it is made to believe that there is none.
    """
    if backend != Backend.TENSORFLOW:
        from keras.src.utils import module_utils  # noqa: PLC0415 - the backend is chosen by now

        module_utils.tensorflow._available = False  # noqa: SLF001
    return importlib.import_module(f"timelift.worker.engines.{backend}")
