"""What the law asks for follows from what a device computes in."""

import pytest

from tests import engines
from timelift.case import Dtype
from timelift.worker import tolerance
from timelift.worker.tolerance import TOLERANCES, DtypePrecision

TF = {"name": "NVIDIA A100", "tf32": "True", "soft_placement": "False"}
TORCH = {"matmul_precision": "highest", "matmul_tf32": "False", "cudnn_tf32": "False"}
JAX = {"name": "NVIDIA A100", "platform": "cuda 12", "matmul_precision": "None"}


@pytest.mark.parametrize(
    ("backend", "doubled"), [("tensorflow", "float64"), ("jax", "float32"), ("torch", "float32")]
)
def test_the_law_asks_for_what_keras_computes_in(backend, doubled):
    script = (
        "import json\nfrom timelift.case import Dtype\nfrom timelift.worker import tolerance\n"
        "print(json.dumps({one: tolerance.precision(one) for one in Dtype}))"
    )
    found = engines.told(backend, script)
    assert found == {"float64": doubled, "float32": "float32", "bfloat16": "bfloat16"}


@pytest.mark.parametrize(
    "identity",
    [
        TF,
        TORCH | {"matmul_tf32": "True", "matmul_precision": "high"},
        TORCH | {"cudnn_tf32": "True"},
        JAX,
        JAX | {"matmul_precision": "tensorfloat32"},
    ],
)
def test_a_gpu_with_tf32_is_held_to_tf32(identity):
    assert tolerance.precision(Dtype.FLOAT32, "gpu", identity) is DtypePrecision.TF32
    assert tolerance.precision(Dtype.FLOAT32, "gpu:1", identity) is DtypePrecision.TF32
    assert tolerance.precision(Dtype.FLOAT32, "cpu", identity) is DtypePrecision.FLOAT32
    assert tolerance.precision(Dtype.FLOAT64, "gpu", identity) is DtypePrecision.FLOAT64
    assert tolerance.precision(Dtype.BFLOAT16, "gpu", identity) is DtypePrecision.BFLOAT16


@pytest.mark.parametrize(
    "identity",
    [
        TF | {"tf32": "False"},
        TORCH,
        JAX | {"matmul_precision": "highest"},
        JAX | {"matmul_precision": "float32"},
        {},
    ],
)
def test_a_gpu_without_tf32_is_held_to_float32(identity):
    assert tolerance.precision(Dtype.FLOAT32, "gpu", identity) is DtypePrecision.FLOAT32


def test_tf32_keeps_ten_bits_and_is_allowed_their_rounding():
    tf32, float32 = TOLERANCES[DtypePrecision.TF32], TOLERANCES[DtypePrecision.FLOAT32]
    assert float32.outputs < 2.0**-10 < tf32.outputs < 0.01
    assert float32.gradients < 2.0**-10 < tf32.gradients < 0.01


@pytest.mark.parametrize(
    ("backend", "names"),
    [
        ("tensorflow", {"tf32"}),
        ("torch", {"matmul_tf32", "cudnn_tf32"}),
        ("jax", {"matmul_precision"}),
    ],
)
def test_each_engine_names_the_switches_that_are_read(backend, names):
    script = (
        "import json\nfrom timelift.case import *\n"
        "from timelift.worker.engines import open_engine\n"
        f"setting = Setting('any', 1, 1, Phase.FORWARD, Mode.EAGER, backend=Backend('{backend}'))\n"
        "print(json.dumps(open_engine(setting).identity()))"
    )
    assert names <= engines.told(backend, script).keys()
