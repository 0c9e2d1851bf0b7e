"""The options of each command, with their help; the function of a command has its name."""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from timelift.advise.user_model import DEFAULTS
from timelift.analyse.ranking import BASELINES
from timelift.case import AXES, AXIS_FLAGS
from timelift.choose.choices import Goal
from timelift.errors import UserError, read_share
from timelift.measure.options import add_options, option_named, read_size

#: How a run is named.
_RUN = "a journal, a folder, a run's or a machine's name, the beginning of a commit, or latest"


def report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "words",
        nargs="*",
        metavar="[RUN] WORKLOAD",
        help=f"{_RUN} (default: latest); then the workloads whose tables are printed instead",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where index.html, report.md, measurements.csv, tables/ and figures/ go "
        "(default: results/report)",
    )
    _relative_to(parser)
    parser.add_argument("--open", action="store_true", help="open the page in a browser")


def _relative_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--relative-to",
        default="",
        metavar="STRATEGY",
        help="what speed-ups are told against (default: what the run was asked for, else "
        f"the first that a setting has of {', '.join(BASELINES)})",
    )


def choose(parser: argparse.ArgumentParser) -> None:
    texts = {"seq_len": "how many steps", "batch": "how many sequences a call"}
    usual = "default: the usual one, or the only one that was measured"
    for name in AXES:
        parser.add_argument(
            AXIS_FLAGS[name], dest=name, default="", metavar="VALUE", help=texts.get(name, usual)
        )
    parser.add_argument("--goal", default=str(Goal.TIME), help=f"one of {', '.join(Goal)}")
    parser.add_argument("--run", default="latest", metavar="RUN", help=f"{_RUN} (default: latest)")
    _relative_to(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--code", action="store_true", help="print Python to paste, the answer in its comments"
    )
    form.add_argument("--json", action="store_true", help="print one JSON object, for programs")


def compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", metavar="OLD", help=_RUN)
    parser.add_argument("new", metavar="NEW", help="the same")
    _gate(parser, "the least change that counts")
    parser.add_argument(
        "--strict", action="store_true", help="exit with 2 where anything is suspect"
    )
    parser.add_argument(
        "--across-machines",
        action="store_true",
        help="compare ratios between rivals although the machines differ; advisory",
    )
    parser.add_argument("--all", action="store_true", help="print every case")


def history(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--machine", metavar="NAME", help="the machine (default: that of the newest run)"
    )
    parser.add_argument(
        "--workloads", default="", metavar="LIST", help="show the cases of these workloads"
    )
    parser.add_argument("--case", metavar="LABEL", help="show one case, or those of one setting")
    parser.add_argument(
        "--since",
        metavar="DATE",
        help="leave out runs before this date, such as 2026-01-31; use it to accept a change",
    )
    _gate(parser, "the least change that counts")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where history.md, history.csv, changes.csv and the figures go "
        "(default: results/report)",
    )


def bisect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("good", metavar="GOOD", help="a revision that was fast enough")
    parser.add_argument("bad", metavar="BAD", help="a later one that is not, like HEAD")
    parser.add_argument(
        "--case",
        required=True,
        metavar="LABEL",
        help="the case as pytest shows it, like tokens-T16-B8-forward-graph-native",
    )
    _gate(parser, "how much slower is too slow")


def _gate(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the one threshold that changes are judged by."""
    parser.add_argument(
        "--gate",
        type=_argument(read_share),
        default="3%",
        metavar="SHARE",
        help=f"{what}, such as 3%% or 0.03 (default: 3%%)",
    )


def _argument(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a reader for argparse, whose message names the option."""

    def read_argument(text: str) -> Any:
        try:
            return read(text)
        except UserError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read_argument


def bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "words",
        nargs="*",
        metavar="QUESTION",
        help="files or items, such as bench/test_lift.py, or test_modes.py of timelift's own "
        "(default: every question)",
    )
    add_options(lambda title: parser.add_argument_group(title).add_argument)


selftest = bench


def strategies(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "words", nargs="*", metavar="show NAME", help="print this file, to copy (default: list all)"
    )


workloads = strategies


#: What a model is called with where nothing is said.
BATCH, SEQ_LEN = 8, 16
#: The options of a run that `advise` takes.
ADVICE_OPTIONS = (
    *("backends", "launches", "precision", "budget", "seed", "results"),
    *("first_call_limit", "memory_limit"),
)


def advise(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="what makes your model, like mypkg.models:make_model or path.py:make_model, or a "
        ".keras file",
    )
    parser.add_argument(
        "--batch-sizes",
        dest="batch",
        type=_argument(read_size),
        default=0,
        metavar="N",
        help=f"sequences in a call (default: {BATCH})",
    )
    parser.add_argument(
        "--seq-lens",
        dest="seq_len",
        type=_argument(read_size),
        default=0,
        metavar="N",
        help=f"the size of every axis that the model leaves open (default: {SEQ_LEN})",
    )
    parser.add_argument(
        "--data",
        default="",
        metavar="MODULE:FUNCTION",
        help="what returns (inputs, labels) of one batch (default: both are drawn)",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--code", action="store_true", help="print Python to paste, the answer in its comments"
    )
    form.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    for name in ADVICE_OPTIONS:
        option = option_named(name)
        option = replace(option, default=DEFAULTS.get(name, option.default))
        text = option.full_help.replace("%", "%%")
        parser.add_argument(option.flag, default="", metavar=option.metavar, help=text)


def init(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--layer",
        default="",
        metavar="MODULE:NAME",
        help="what makes your layer, or is it, like mypkg.models:make_encoder (default: none)",
    )
    parser.add_argument(
        "--inputs",
        default="",
        metavar="SHAPE",
        help="what it takes at one step, like 96,96,3 or int32[60]<1000 (default: what it tells)",
    )
