"""How long does a train step of `fit` take, Adam's update included? Asked by `--phases train`."""

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.question(phases="train", keeps="phases", waits=True)


def test_train(measure: Callable[[], None]) -> None:
    """One strategy in one setting keeps the law and is timed against its rivals."""
    measure()
