"""How far off the ends of "1.2 to 8.0 times as fast" are: `python -m studies.extremes [--quick]`.

Every rival is `TRUTH` times as fast as the baseline in every setting, so both ends of the range
over settings should read that. They are the extremes of as many estimates as there are settings.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from studies import answer as answer_words
from studies import noise, parser
from studies.noise import Scenario, Shape
from studies.scoreboard import Column, Row, Scoreboard
from timelift.analyse.ranking import rank
from timelift.analyse.recommend import answer

TRUTH = 3.0
#: Log costs of the baseline and of four equal rivals.
COSTS = np.log([TRUTH, 1, 1, 1, 1])
LAUNCH_SDS = (0.01, 0.02, 0.04)
SETTINGS = (4, 12, 34)
#: Settings that are simulated for each row.
SIMULATED = 4080
BOARD = Scoreboard(
    (
        Column("launches differ by", width=18),
        Column("settings"),
        Column("lowest", "+.1%", least=-0.1, most=0.0),
        Column("highest", "+.1%", least=0.0, most=0.1),
        Column("within 5 %", ".0%"),
    ),
    """
lowest, highest  how far the ends of the range are from the truth, in the mean over runs
within 5 %       runs in which both ends are
""",
)


def rows(simulated: int, seed: int) -> Iterator[Row]:
    for launch_sd in LAUNCH_SDS:
        for settings in SETTINGS:
            random = np.random.default_rng([seed, settings, round(1000 * launch_sd)])
            runs = max(1, simulated // settings)
            ends = np.array([_ends(launch_sd, settings, random) for _ in range(runs)]) / TRUTH - 1
            within = float((np.abs(ends) <= 0.05).all(axis=1).mean())  # noqa: PLR2004 - as titled
            yield f"{launch_sd:.0%}", settings, *map(float, ends.mean(axis=0)), within


def _ends(launch_sd: float, settings: int, random: np.random.Generator) -> tuple[float, float]:
    shape = Shape(settings, len(COSTS), launches=3, rounds=20)
    times = noise.seconds(Scenario("", launch_sd), shape, COSTS, random)
    written = answer(rank(noise.measurements(times), relative_to=("rival0",)))
    assert written
    return written.gains[0].least, written.gains[0].most


def main(words: Sequence[str] | None = None) -> int:
    return answer_words(parser("extremes", __doc__), words, _run)


def _run(asked: argparse.Namespace) -> int:
    return BOARD.show(rows(SIMULATED // 12 if asked.quick else SIMULATED, asked.seed))


if __name__ == "__main__":
    sys.exit(main())
