"""Show that a first call takes as long whether its rival is built first or later.

`python -m studies.build_order RUN...` reads journals whose launches drew the order of building anew
(any run of `pytest bench/` with three launches). In each launch one rival of a setting was built
first; its first call is compared with those of the same strategy in the launches that built it
later. The table tells the geometric mean of these ratios over settings, with its 95 % interval.
`--quick` reads simulated facts.
"""

import math
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import stats

from studies import noise, parser
from studies.scoreboard import Column, Row, Scoreboard
from timelift.analyse.runs.measurement import LaunchSamples, Measurement
from timelift.analyse.runs.results import load
from timelift.case import Setting
from timelift.errors import UserError
from timelift.journal import Facts

FACTS = ("trace_seconds", "first_call_seconds")
#: What the geometric mean may differ from 1 by, as a share.
ALIKE = 0.05
#: With fewer settings the interval says little.
LEAST_SETTINGS = 40
BOARD = Scoreboard(
    (
        Column("built first over built later", width=28),
        Column("settings", least=LEAST_SETTINGS),
        Column("ratio", ".3f", least=1 - ALIKE, most=1 + ALIKE),
        Column("from", ".3f"),
        Column("to", ".3f"),
    )
)


def main(words: Sequence[str] | None = None) -> int:
    """Print the ratio for each fact; 1 if one is not alike, or too few settings tell."""
    options = parser("build_order", __doc__)
    options.add_argument("runs", nargs="*", type=Path, metavar="RUN")
    asked = options.parse_args(words)
    if not (asked.runs or asked.quick):
        options.error("name the journals of one or more runs")
    try:
        measured = [one for path in asked.runs for one in load(path).measurements]
    except UserError as error:
        sys.exit(f"studies.build_order: {error}")
    return BOARD.show([row(name, measured or simulated(asked.seed)) for name in FACTS])


def row(name: str, measured: Iterable[Measurement]) -> Row:
    """Sum up a fact: its settings, and the geometric mean of their ratios with its interval."""
    logs = [statistics.fmean(one) for one in _by_setting(name, measured).values()]
    if len(logs) < 2:  # noqa: PLR2004 - an interval takes two
        return name, len(logs), None, None, None
    middle, error = statistics.fmean(logs), statistics.stdev(logs) / len(logs) ** 0.5
    reach = float(stats.t.ppf(0.975, len(logs) - 1)) * error
    return name, len(logs), *(math.exp(middle + side * reach) for side in (0, -1, 1))


def simulated(seed: int, dearer: float = 0.0) -> list[Measurement]:
    """Simulate facts of rivals built in random order, the first of which costs so much more."""
    random = np.random.default_rng(seed)
    shape = noise.Shape(settings=100, launches=6, rounds=1)
    seconds = noise.seconds(noise.SCENARIOS[3], shape, np.zeros(shape.rivals), random)
    built = 1 + random.permuted(np.zeros_like(seconds) + np.arange(5)[:, None, None], axis=1)
    seconds *= np.where(built == 1, 1 + dearer, 1.0)
    facts = iter(zip(built.ravel().astype(int).tolist(), seconds.ravel().tolist(), strict=True))
    return [
        replace(one, launches=tuple(_with_facts(launch, *next(facts)) for launch in one.launches))
        for one in noise.measurements(seconds)
    ]


def _with_facts(launch: LaunchSamples, built: int, seconds: float) -> LaunchSamples:
    return replace(
        launch, facts=Facts(built=built, trace_seconds=seconds, first_call_seconds=seconds)
    )


def _by_setting(name: str, measured: Iterable[Measurement]) -> dict[Setting, list[float]]:
    """Return log ratios, first over later, of settings in which a rival was built both ways."""
    found: dict[Setting, list[float]] = defaultdict(list)
    for one in measured:
        for log_ratio in _of_case(name, one):
            found[one.case.setting].append(log_ratio)
    return found


def _of_case(name: str, one: Measurement) -> Iterator[float]:
    first: list[float] = []
    later: list[float] = []
    for launch in one.launches:
        seconds, place = launch.facts.number(name), launch.facts.number("built")
        if seconds and place:
            (first if place == 1 else later).append(math.log(seconds))
    if first and later:
        yield statistics.fmean(first) - statistics.fmean(later)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
