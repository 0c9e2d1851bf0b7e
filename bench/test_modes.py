"""What do the modes cost: eager calls, traced graphs, and graphs compiled by XLA?"""

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.question(
    phases="forward,backward",
    modes="eager,graph,xla",
    workloads="tokens",
    sizes="smallest",
    compares="modes",
)


def test_modes(measure: Callable[[], None]) -> None:
    """One strategy in one mode keeps the law and is timed against its rivals."""
    measure()
