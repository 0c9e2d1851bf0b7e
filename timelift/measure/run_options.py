"""What a run is asked for beside its cases: how many launches, how long, and by which rules."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from timelift.inner_layer import LayerInputs
from timelift.measure.options import OTHER_OPTIONS, LaunchRange

#: Launches that build one at a time: so many undisturbed first calls have an interval.
_UNDISTURBED = 3


@dataclass(frozen=True)
class RunOptions:
    """The user's options by their names, and below them those of doors and kinds of runs.

    Every case has the fewest of the `launches`, and up to the most while the referee wants them and
    time is left: `budget` in seconds for the whole run, or else `spare_seconds` for launches beyond
    the fewest. A worker may use `memory_limit` bytes, 0 being no limit.

    With `once`, each case is built, held to the law and called, and no rounds are played.
    `stop_after` failures (pytest's `--maxfail`) end the run early; 0 never does. With
    `reads_peak_memory`, each case's peak of the host's memory is read in one of the first launches
    of a setting, if a budget has time for it, and again if the referee doubts it. In a `two_sided`
    run every case is raced against its other side, in `other_python` if that is named, the
    allocator is made steady, and the launches beyond the fewest are for suspects. Workers find the
    modules of the project in `import_folders`.
    """

    layer: str
    inputs: LayerInputs | None
    launches: LaunchRange
    precision: float
    budget: float | None
    seed: int | None
    against: str
    gate: float
    undecided: str
    cluster: str
    first_call_limit: float
    memory_limit: int
    results: Path
    once: bool = False
    stop_after: int = 0
    spare_seconds: float = 160.0
    reads_peak_memory: bool = True
    two_sided: bool = False
    other_python: str = ""
    import_folders: tuple[Path, ...] = ()

    @classmethod
    def read(cls, texts: Mapping[str, str]) -> Self:
        values = {option.name: option.value(texts.get(option.name, "")) for option in OTHER_OPTIONS}
        return cls(**values)

    @property
    def header_texts(self) -> dict[str, str]:
        """The values as texts, as a header holds them."""
        values = {option.name: getattr(self, option.name) for option in OTHER_OPTIONS}
        return {name: "" if value is None else str(value) for name, value in values.items()}

    @property
    def launch_with_reader(self) -> int:
        """The launch beside which peak memory is read: 2, or 1 for two-sided runs, or 0 for none.

        The reader disturbs first calls, so two other launches have to build by themselves. The
        second has it, so that rivals which fail in the first are not read. Two sides are disturbed
        alike, so the first has it: later launches come in pairs. There is none with two
        interpreters, which build in turn, nor with a budget, which needs a launch's time first.
        """
        if not self.reads_peak_memory or self.budget is not None or self.other_python:
            return 0
        if self.two_sided:
            return 1
        return 2 if self.launches.fewest >= _UNDISTURBED else 0

    def groups(self, decision_points: Sequence[int]) -> Iterator[tuple[int, ...]]:
        """Group launches: the first few alone, for undisturbed first calls, then pairs.

        No pair spans a decision point or the end of the fewest. In a two-sided run both sides are
        disturbed alike, and all launches but the first come in pairs.
        """
        fewest, most = self.launches.fewest, self.launches.most
        first, undisturbed = 1, 1 if self.two_sided else min(fewest, _UNDISTURBED)
        while first <= most:
            alone = first <= undisturbed or first in {*decision_points, fewest, most}
            last = first if alone else first + 1
            yield tuple(range(first, last + 1))
            first = last + 1
