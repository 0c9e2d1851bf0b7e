"""The commands of `timelift`: one function each, whose docstring is its help.

A command takes its options and the project around the working directory. It returns the exit code,
0 if all is done, and raises `UserError`, which is exit code 1, if the user has to do something
first. Modules that take long to import are imported inside of it, so that a typo is answered at
once. The function beside it, with `_options` after its name, adds its options to a parser. Parts
that several commands share are here.
"""

import argparse
import difflib
import sys
from collections.abc import Callable, Container, Iterable
from typing import TYPE_CHECKING, Any

from timelift.axis_values import Backend, Mode, Phase, Runtime
from timelift.errors import UserError, read_share
from timelift.project import Project

if TYPE_CHECKING:
    from timelift.measure.place import Place

Options = argparse.Namespace

#: The exit code of an answer other than yes: undecided, suspect or slower.
EXIT_NOT_YES = 2
#: The exit code that shells expect after Ctrl-C: 128 and the number of SIGINT.
EXIT_INTERRUPTED = 130
#: The names of the plugins with which `timelift bench` and `timelift selftest` call pytest.
BENCH, SELFTEST = "timelift-bench", "timelift-selftest"
#: Before the name of each option among pytest's parsed values, which hold those of all plugins.
PREFIX = "timelift_"
#: pytest's -r where nobody typed it.
USUAL_REPORT = "fE"


def write_lines(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


#: The ways to name a run, for help texts.
RUN_NAMES = "a journal, a folder, a run's or a machine's name, the beginning of a commit, or latest"


def option_for(word: str, project: Project, flags: Container[str]) -> str:
    """Return how to write a word that stands alone, as the value of one of the flags; or ''."""
    values: dict[str, Iterable[str]] = {
        "--workloads": project.workloads,
        "--strategies": project.strategies,
        "--phases": Phase,
        "--modes": Mode,
        "--backends": Backend,
        "--runtimes": Runtime,
        "--seq-lens": [word] if word.isdecimal() else [],
    }
    fitting = (flag for flag, known in values.items() if flag in flags and word in [*known])
    return next((f"write {flag} {word}" for flag in fitting), "")


#: What to write instead of an option that another command has.
_INSTEAD = {
    "timelift report --workloads": "write their names alone, like timelift report tokens",
    "timelift report --run": "write its name first, like timelift report latest",
    "timelift report --results": "name that folder, like timelift report FOLDER",
    "timelift choose --results": "name that folder, like timelift choose --run FOLDER",
    "timelift report --json": "read measurements.csv of the report, or timelift.load in Python",
}


def unknown_option(program: str, flag: str, known: Iterable[str]) -> UserError:
    """Return the error for an option that a program has not, with the nearest that it has."""
    names = {name.lstrip("-"): name for name in known}
    near = [names[name] for name in difflib.get_close_matches(flag.lstrip("-"), names)]
    hint = f"nearest: {', '.join(near)}" if near else "--help lists those it has"
    return UserError(f"{flag} is no option of {program}; {_INSTEAD.get(f'{program} {flag}', hint)}")


def place_of(
    address: str, at_end: Callable[[Callable[[], None]], object], one_kind_for: str = ""
) -> "Place":
    """Return the cluster that `--cluster` names, or this machine; raises UserError.

    `at_end` takes what ends it. `one_kind_for` names a command that answers for one kind alone.
    """
    from timelift.measure.place import HERE  # noqa: PLC0415 - most commands measure nothing

    if not address:
        return HERE
    from timelift.measure.backends import how_to_install  # noqa: PLC0415 - most commands need none

    try:
        from timelift.cluster.place import ClusterPlace  # noqa: PLC0415 - Dask
    except ModuleNotFoundError as error:
        how = f"install it with: {how_to_install('cluster')}"
        raise UserError(f"--cluster: {error.name} is not installed; {how}") from None
    except ValueError as error:  # of a file of Dask's configuration
        raise UserError(f"--cluster: {error}") from None
    sys.stderr.write("timelift: asking the nodes; one that plays for another run answers after\n")
    place = ClusterPlace(address)
    at_end(place.close)
    if one_kind_for and len(place.kinds) > 1:
        raise UserError(
            f"--cluster: {one_kind_for} answers for one kind of machine, received "
            f"{', '.join(place.kinds)}; start the nodes of one kind alone"
        )
    return place


def add_baseline(parser: argparse.ArgumentParser) -> None:
    from timelift.analyse.ranking import BASELINES  # noqa: PLC0415 - numpy

    parser.add_argument(
        "--relative-to",
        default="",
        metavar="STRATEGY",
        help="what speed-ups are told against (default: what the run was asked for, else "
        f"the first that a setting has of {', '.join(BASELINES)})",
    )


def add_gate(parser: argparse.ArgumentParser, meaning: str) -> None:
    """Add the threshold that changes are judged by; `meaning` is for its help text."""
    parser.add_argument(
        "--gate",
        type=argument_type(read_share),
        default="3%",
        metavar="SHARE",
        help=f"{meaning}, such as 3%% or 0.03 (default: 3%%)",
    )


def add_forms(parser: argparse.ArgumentParser) -> "argparse._MutuallyExclusiveGroup":
    """Add the forms of an answer for programs, and return their group, for others."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--code", action="store_true", help="print Python to paste, the answer in its comments"
    )
    form.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    return form


def argument_type(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a reader whose UserError is a message of argparse, which names the option."""

    def read_argument(text: str) -> Any:
        try:
            return read(text)
        except UserError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read_argument
