"""Show that a first call takes as long whether its rival is built first or later.

`python -m studies.build_order RUN...` reads journals whose launches drew the order of building anew
(any run of `pytest bench/` with three launches). In each launch one rival of a setting was built
first; its first call is compared with those of the same strategy in the launches that built it
later. The table tells the geometric mean of these ratios over settings, with its 95 % interval.
"""

import argparse
import math
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from scipy import stats

from timelift.analyse.runs.measurement import Measurement
from timelift.analyse.runs.records import fact_of
from timelift.analyse.runs.results import load
from timelift.case import Setting
from timelift.errors import UserError

#: What the geometric mean may differ from 1 by, as a share.
ALIKE = 0.05
#: With fewer settings the interval says little.
LEAST_SETTINGS = 40


def main(words: Sequence[str]) -> int:
    """Print the ratio for each fact; 1 if one is not alike, or too few settings tell."""
    parser = argparse.ArgumentParser(prog="python -m studies.build_order", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    try:
        measured = [
            one for path in parser.parse_args(words).runs for one in load(path).measurements
        ]
    except UserError as error:
        sys.exit(f"studies.build_order: {error}")
    alike = [_tell(name, measured) for name in ("trace_seconds", "first_call_seconds")]
    return 0 if all(alike) else 1


def _tell(name: str, measured: Iterable[Measurement]) -> bool:
    logs = [statistics.fmean(one) for one in _by_setting(name, measured).values()]
    if len(logs) < LEAST_SETTINGS:
        sys.stdout.write(f"{name}: {len(logs)} settings tell, {LEAST_SETTINGS} are needed\n")
        return False
    middle, error = statistics.fmean(logs), statistics.stdev(logs) / len(logs) ** 0.5
    reach = float(stats.t.ppf(0.975, len(logs) - 1)) * error
    ratio, low, high = (math.exp(one) for one in (middle, middle - reach, middle + reach))
    sys.stdout.write(
        f"{name}: built first over built later {ratio:.3f} [{low:.3f}, {high:.3f}], "
        f"{len(logs)} settings\n"
    )
    return abs(ratio - 1) <= ALIKE


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
        seconds, place = fact_of(launch, name), fact_of(launch, "built")
        if seconds and place:
            (first if place == 1 else later).append(math.log(seconds))
    if first and later:
        yield statistics.fmean(first) - statistics.fmean(later)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
