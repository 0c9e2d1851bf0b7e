"""What do the modes cost: eager calls, graphs, XLA? Asked by `--modes eager,graph,xla`."""

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.question(
    phases="forward,backward",
    modes="eager,graph,xla",
    workloads="tokens",
    sizes="smallest",
    compares="modes",
    waits=True,
)


def test_modes(measure: Callable[[], None]) -> None:
    """One strategy in one mode keeps the law and is timed against its rivals."""
    measure()
