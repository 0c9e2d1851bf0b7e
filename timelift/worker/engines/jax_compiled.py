"""A Keras model as a function of its weights, differentiated and compiled by JAX."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import keras
from jax import numpy as jnp

from timelift.case import Gradients, Mode, Phase, Setting
from timelift.worker.engines import Feed


class JaxCompiled:
    """One model in one phase and mode; counts its traces from inside the traced Python.

    Weights are arguments of the function, or XLA would fold them as constants, and all that a
    training step changes is among its results, or XLA would leave it out.
    """

    def __init__(self, model: Any, setting: Setting, *, training: bool) -> None:
        self.traces = 0
        self._program: Any = None
        self._model, self._training, self._setting = model, training, setting
        body: Any = self._forward if setting.phase is Phase.FORWARD else self._backward
        self._function: Any = jax.jit(body) if self._compiles else body

    @property
    def _compiles(self) -> bool:
        return self._setting.mode is not Mode.EAGER

    def _called(self, weights: Any, state: Any, inputs: Any, mask: Any) -> tuple[Any, Any]:
        self.traces += self._compiles
        masked = {} if mask is None else {"mask": mask}
        outputs, after = called(
            self._model, weights, state, inputs, training=self._training, **masked
        )
        pairs = zip(after, state, strict=True)
        return outputs, [new for new, old in pairs if new is not old]

    def _forward(self, weights: Any, state: Any, inputs: Any, mask: Any) -> Any:
        return self._called(weights, state, inputs, mask)[0]

    def _backward(self, weights: Any, state: Any, inputs: Any, mask: Any, cotangent: Any) -> Any:
        def loss(weights: Any, inputs: Any) -> tuple[Any, Any]:
            outputs, changed = self._called(weights, state, inputs, mask)
            _check_alike(outputs, cotangent)
            return jnp.sum(outputs * cotangent), changed

        both = self._setting.gradients is Gradients.INPUTS_AND_WEIGHTS
        differentiated = jax.value_and_grad(loss, (0, 1) if both else (0,), has_aux=True)
        (value, changed), (by_weight, *by_inputs) = differentiated(weights, inputs)
        self._check_there(changed)
        return value, [*by_inputs, *by_weight], changed

    def _check_there(self, changed: list[Any]) -> None:
        """Refuse eagerly what `jax.jit` refuses by itself: a value of no use outside of a loop."""
        if not self._compiles and any(isinstance(one, jax.core.Tracer) for one in changed):
            raise ValueError("what the layer assigns inside a transformed function is lost")

    def _arguments(self, feed: Feed) -> list[Any]:
        arguments = [*held(self._model), feed.inputs, feed.mask]
        return arguments if feed.cotangent is None else [*arguments, feed.cotangent]

    def trace(self, feed: Feed) -> None:
        if self._compiles:
            self._program = self._function.trace(*self._arguments(feed)).jaxpr

    @functools.cached_property
    def nodes(self) -> int | None:
        """Return the equations of the traced program; None in eager mode."""
        return None if self._program is None else equations(self._program)

    def bind(self, feed: Feed) -> Callable[[], Any]:
        return functools.partial(self._function, *self._arguments(feed))


def held(layer: Any) -> tuple[list[Any], list[Any]]:
    trained = [variable.value for variable in layer.trainable_variables]
    return trained, [variable.value for variable in layer.non_trainable_variables]


def called(
    layer: Any, weights: Sequence[Any], state: Sequence[Any], inputs: Any, **how: Any
) -> tuple[Any, list[Any]]:
    """Call a layer with values in place of its variables; return the outputs and the state after.

    Keras's own `stateless_call` leaves out what `layer(...)` does around the call: the casts, and
    the arguments that the layer has no use for.
    """
    trained, others = layer.trainable_variables, layer.non_trainable_variables
    values = zip([*trained, *others], [*weights, *state], strict=True)
    with keras.StatelessScope(list(values)) as scope:
        outputs = layer(inputs, **how)
    now = [(other, scope.get_current_value(other)) for other in others]
    return outputs, [other.value if value is None else value for other, value in now]


def _check_alike(outputs: Any, cotangent: Any) -> None:
    """Refuse shapes that differ, since they would broadcast."""
    if outputs.shape != cotangent.shape:
        raise ValueError(f"outputs have shape {outputs.shape}, their weights {cotangent.shape}")


def equations(program: Any) -> int:
    return len(program.eqns) + sum(map(equations, nested(program)))


def nested(program: Any) -> list[Any]:
    found = jax.tree_util.tree_leaves([equation.params for equation in program.eqns])
    return [one for one in found if hasattr(one, "eqns")]
