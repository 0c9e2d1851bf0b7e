"""How far a right model may be from the inner layer: rounding, and no more."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from timelift.case import CPU
from timelift.worker.engines import Array


class DtypePrecision(StrEnum):
    """The precision that layers of a dtype are computed in; GPUs may multiply float32 in TF32."""

    FLOAT64 = "float64"
    FLOAT32 = "float32"
    TF32 = "tf32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


@dataclass(frozen=True)
class Tolerance:
    """The largest error of a right model, relative to the largest value of the same feature.

    `leak` is what may arrive at a step without cotangent, relative to the largest gradient: FFT and
    Winograd convolutions accumulate in float32, or in TF32, whatever the dtype. `roundoff` is the
    relative error of one addition, which a sum over many steps repeats.
    """

    outputs: float
    gradients: float
    leak: float
    roundoff: float


TOLERANCES = {
    DtypePrecision.FLOAT64: Tolerance(1e-12, 1e-11, 1e-13, 2.0**-53),
    DtypePrecision.FLOAT32: Tolerance(1e-5, 1e-4, 1e-6, 2.0**-24),
    DtypePrecision.TF32: Tolerance(2e-3, 5e-3, 5e-4, 2.0**-24),
    DtypePrecision.FLOAT16: Tolerance(5e-3, 1.25e-2, 1e-6, 2.0**-11),
    DtypePrecision.BFLOAT16: Tolerance(2e-2, 5e-2, 1e-6, 2.0**-9),
}
#: However many additions round, a gradient off by more than this much of its size is no rounding.
_MOST_ROUNDING = 0.25
#: A feature's own largest value is its scale once so many of its values are known. Of fewer, all
#: may be near zero by chance, and then rounding is that of the larger terms which cancelled.
FEW_VALUES = 32
#: The least scale of a feature, as a share of the largest value of all: where everything cancels,
#: as in the gradient of attention's key bias, what is left is rounding of what cancelled.
LEAST_SHARE = 0.1
#: The same among the weights of a layer.
LEAST_SHARE_OF_WEIGHTS = 0.01
#: Values of `jax_default_matmul_precision` by which a GPU multiplies float32 as it is.
_JAX_FULL = frozenset({"float32", "highest", "F32_F32_F32"})


def coarsest(
    dtypes: Iterable[str], device: str = CPU, identity: Mapping[str, str] | None = None
) -> DtypePrecision:
    """Return the precision of what is computed in several dtypes, one after another."""
    found = [precision(one, device, identity) for one in dtypes]
    return max(found, key=lambda one: TOLERANCES[one].outputs)


def precision(
    dtype: str, device: str = CPU, identity: Mapping[str, str] | None = None
) -> DtypePrecision:
    """Return the precision of layers of `dtype` on a device whose engine has this `identity()`.

    On JAX and PyTorch Keras multiplies float64 in float32 (`keras.backend.result_type`). On a GPU
    float32 is TF32 where a switch of the backend allows that, be it for products or convolutions.
    """
    import keras  # noqa: PLC0415 - the backend is chosen by now

    found = DtypePrecision(keras.backend.result_type(str(dtype), str(dtype)))
    on_gpu = found is DtypePrecision.FLOAT32 and not device.startswith(CPU)
    return DtypePrecision.TF32 if on_gpu and _allows_tf32(identity or {}) else found


def _allows_tf32(identity: Mapping[str, str]) -> bool:
    switches = [identity[one] for one in ("tf32", "matmul_tf32", "cudnn_tf32") if one in identity]
    if switches:
        return "True" in switches
    return identity.get("matmul_precision", "highest") not in _JAX_FULL


def rounding_of(additions: int, tolerance: Tolerance) -> float:
    """Return what a sum of so many numbers may err by, since each addition rounds."""
    return min(2 * tolerance.roundoff * math.sqrt(additions), _MOST_ROUNDING)


def scale_of(values: Array, share: float = LEAST_SHARE, least: float = 0.0) -> Array:
    """Return the scale for errors of (values, *axes, features): (features,), or one number.

    It is each feature's largest value, but no less than `share` of the largest of all and `least`.
    """
    sizes = np.abs(widened(values))
    overall = sizes.max(initial=0)
    few = sizes.ndim == 1 or sizes.size < FEW_VALUES * sizes.shape[-1]
    own = overall if few else sizes.max(axis=tuple(range(sizes.ndim - 1)))
    scale: Array = np.maximum(own, max(share * float(overall), least, np.finfo(sizes.dtype).tiny))
    return scale


def relative_errors(found: Array, wanted: Array, scale: Array) -> Array:
    """Return |found - wanted| in units of the scale, in their shape; NaN stays NaN."""
    with np.errstate(all="ignore"):
        difference: Array = np.abs(widened(found) - widened(wanted))
        difference /= scale.astype(difference.dtype)
    return difference


def widened(values: Array) -> Array:
    """Convert what numpy does not compute in, such as bfloat16 and whole numbers, to float32."""
    wide: Array = values.astype(np.promote_types(values.dtype, np.float32), copy=False)
    return wide
