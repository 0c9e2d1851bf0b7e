"""What do lengths that vary from call to call cost, traces included? Asked by `--time-axes`.

Static models, one for each length, against one model for any length and against padding to buckets.
"""

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.question(
    phases="forward,backward",
    modes="graph",
    workloads="tokens",
    seq_lens="16",
    batch_sizes="8",
    time_axes="per_length,any_length,buckets",
    keeps="time_axes",
    waits=True,
)


def test_varying(measure: Callable[[], None]) -> None:
    """One strategy in one setting keeps the law at each length, and its calls are timed once."""
    measure()
