"""JAX: calls op by op, and `jax.jit`, which compiles by XLA and takes the weights as arguments.

On a CPU, JAX would dispatch a call while a thread of its own still computes the call before it, and
would wake that thread for each: the seconds of a small call would vary threefold with the number of
calls before a wait. So `jax_cpu_enable_async_dispatch` is off, and the CPU computes in the calling
thread. A call is nevertheless dispatched if an argument is still being copied to the device, and so
are the calls after it until it is computed; hence results are waited for on a CPU too.
"""

import functools
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import keras
import numpy as np
from jax import numpy as jnp
from jax.experimental.compilation_cache import compilation_cache

from timelift.axis_values import Dtype, Gradients, Mode, Phase, TimeAxis
from timelift.case import BACKEND_THREADS, Setting
from timelift.messages import COMPILED_FOLDER
from timelift.worker.engines import Array, Compiled, Engine, Feed, UnavailableError, mask_arg
from timelift.worker.engines.train_step import TrainStep, data_of, loss_of

_SWITCHES = ("jax_disable_jit", "jax_default_matmul_precision", "jax_enable_x64", "jax_debug_nans")


class JaxEngine(Engine):
    def __init__(self, setting: Setting) -> None:
        if setting.mode is Mode.XLA:
            raise UnavailableError("jax.jit compiles by XLA: measure mode graph")
        if setting.mode is Mode.GRAPH and setting.time_axis is TimeAxis.DYNAMIC:
            raise UnavailableError("jax.jit compiles anew for each length: measure a known length")
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # JAX reads it as it starts
        if setting.threads != BACKEND_THREADS:
            os.environ["PJRT_NPROC"] = str(setting.threads)  # XLA has no other switch
        if setting.on_cpu:
            jax.config.update("jax_platforms", "cpu")  # or it would take some of a GPU's memory too
        jax.config.update("jax_cpu_enable_async_dispatch", False)  # noqa: FBT003 - JAX's signature
        if setting.dtype is Dtype.FLOAT64:
            jax.config.update("jax_enable_x64", True)  # noqa: FBT003
        try:
            self.device = jax.devices(setting.device_kind)[setting.device_number]
        except (RuntimeError, IndexError):
            raise UnavailableError(f"JAX sees no {setting.device} on this machine") from None
        jax.config.update("jax_default_device", self.device)
        _cache_in("")  # with a user's own cache first calls would not compile

    def place(self, array: Array) -> Any:
        return jax.device_put(array, self.device)

    def to_numpy(self, value: Any) -> Array:
        return np.asarray(value)

    @contextmanager
    def reusing_compiled(self) -> Iterator[None]:
        """Compile with JAX's persistent cache in the folder of `COMPILED_FOLDER`, if any.

        Without it, compiling an inner layer op by op is half of the processor time of building.
        """
        _cache_in(os.environ.get(COMPILED_FOLDER, ""))
        try:
            yield
        finally:
            _cache_in("")

    def compile(self, model: Any, setting: Setting, *, training: bool) -> "JaxCompiled":
        kind = JaxTrainStep if setting.phase is Phase.TRAIN else JaxCompiled
        return kind(model, setting, training=training)

    def wait(self, result: Any) -> None:
        """Block until the result is computed; a device computes in the order of the calls."""
        jax.block_until_ready(result)

    def differentiate(
        self, layer: Any, step: Any, mask: Any, cotangents: Sequence[Any], *, training: bool
    ) -> tuple[list[Array], list[Array]]:
        weights, state = _values_of(layer)

        def float_outputs(weights: Any, step: Any) -> list[Any]:
            how = {"training": training, **mask_arg(mask)}
            return _float_leaves(_call_with(layer, weights, state, step, **how)[0])

        _, pull_back = jax.vjp(float_outputs, weights, step)
        by_weights, by_step = pull_back(list(cotangents))
        by_leaves = _float_leaves(by_step)
        return [*map(self.to_numpy, by_leaves)], [*map(self.to_numpy, by_weights)]

    def device_peak_bytes(self, call: Callable[[], Any]) -> None:
        """Return None: JAX keeps the highest peak of its process and cannot reset it."""

    def identity(self) -> dict[str, str]:
        return {
            "name": str(self.device.device_kind),
            "platform": " ".join(str(self.device.client.platform_version).split()),
            "matmul_precision": str(jax.config.jax_default_matmul_precision),
        }

    def switches(self) -> list[Any]:
        return [
            (functools.partial(jax.config.update, name), getattr(jax.config, name))
            for name in _SWITCHES
        ]


open_engine = JaxEngine


