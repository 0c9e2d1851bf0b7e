"""How long does a forward pass take, across lengths, batch sizes and devices?"""

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.question(phases="forward", modes="graph", keeps="phases")


def test_forward(measure: Callable[[], None]) -> None:
    """One strategy in one setting keeps the law and is timed against its rivals."""
    measure()
