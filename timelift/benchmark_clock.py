"""Hand a case's samples to pytest-benchmark, so that it tabulates, stores and compares them."""

from collections.abc import Sequence


class ReplayClock:
    """A timer for pytest-benchmark that replays recorded samples instead of reading the time.

    pytest-benchmark takes any callable as `@pytest.mark.benchmark(timer=...)` and subtracts two
    readings a round: the first reads 0, the second the sample.
    """

    __name__ = "interleaved_rounds"

    def __init__(self) -> None:
        self._readings: list[float] = []

    def load(self, seconds_per_call: Sequence[float]) -> None:
        """Queue one round a sample."""
        self._readings = [reading for sample in seconds_per_call for reading in (0.0, sample)]
        self._readings.reverse()

    def __call__(self) -> float:
        """The next reading."""
        return self._readings.pop()


def join(launches: Sequence[Sequence[float | None]]) -> list[float]:
    """Join the samples of all launches, without the rounds that the case sat out."""
    return [sample for launch in launches for sample in launch if sample is not None]
