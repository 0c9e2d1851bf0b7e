"""Mark the statistics where the truth is known: `python -m studies.coverage [--quick]`.

On simulated noise, or with `--noise RUN...` on what self-tests recorded of equal rivals.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from studies import coverage_real, coverage_together
from studies.noise import SCENARIOS, Shape
from studies.trial import Marks, Play, all_launches, campaign, mark
from timelift.analyse.stats.stopping import LOOKS
from timelift.errors import UserError
from timelift.escape import plain

_HEADER = (
    "noise                       launches  comparisons  coverage (worst pair)"
    "  false alarms  finds 3 %  finds 5 %  best kept"
)
_LEGEND = """
launches      how many were played; with a decimal point, their mean where looks decided
coverage      of the 95 % intervals of all pairs of 5 equal rivals; of the pair with the lowest
false alarms  settings of 5 equal rivals with any pair called different; at most 5 % are allowed
finds 3 %     settings in which the rival 3 % (5 %) slower than the best was shown slower
best kept     settings in which the best rival was in the fastest set
Launch modes  are too rare for a few launches to see how rare: their intervals err on the wide side
"""
#: How the launches are chosen: so many of them, or as the looks decide.
_PLANS: tuple[tuple[int, Play], ...] = (
    (3, all_launches),
    (5, all_launches),
    (8, all_launches),
    (LOOKS[-1], campaign),
)


def main(words: Sequence[str]) -> int:
    """Print one line of marks for everything that is tried; 1 where the runs cannot be used."""
    options = _parser().parse_args(words)
    try:
        contests = coverage_real.contests(options.noise) if options.noise else None
    except UserError as error:
        sys.stderr.write(f"studies.coverage: {plain(error)}\n")
        return 1
    if contests is None:
        plans, runs = (_PLANS[1:2], 2) if options.quick else (_PLANS, 24)
        _print(_HEADER, _lines(plans, options.seed, runs), _LEGEND)
        together = coverage_together.lines(plans, options.seed, runs)
        _print(f"\n{coverage_together.HEADER}", together, coverage_together.LEGEND)
    else:
        lines = coverage_real.lines(contests, options.seed, quick=options.quick)
        _print(coverage_real.HEADER, lines, coverage_real.LEGEND)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m studies.coverage", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="five launches alone, few runs")
    parser.add_argument(
        "--noise",
        nargs="+",
        metavar="RUN",
        help="take the noise of self-tests (pytest bench/ --selftest) instead of simulating it",
    )
    parser.add_argument("--seed", type=int, default=0, help="where the noise starts (default: 0)")
    return parser


def _print(header: str, lines: Iterator[str], legend: str) -> None:
    """Print a table line by line, as it is found."""
    sys.stdout.write(header + "\n")
    for line in lines:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    sys.stdout.write(legend)


def _lines(plans: Sequence[tuple[int, Play]], seed: int, runs: int) -> Iterator[str]:
    for launches, play in plans:
        for place, scenario in enumerate(SCENARIOS):
            random = np.random.default_rng([seed, launches, place])
            marks = mark(scenario, Shape(launches=launches), runs, random, play)
            yield _line(scenario.name, marks, play)


def _line(name: str, marks: Marks, play: Play) -> str:
    launches = f"{marks.launches:.1f}" if play is campaign else f"{marks.launches:.0f}"
    return (
        f"{name:28}{launches:>8}{marks.comparisons:>13,}{marks.coverage:>10.1%}"
        f"{f'({marks.worst_coverage:.1%})':>13}{marks.wrong:>14.1%}"
        f"{marks.found_3:>11.0%}{marks.found_5:>11.0%}{marks.best_kept:>11.1%}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
