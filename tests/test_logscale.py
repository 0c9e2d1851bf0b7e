"""Ticks and labels find their places."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timelift.present.figures import logscale
from timelift.present.figures.labels import spread


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30))
def test_labels_are_spread_in_order_and_apart(wanted: list[float]) -> None:
    """Labels that were apart already do not move."""
    placed = spread(wanted, 10)
    order = np.argsort(wanted, kind="stable")
    assert (np.diff(np.array(placed)[order]) >= 10 - 1e-6).all()
    if (np.diff(np.sort(wanted)) >= 10).all():
        assert placed == pytest.approx(wanted)
    assert np.mean(placed) == pytest.approx(np.mean(wanted), abs=1e-6)


@given(st.floats(1e-9, 1e9), st.floats(1, 1e6), st.integers(3, 8))
def test_a_logarithmic_axis_has_some_ticks_and_not_too_many(
    low: float, span: float, most: int
) -> None:
    """Inside the axis, rising, at least two of them."""
    ends = logscale.limits([low, low * span])
    ticks = logscale.ticks(*ends, most)
    assert 2 <= len(ticks) <= most
    assert ticks == sorted(ticks)
    assert ends[0] <= ticks[0] <= ticks[-1] <= ends[1]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5"), (1, "1"), (1500, "1,500"), (1e5, "1e5"), (2e-4, "2e-4"), (0.001, "0.001")],
)
def test_ticks_are_written_plainly(value: float, text: str) -> None:
    """An exponent only where the number would be long."""
    assert logscale.written(value) == text
