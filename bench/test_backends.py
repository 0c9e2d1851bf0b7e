"""What does the backend make of it: TensorFlow, JAX and PyTorch side by side (`--backends`)?"""

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.question(
    phases="forward,backward",
    modes="graph",
    workloads="tokens",
    sizes="smallest",
    compares="backends",
)


def test_backends(measure: Callable[[], None]) -> None:
    """One strategy on one backend keeps the law and is timed against its rivals."""
    measure()
