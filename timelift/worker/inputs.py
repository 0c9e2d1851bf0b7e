"""What the rivals of a setting share: the inputs, which steps are valid, and each inner layer.

Usually all rivals lift the same layer and there is one of them. Where two revisions are compared, a
revision whose workload differs brings a layer of its own, drawn from the same seed.
"""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from timelift.case import Lengths, Phase, Setting
from timelift.errors import ran_out_of_memory
from timelift.messages import CALLING_LAYER, MAKING_LAYER, Busy, Emit, RivalSpec, Task
from timelift.worker import law
from timelift.worker.engines import Array, Engine
from timelift.worker.layer import LayerState, make_layer, sentence, set_global_state
from timelift.worker.opinion import Calls, Opinion
from timelift.worker.tolerance import TOLERANCES, errors, precision, scale_of

#: Words a sentence in the Python language reference, at every twentieth quantile, cut at the 99th
#: percentile: 1,223 sentences of `pydoc_data.topics` in Python 3.11, which anyone can count again.
SENTENCE_WORDS = (2, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20, 22, 23, 25, 28, 31, 37, 49)


def draw_inputs(task: Task, noise: np.random.Generator) -> Array:
    """Draw (batch, time, *features): standard normal, or whole numbers below `input_high`."""
    shape = (task.setting.batch, task.setting.seq_len, *task.features)
    if task.input_dtype:
        return noise.integers(task.input_high, size=shape).astype(task.input_dtype)
    return cast(noise.standard_normal(shape), task.setting.dtype)


def cast(array: Array, dtype: str) -> Array:
    if dtype == "bfloat16":
        import ml_dtypes  # noqa: PLC0415 - comes with every backend

        return array.astype(ml_dtypes.bfloat16)
    return array.astype(dtype)


def draw_valid(setting: Setting, noise: np.random.Generator) -> Array:
    """Draw which steps are valid, (batch, time) of booleans: a prefix of each sequence.

    `uniform` lengths lie anywhere from 1 to `seq_len`; `skewed` ones are spread like the sentences
    of a text whose longest have `seq_len` words. The first sequence is always full, as the longest
    of a padded batch is.
    """
    share = noise.uniform(size=setting.batch)
    if setting.lengths is Lengths.FULL:
        share = np.ones(setting.batch)
    elif setting.lengths is Lengths.SKEWED:
        quantiles = np.linspace(0, 1, len(SENTENCE_WORDS))
        share = np.interp(share, quantiles, SENTENCE_WORDS) / SENTENCE_WORDS[-1]
    share[0] = 1.0
    lengths = np.maximum(1, np.ceil(share * setting.seq_len))
    return np.arange(setting.seq_len) < lengths[:, None]


class InnerLayerError(Exception):
    """Why there is no inner layer to lift, in a sentence.

    `exhausted` where memory ran out, `at_all` where it cannot be made, whatever the sizes.
    """

    exhausted = at_all = False


@dataclass(frozen=True)
class SharedInputs:
    """What the rivals of a setting share: the inputs, the valid steps, the steps of the law."""

    inputs: Array
    valid: Array
    steps: Sequence[int]


class InnerLayer:
    """One inner layer: what it computes, and its state to be put back.

    `reference` is the layer itself at the steps of the law, `opinion` what it is thought to give at
    all of them; both are in the mode that is timed, or in inference where training adds noise or
    batch statistics to what the layer computes (`trains_differently`).
    """

    def __init__(
        self,
        engine: Engine,
        task: Task,
        factory: str,
        shared: SharedInputs,
        begin: Callable[[str], None],
    ) -> None:
        setting = task.setting
        begin(MAKING_LAYER)
        set_global_state(engine, setting, task.seed)
        self.layer = make_layer(factory, task.features, task.seed % 2**31)
        begin(CALLING_LAYER)
        self.state = LayerState(self.layer)
        backward = setting.phase is Phase.BACKWARD
        self.precision = precision(setting.dtype, setting.device, engine.identity())
        self.trains_differently = backward and self._trains_differently(engine, shared.inputs)
        training = backward and not self.trains_differently
        noise = np.random.default_rng([task.seed, 1])
        self.reference = law.reference(
            engine,
            self.layer,
            shared.inputs,
            shared.valid,
            shared.steps,
            noise,
            gradients=backward,
            training=training,
        )
        self._opinion: Opinion | None = None
        if not task.gauges_memory:
            calls = Calls(engine, self.layer, shared.inputs, shared.valid, training)
            self._opinion = Opinion(calls, self.reference, self.precision, noise)
        self.state.restore()

    @property
    def opinion(self) -> Opinion:
        """The second opinion; there is none where memory is read and no law is checked."""
        assert self._opinion is not None
        return self._opinion

    def _trains_differently(self, engine: Engine, inputs: Array) -> bool:
        """True if training changes what the layer computes, as dropout or batch statistics do.

        It does where a state changes, or outputs do by more than rounding, between two calls in
        training or between training and inference.
        """
        step = engine.place(np.ascontiguousarray(inputs[:, 0]))
        as_used = engine.apply(self.layer, step, training=False)
        as_trained = [engine.apply(self.layer, step, training=True) for _ in range(2)]
        changed = self.state.has_changed()
        self.state.restore()
        scale, allowed = scale_of(as_used), TOLERANCES[self.precision].outputs
        off = [errors(one, as_used, scale).max(initial=0.0) for one in as_trained]
        return changed or not max(off) <= allowed


class InnerLayers:
    def __init__(self, engine: Engine, task: Task, shared: SharedInputs, emit: Emit) -> None:
        self._engine, self._task, self._shared, self._emit = engine, task, shared, emit
        self._made: dict[tuple[str, str], InnerLayer | InnerLayerError] = {}

    def of(self, rival: RivalSpec) -> InnerLayer:
        """Return the layer of a rival; raises InnerLayerError where it cannot be made."""
        if rival.layer not in self._made:
            self._made[rival.layer] = self._make(rival)
        inner = self._made[rival.layer]
        if isinstance(inner, InnerLayerError):
            raise inner
        return inner

    def _make(self, rival: RivalSpec) -> InnerLayer | InnerLayerError:
        factory, stages = rival.factory or self._task.factory, list[str]()

        def begin(stage: str) -> None:
            stages.append(stage)
            self._emit(Busy(stage, rival.name))

        try:
            return InnerLayer(self._engine, self._task, factory, self._shared, begin)
        except Exception as error:  # noqa: BLE001 - the user's layer may raise anything
            traceback.print_exc()
            failure = InnerLayerError(sentence(error))
            failure.exhausted = ran_out_of_memory(error)
            failure.at_all = stages[-1] == MAKING_LAYER
            return failure
