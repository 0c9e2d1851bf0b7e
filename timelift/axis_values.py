"""The values of axes that are a choice, and how the measuring of a case ends.

Importers find them in `timelift.case`, with the axes that have them.
"""

from enum import StrEnum


class AxisValue(StrEnum):
    """A value of an axis; values sort in the order of their definition, the usual one first."""

    def __lt__(self, other: str) -> bool:
        """Return True if the value is defined before `other`, a value of the same axis."""
        return self._index(self) < self._index(other)

    def __gt__(self, other: str) -> bool:
        return self._index(self) > self._index(other)

    def __le__(self, other: str) -> bool:
        return self._index(self) <= self._index(other)

    def __ge__(self, other: str) -> bool:
        return self._index(self) >= self._index(other)

    @classmethod
    def _index(cls, value: str) -> int:
        return list(cls).index(cls(value))


class Lengths(AxisValue):
    """How many of the `seq_len` steps of each sequence are valid."""

    FULL = "full"
    UNIFORM = "uniform"
    SKEWED = "skewed"


class Phase(AxisValue):
    """What one call computes: outputs, the loss and its gradients, or a train step of `fit`.

    `serve` answers one request, from numpy to numpy. Every call of it is timed by itself.
    """

    FORWARD = "forward"
    BACKWARD = "backward"
    TRAIN = "train"
    SERVE = "serve"


class Gradients(AxisValue):
    """What a backward call differentiates with respect to; `none` for other calls."""

    NONE = "none"
    WEIGHTS = "weights"
    INPUTS_AND_WEIGHTS = "inputs_and_weights"


class TimeAxis(AxisValue):
    """Whether the sequence length is known when the model is built and traced.

    In the last three it varies from call to call: a model and a trace for each length, one for any
    length, or one for each power of two, to which inputs are padded.
    """

    STATIC = "static"
    DYNAMIC = "dynamic"
    PER_LENGTH = "per_length"
    ANY_LENGTH = "any_length"
    BUCKETS = "buckets"

    @property
    def varies(self) -> bool:
        return self not in {TimeAxis.STATIC, TimeAxis.DYNAMIC}

    @property
    def is_known(self) -> bool:
        return self not in {TimeAxis.DYNAMIC, TimeAxis.ANY_LENGTH}


class Mode(AxisValue):
    """How the backend executes a call.

    `graph` is what each backend's users compile with: `tf.function`, `jax.jit`, `torch.compile`.
    `xla` is TensorFlow's `jit_compile=True` alone.
    """

    GRAPH = "graph"
    EAGER = "eager"
    XLA = "xla"


class Dtype(AxisValue):
    """A dtype policy of Keras: the dtype of inputs, weights and arithmetic.

    A mixed one computes in 16 bits, and has inputs and weights of float32. In `int8` a layer of
    float32 is quantised once it is made, as `model.quantize("int8")` does.
    """

    FLOAT32 = "float32"
    FLOAT64 = "float64"
    BFLOAT16 = "bfloat16"
    MIXED_BFLOAT16 = "mixed_bfloat16"
    MIXED_FLOAT16 = "mixed_float16"
    FLOAT16 = "float16"
    INT8 = "int8"

    @property
    def floats(self) -> str:
        """The dtype of inputs and weights, in int8 of those that are not quantised."""
        return str(Dtype.FLOAT32 if self.startswith("mixed") or self is Dtype.INT8 else self)

    @property
    def policy(self) -> str:
        """The policy with which layers are made."""
        return self.floats if self is Dtype.INT8 else str(self)


class Backend(AxisValue):
    """The framework under Keras."""

    TENSORFLOW = "tensorflow"
    JAX = "jax"
    TORCH = "torch"


class Runtime(AxisValue):
    """What executes a served call: Keras itself, or a runtime that has what Keras exports."""

    KERAS = "keras"
    SAVED_MODEL = "saved_model"
    ONNXRUNTIME = "onnxruntime"
    OPENVINO = "openvino"
    LITERT = "litert"

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that export for it and run it, beside TensorFlow's."""
        own = {
            Runtime.ONNXRUNTIME: ("onnxruntime", "tf2onnx", "onnx"),
            Runtime.OPENVINO: ("openvino", "scipy"),
            Runtime.LITERT: ("ai_edge_litert",),
        }
        return own.get(self, ())

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages that have them, which are called like the modules."""
        return tuple(module.replace("_", "-") for module in self.modules)


#: What `model.export` calls a runtime's format, and how the name of its file ends.
EXPORT_FORMATS = {
    Runtime.SAVED_MODEL: ("tf_saved_model", ""),
    Runtime.ONNXRUNTIME: ("onnx", ".onnx"),
    Runtime.OPENVINO: ("openvino", ".xml"),
    Runtime.LITERT: ("litert", ".tflite"),
}


class Status(StrEnum):
    """How the measuring of a case ended."""

    MEASURED = "measured"
    REFUSED = "refused"
    LAW_BROKEN = "law broken"
    FAILED = "failed"
    CRASHED = "crashed"
    OUT_OF_MEMORY = "out of memory"
    TIMED_OUT = "timed out"
    TRACING_LIMIT = "not run: tracing limit"
    UNAVAILABLE = "unavailable"
    NO_LAYER = "no inner layer"
    NOT_CONVERTED = "does not convert"
    NOT_LOADED = "does not load"
    NOT_RUN = "does not run"


#: How a strategy ends that a runtime does not serve, which is an answer.
UNSERVED = frozenset({Status.NOT_CONVERTED, Status.NOT_LOADED, Status.NOT_RUN})
#: Statuses that are no fault of the strategy: pytest skips such a case instead of failing it.
SKIPPED = UNSERVED | {Status.REFUSED, Status.UNAVAILABLE, Status.TRACING_LIMIT}
