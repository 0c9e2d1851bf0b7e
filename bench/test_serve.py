"""How long does one request take, from numpy to numpy? Asked by `--phases serve` or `--runtimes`.

By Keras, or by a runtime that executes what Keras exports: `--runtimes onnxruntime,litert`.
"""

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.question(phases="serve", batch_sizes="1", keeps="phases", waits=True)


def test_serve(measure: Callable[[], None]) -> None:
    """One strategy in one setting keeps the law, and each of its calls is timed."""
    measure()
