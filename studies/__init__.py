"""Proofs of the tool, which the product never imports: `python -m studies` lists them.

Each is `python -m studies.NAME` and has a `--quick` form, whose figures are few and whose bounds
are wide. Exit code 1: a figure is out of its bounds.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from timelift.axis_values import Backend
from timelift.errors import UserError, nearest
from timelift.escape import plain
from timelift.measure.backends import why_not_installed
from timelift.measure.options import split

T = TypeVar("T")
Study = Callable[[argparse.Namespace], int]
ROOT = Path(__file__).resolve().parents[1]
#: Every program of this folder, and what it shows.
STUDIES = {
    "law": "planted mistakes are found by the law, and no right fold is condemned",
    "ladder": "intervals and verdicts on simulated noise: coverage, false alarms, power",
    "machines": "intervals where machines differ: what they hold with 2, 3, 5 and 10 of them",
    "tomorrow": "what several runs say of sessions, and of a run tomorrow: what their ranges hold",
    "real_noise": "the same on what self-tests recorded of equal rivals",
    "history": "slow-downs in simulated histories and pairs of runs: found, late, false",
    "advice": "what is advised on twenty models after published ones, and whether it is true",
    "gate": "the gate on suites of two commits whose truth is known",
    "gate_rule": "the gate's rule on simulated launches: false alarms, power",
    "fleet": "the schedule of a cluster, by simulation: up to 1,000 machines, slow ones, deaths",
    "kills": "runs that are killed at random moments and go on",
    "mutants": "mutants of a room, and how many of them its tests see",
    "neighbours": "runs beside a program on one processor say so, and agree once it has left",
    "sample_length": "seconds per call do not depend on how long a sample lasts",
    "support": "which strategy lifts which workload, on which backend",
}


def parser(name: str, about: str | None) -> argparse.ArgumentParser:
    """Return the parser of a study, with the options that all of them have."""
    options = argparse.ArgumentParser(prog=f"python -m studies.{name}", description=about)
    options.add_argument("--quick", action="store_true", help="few figures, in under a minute")
    options.add_argument("--seed", type=int, default=0, help="where all noise starts (default: 0)")
    return options


def positive(text: str) -> int:
    """Read a whole number from 1, as an argument's type."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, received {text!r}")
    return int(text)


def named(by_name: Mapping[str, T], words: str) -> dict[str, T]:
    """Return the items of a comma-separated list of names, or all; other names are UserErrors."""
    names = list(by_name) if words == "all" else split(words)
    for name in names:
        if name not in by_name:
            raise UserError(f"unknown name {name!r}; {nearest(name, by_name)}")
    return {name: by_name[name] for name in names}


def installed(words: str) -> list[Backend]:
    """Read a list of backends, or all; raises UserError where one is not installed."""
    backends = list(named({str(backend): backend for backend in Backend}, words).values())
    if missing := next(filter(None, map(why_not_installed, backends)), ""):
        raise UserError(missing)
    return backends


def program(options: argparse.ArgumentParser) -> Callable[[Study], Callable[..., int]]:
    """Make a function of the options asked for a program of words."""
    return lambda study: lambda words=None: answer(options, words, study)


def answer(options: argparse.ArgumentParser, words: Sequence[str] | None, study: Study) -> int:
    """Run a study; a UserError is one sentence and exit code 1."""
    asked = options.parse_args(words)
    try:
        return study(asked)
    except UserError as error:
        sys.stderr.write(f"{options.prog.removeprefix('python -m ')}: {plain(error)}\n")
        return 1


def write(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def collect(trials: Iterable[T], line: Callable[[T], str]) -> list[T]:
    """Return the trials, each printed as a line when it ends; after Ctrl-C those so far."""
    done: list[T] = []
    try:
        for trial in trials:
            done.append(trial)
            write(f"{len(done)}: {line(trial)}")
    except KeyboardInterrupt:
        write("interrupted; what there is:")
    return done
