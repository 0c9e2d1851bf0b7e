"""Engines: the only code that knows a framework. One module a backend, all with one surface."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from timelift.case import Backend, Setting

Array = NDArray[Any]


class UnavailableError(Exception):
    """A sentence saying which device or backend this machine lacks."""


@dataclass(frozen=True)
class Feed:
    """What one call is fed, on the device.

    `inputs` is (batch, time, *features); `mask`, when lengths vary, is (batch, time) of booleans;
    `cotangent`, in the backward phase, weighs the outputs into the loss and has their shape.
    """

    inputs: Any
    mask: Any = None
    cotangent: Any = None


class Compiled(Protocol):
    """A model made callable in one phase and mode."""

    traces: int

    def trace(self, feed: Feed) -> int | None:
        """Trace without running; return the number of graph nodes, None in eager mode."""

    def bind(self, feed: Feed) -> Callable[[], Any]:
        """Make the call that is timed: outputs, or the loss and its gradients, with no detour."""


class Engine(Protocol):
    """One backend on one device."""

    def place(self, array: Array) -> Any:
        """Put an array on the device."""

    def place_ragged(self, array: Array, valid: Array) -> Any:
        """Put the valid steps of (batch, time, …) on the device as a ragged tensor."""

    def compile(self, model: Any, setting: Setting, *, training: bool) -> Compiled:
        """Wrap a model for the setting's phase and mode."""

    def wait(self) -> None:
        """Return once the device has finished."""

    def apply(self, layer: Any, step: Any, *, training: bool) -> Array:
        """Call the inner layer once, eagerly."""

    def differentiate(
        self, layer: Any, steps: Sequence[Any], cotangents: Sequence[Any], *, training: bool
    ) -> tuple[list[Array], list[Array]]:
        """Gradients of sum(layer(step) * cotangent) by each step and by each trainable weight."""

    def work(
        self, layer: Any, rows: int, features: Sequence[int], setting: Setting
    ) -> dict[str, int]:
        """Count what the inner layer must do for `rows` steps; nothing where that is not known."""

    def attainable(self) -> dict[str, float]:
        """Measure what the device does in a second at best."""

    def keep(self) -> Callable[[], None]:
        """Note the backend's own switches; calling the result puts them back."""

    def to_numpy(self, value: Any) -> Array:
        """Fetch a tensor; a sparse gradient becomes dense."""


def open_engine(setting: Setting) -> Engine:
    """Start the setting's backend on its device; raises UnavailableError with a sentence."""
    assert setting.backend is Backend.TENSORFLOW
    from timelift.engine.tensorflow import TensorFlowEngine  # noqa: PLC0415 - one backend a process

    return TensorFlowEngine(setting.device, setting.threads)