class JaxCompiled(Compiled):
    """One model in one phase and mode; counts its traces from inside the traced Python.

    Weights are arguments of the function, or XLA would fold them as constants. The variables that a
    train step changes are among its results, or XLA would not compute them.
    """

    def __init__(self, model: Any, setting: Setting, *, training: bool) -> None:
        self._traced: Any = None
        self._changed: list[int] = []
        self._model, self._training, self._setting = model, training, setting
        self._compiles = setting.mode is not Mode.EAGER
        body: Any = self._backward if setting.differentiates else self._forward
        self._function: Any = jax.jit(body) if self._compiles else body

    def _called(self, weights: Any, state: Any, inputs: Any, mask: Any) -> tuple[Any, Any]:
        if self._compiles:
            self.traces += 1
        how = {"training": self._training, **mask_arg(mask)}
        outputs, after = _call_with(self._model, weights, state, inputs, **how)
        pairs = enumerate(zip(after, state, strict=True))
        self._changed = [place for place, (new, old) in pairs if new is not old]
        return outputs, [after[place] for place in self._changed]

    def _forward(self, weights: Any, state: Any, inputs: Any, mask: Any) -> Any:
        return self._called(weights, state, inputs, mask)[0]

    def _backward(self, weights: Any, state: Any, inputs: Any, mask: Any, *cotangents: Any) -> Any:
        def loss(weights: Any, inputs: Any) -> tuple[Any, Any]:
            nest, changed = self._called(weights, state, inputs, mask)
            return loss_of(_float_leaves(nest), cotangents, jnp.sum), changed

        both = self._setting.gradients is Gradients.INPUTS_AND_WEIGHTS
        by = (0, 1) if both else (0,)
        differentiated = jax.value_and_grad(loss, by, has_aux=True, allow_int=True)
        (value, changed), (by_weights, *by_inputs) = differentiated(weights, inputs)
        self._check_assigned(changed)
        return value, [*_float_leaves(by_inputs), *by_weights], changed

    def _check_assigned(self, values: Sequence[Any]) -> None:
        """Reject a value that was kept from inside a loop, which `jax.jit` does by itself."""
        if not self._compiles and any(isinstance(value, jax.core.Tracer) for value in values):
            raise ValueError("what the layer assigns inside a transformed function is lost")

    def assign_changed(self, result: Any) -> None:
        others = self._model.non_trainable_variables
        for place, value in zip(self._changed, result[2], strict=True):
            others[place].assign(value)

    def _arguments(self, feed: Feed) -> tuple[Any, ...]:
        return (*_values_of(self._model), *feed.arguments)

    def trace(self, feed: Feed) -> None:
        if self._compiles:
            self._traced = self._function.trace(*self._arguments(feed))

    @functools.cached_property
    def operations(self) -> Counter[str] | None:  # type: ignore[override]
        return None if self._traced is None else _primitives(self._traced.jaxpr)

    def bind(self, feed: Feed) -> Callable[[], Any]:
        return functools.partial(self._function, *self._arguments(feed))


class JaxTrainStep(JaxCompiled):
    """A train step whose state goes from call to call and is donated, as `fit` does.

    The state is a copy of the variables, since rivals share their weights. It is committed to its
    device like the feed: what a call returns is so too, and the second would be compiled anew.
    """

    def __init__(self, model: Any, setting: Setting, *, training: bool) -> None:
        super().__init__(model, setting, training=training)
        self._step = TrainStep(model, training=training)
        self._state = self._known_state = tuple[Any, ...]()
        self._function = jax.jit(self._train, donate_argnums=0) if self._compiles else self._train

    def _train(self, state: Any, data: Any) -> Any:
        if self._compiles:
            self.traces += 1
        logs, after = self._step.train_step(state, data)
        self._check_assigned(after[1])
        return logs, after

    def _arguments(self, feed: Feed) -> tuple[Any, ...]:
        step = self._step
        kinds = step.trainable_variables, step.non_trainable_variables, step.optimizer.variables
        state = [
            [jax.device_put(each.value, each.value.sharding, may_alias=False) for each in variables]
            for variables in (*kinds, step.metrics_variables)
        ]
        return tuple(state), data_of(feed)

    def bind(self, feed: Feed) -> Callable[[], Any]:
        self.step()
        self._state, fed = self._arguments(feed)

        def call() -> Any:
            logs, self._state = self._function(self._state, fed)
            return logs

        return call

    def assign_changed(self, result: Any) -> None:  # noqa: ARG002 - the state has them
        for variable, value in zip(self._step.non_trainable_variables, self._state[1], strict=True):
            variable.assign(value)

    def step(self) -> Any:
        if self._state is self._known_state:  # or what was assigned since then would be lost
            return self._step
        kinds = self._step.optimizer.variables, self._step.metrics_variables
        for variables, values in zip(kinds, self._state[2:], strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        self._known_state = self._state
        return self._step


def _float_leaves(nest: Any) -> list[Any]:
    """The float arrays of a nest; a gradient by whole numbers is none (`jax.dtypes.float0`)."""
    leaves = keras.tree.flatten(nest)
    return [leaf for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.floating)]


def _values_of(layer: Any) -> tuple[list[Any], list[Any]]:
    trained = [variable.value for variable in layer.trainable_variables]
    return trained, [variable.value for variable in layer.non_trainable_variables]


def _call_with(
    layer: Any, weights: Sequence[Any], state: Sequence[Any], inputs: Any, **how: Any
) -> tuple[Any, list[Any]]:
    """Call a layer with values in place of its variables; return the outputs and the state after.

    Keras's own `stateless_call` leaves out what `layer(...)` does around the call: the casts, and
    the arguments that the layer has no use for.
    """
    trained, others = layer.trainable_variables, layer.non_trainable_variables
    values = zip([*trained, *others], [*weights, *state], strict=True)
    with keras.StatelessScope(list(values), collect_losses=True) as scope:
        outputs = layer(inputs, **how)
    now = [(other, scope.get_current_value(other)) for other in others]
    return outputs, [other.value if value is None else value for other, value in now]


def _primitives(program: Any) -> Counter[str]:
    """Count the equations of a program and of those inside it, by their primitive."""
    primitives = Counter(str(equation.primitive.name) for equation in program.eqns)
    for inner in jax.tree_util.tree_leaves([equation.params for equation in program.eqns]):
        if hasattr(inner, "eqns"):
            primitives += _primitives(inner)
    return primitives


def _cache_in(folder: str) -> None:
    """Let JAX store every program that it compiles from now on in a folder; in none if it is ''."""
    jax.config.update("jax_enable_compilation_cache", bool(folder))
    jax.config.update("jax_compilation_cache_dir", folder or None)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    compilation_cache.reset_cache()  # or it would not read the switches again
