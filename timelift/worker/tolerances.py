"""How precisely a result is computed, and the errors that a right model may have.

A layer is held to the coarsest precision in which a part of it computes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from timelift.case import CPU
from timelift.worker.engines import Array


class DtypePrecision(StrEnum):
    """A precision of arithmetic; in TF32 a GPU may multiply float32."""

    FLOAT64 = "float64"
    FLOAT32 = "float32"
    TF32 = "tf32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    INT8 = "int8"


@dataclass(frozen=True)
class Tolerance:
    """The largest error of a right model, relative to the largest value of the same feature.

    `leak` bounds the gradient by the inputs of a step without cotangent, relative to the largest
    one: FFT and Winograd convolutions accumulate in float32, or in TF32, whatever the dtype.
    `roundoff` is the relative error of one addition, which a sum over many steps repeats.
    """

    outputs: float
    gradients: float
    leak: float
    roundoff: float


def _of_16_bits(roundoff: float) -> Tolerance:
    """Return the tolerance of a dtype whose products are summed in float32, and rounded once.

    Two results of d operations in a row, each rounded by at most `roundoff`, differ by about
    2 sqrt(d) times `roundoff`: eight times for 16 operations. Gradients pass through all operations
    once more, and multiply the rounding errors of both ways.
    """
    outputs = 8 * roundoff
    return Tolerance(outputs, 2.5 * outputs, 1e-6, roundoff)


#: In float32 and float64, which round at each addition, outputs may err by the rounding of a
#: product of 10,000 terms; in TF32 by four times the rounding of the factors. In int8 a rounding
#: error before a layer may move one of its inputs by one of 127 steps.
TOLERANCES: Mapping[str, Tolerance] = {
    DtypePrecision.FLOAT64: Tolerance(1e-12, 1e-11, 1e-13, 2.0**-53),
    DtypePrecision.FLOAT32: Tolerance(1e-5, 1e-4, 1e-6, 2.0**-24),
    DtypePrecision.TF32: Tolerance(2e-3, 5e-3, 5e-4, 2.0**-24),
    DtypePrecision.FLOAT16: _of_16_bits(2.0**-11),
    DtypePrecision.BFLOAT16: _of_16_bits(2.0**-8),
    DtypePrecision.INT8: _of_16_bits(2.0**-8),
}
#: Values of `jax_default_matmul_precision` for which a GPU does not multiply float32 in TF32.
_JAX_FULL = frozenset({"float32", "highest", "F32_F32_F32"})


def tolerance_of(leaf: Array, precision: DtypePrecision) -> Tolerance:
    """Return the tolerance of a float leaf: its own dtype's where that is coarser."""
    usual = TOLERANCES[precision]
    own = TOLERANCES.get(str(leaf.dtype), usual)
    return max(usual, own, key=lambda tolerance: tolerance.outputs)


def precision(dtype: str, device: str, identity: Mapping[str, str]) -> DtypePrecision:
    """Return the precision of layers of `dtype` on a device with this `Engine.identity()`.

    On JAX and PyTorch Keras multiplies float64 in float32 (`keras.backend.result_type`). On a GPU
    float32 is TF32 if a switch of the backend allows that, for products or for convolutions.
    """
    import keras  # noqa: PLC0415 - the backend is chosen by now

    computed = DtypePrecision(keras.backend.result_type(str(dtype), str(dtype)))
    if computed is not DtypePrecision.FLOAT32 or device.startswith(CPU):
        return computed
    names = identity.keys() & {"tf32", "matmul_tf32", "cudnn_tf32"}
    allows = any(identity[name] == "True" for name in names)
    if not names:
        allows = identity.get("matmul_precision", "highest") not in _JAX_FULL
    return DtypePrecision.TF32 if allows else computed
