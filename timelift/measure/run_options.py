"""The options of a run as values, and how they group its launches."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from timelift.inner_layer import LayerInputs
from timelift.measure.options import OTHER_OPTIONS, LaunchRange

#: Without a budget of the user's, launches beyond the fewest begin until so many seconds have
#: passed.
SPARE_SECONDS = 240.0
#: So many launches build one at a time: first calls of those that nothing else builds beside give
#: an interval.
_UNDISTURBED = 3


@dataclass(frozen=True)
class RunOptions:
    """The user's options by their names, and below them what doors and kinds of runs add.

    Every case has the fewest of the `launches`, and up to the most while the referee wants them and
    time is left: `budget` in seconds for the whole run, or else `spare_seconds` for what goes
    beyond the fewest. A worker may use `memory_limit` bytes, 0 being no limit.

    With `once`, each case is built, held to the law and called, and no rounds are played.
    `stop_after` failures (pytest's `--maxfail`) end the run early; 0 never does. With
    `reads_peak_memory`, each case's peak of the host's memory is read in one of the first launches
    of a setting, where a budget has time for it, and again where the referee doubts it. In a
    `two_sided` run every case is raced against its other side, in `other_python` if that is named,
    memory is asked for steadily, and the launches beyond the fewest are for suspects. Workers
    import the modules of the project from `import_folders`.
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
    first_call_limit: float
    memory_limit: int
    results: str
    once: bool = False
    stop_after: int = 0
    spare_seconds: float = SPARE_SECONDS
    reads_peak_memory: bool = True
    two_sided: bool = False
    other_python: str = ""
    import_folders: tuple[Path, ...] = ()

    @classmethod
    def read(cls, texts: Mapping[str, str]) -> Self:
        """Read the texts of options; raises UserError for a wrong one."""
        values = {option.name: option.value(texts.get(option.name, "")) for option in OTHER_OPTIONS}
        return cls(**values)

    @property
    def texts(self) -> dict[str, str]:
        """The options as a header holds them."""
        values = {option.name: getattr(self, option.name) for option in OTHER_OPTIONS}
        return {name: "" if value is None else str(value) for name, value in values.items()}

    @property
    def launch_with_reader(self) -> int:
        """2, or 1 for two-sided runs, or 0 for none: the launch beside which peak memory is read.

        Its first calls are no facts. What failed in the first launch is not read, so it is the
        second, where two others build by themselves. Two sides suffer alike, and all launches but
        the first come in pairs; two interpreters do not, since they build one after the other. A
        budget has to see first what a launch takes.
        """
        if not self.reads_peak_memory or self.budget is not None or self.other_python:
            return 0
        if self.two_sided:
            return 1
        return 2 if self.launches.fewest >= _UNDISTURBED else 0

    def groups(self, decision_points: Sequence[int]) -> Iterator[tuple[int, ...]]:
        """Group launches: the first few alone, then pairs.

        No pair spans a decision point or the end of the fewest.
        A launch by itself is undisturbed, so that its first calls are facts. Where two sides are
        compared, both suffer alike, and all launches but the first come in pairs.
        """
        fewest, most = self.launches.fewest, self.launches.most
        first, undisturbed = 1, 1 if self.two_sided else min(fewest, _UNDISTURBED)
        while first <= most:
            alone = first <= undisturbed or first in {*decision_points, fewest, most}
            last = first if alone else first + 1
            yield tuple(range(first, last + 1))
            first = last + 1
