"""Whether what `timelift advise` says of ten models after published ones is true of them.

`python -m studies.advice [--models LIST] [--budget SECONDS]`; 1 where one made a model slower.

Each model of `examples/published_models.py` is advised on within a budget. Then the model with all
that was advised is raced against itself again, in fresh launches: `again` is what that found. A
layer's gain is kept where the whole model is shown faster by that change alone, lost where it is
shown slower, and too small to show in the whole else; what one launch says of it is not counted.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from studies import ROOT, named, parser, positive, program
from studies.scoreboard import Cell, Column, Row, Scoreboard
from timelift.advise.races import end_of_budget, find_advice, race_whole
from timelift.advise.user_model import Feeding, look_at_model
from timelift.project import Project

if TYPE_CHECKING:
    from timelift.advise.advice import Gain, LiftAdvice, ModelAdvice, WholeAdvice

MODULE = ROOT / "examples" / "published_models.py"
MODELS = (
    *("video", "documents", "actions", "text_lines", "signal"),
    *("detector", "agent", "speech", "library", "twins"),
)
#: What makes the data of models that do not tell the shapes of their inputs.
DATA = {"agent": "agent_data", "speech": "speech_data"}
#: Sequences in a call, and steps where a model leaves them open.
BATCH, SEQ_LEN = 8, 200
#: The model of the quick form, and its seconds.
QUICK, QUICK_BUDGET = "signal", 40
BOARD = Scoreboard(
    (
        Column("model", width=10),
        Column("write", width=44),
        Column("layers, times as fast", width=48),
        Column("whole, times as fast", width=20),
        Column("again", width=18),
        Column("first call, s", width=14),
        Column("kept", ".0f"),
        Column("too small", ".0f"),
        Column("lost", ".0f"),
        Column("made slower", ".0f", most=0),
        Column("s", ".0f"),
    ),
    words=6,
)


OPTIONS = parser("advice", __doc__)
OPTIONS.add_argument("--models", default="all", help="names of models, or all (the default)")
OPTIONS.add_argument("--budget", type=positive, default=120, help="seconds of each (default: 120)")


@program(OPTIONS)
def main(asked: argparse.Namespace) -> int:
    models = QUICK if asked.quick else asked.models
    budget = QUICK_BUDGET if asked.quick else asked.budget
    return BOARD.show(_row(name, budget) for name in named(dict.fromkeys(MODELS), models))


def _row(name: str, budget: int) -> Row:
    data = f"{MODULE}:{DATA[name]}" if name in DATA else ""
    project = Project(ROOT)
    with tempfile.TemporaryDirectory(prefix="timelift-advice-") as results:
        started = time.monotonic()
        texts = {"results": results, "budget": f"{budget}s"}
        ends = end_of_budget(texts)
        model = look_at_model(project, f"{MODULE}:{name}", Feeding(data, BATCH, SEQ_LEN), texts)
        advice = find_advice(project, model, texts, ends)
        seconds = time.monotonic() - started
        again, interrupted = None, advice.interrupted
        if advice.advised and not interrupted:
            texts = {"results": results, "budget": f"{budget // 2}s"}
            again, interrupted = race_whole(project, model, advice.advised, texts)
        if interrupted:
            raise KeyboardInterrupt
    return row(advice, again, seconds)


def row(advice: "ModelAdvice", again: "WholeAdvice | None", seconds: float) -> Row:
    """Return the row of an advice, of the same race made again, and of the seconds that it took."""
    layers = [f"{_name(lift)} {_gain(lift.gain)}" for lift in advice.lifts if lift.is_change]
    written = [f"{_name(lift)}: {lift.strategy}" for lift in advice.lifts if lift.is_change]
    lost = [f"{_name(lift)}: {lift.lost.partition(': ')[0]}" for lift in advice.lifts if lift.lost]
    return (
        advice.model.name,
        ", ".join(written + lost) or "nothing",
        ", ".join(layers) or "-",
        _whole(advice.whole),
        _whole(again),
        _first_call(advice.whole),
        *_promises(advice.whole),
        int(bool(advice.advised) and _is_loss(again)),
        seconds,
    )


def _name(advice: "LiftAdvice") -> str:
    return advice.lift.name or advice.lift.label


def _gain(gain: "Gain") -> str:
    speed_up = gain.speed_up
    if speed_up is None:
        return "not compared"
    if not speed_up.is_known:
        return f"{speed_up.value:.3g} by one launch"
    return f"{speed_up.value:.3g} [{speed_up.low:.3g}, {speed_up.high:.3g}]"


def _whole(whole: "WholeAdvice | None") -> str:
    return _gain(whole.gain) if whole else "-"


def _first_call(whole: "WholeAdvice | None") -> str:
    pair = whole.gain.first_call if whole else None
    return f"{pair[0]:.3g} → {pair[1]:.3g}" if pair else "-"


def _is_loss(whole: "WholeAdvice | None") -> bool:
    return whole is not None and whole.gain.is_loss


def _promises(whole: "WholeAdvice | None") -> Iterator[Cell]:
    """Count layers whose gain is shown in the whole, is too small to show there, and is a loss."""
    alone: Iterable[Gain] = ()
    if whole is not None:
        alone = whole.alone.values() if len(whole.changes) > 1 else [whole.gain]
    compared = [gain for gain in alone if gain.speed_up and gain.speed_up.is_known]
    shown = sum(gain.is_shown for gain in compared)
    lost = sum(gain.is_loss for gain in compared)
    yield from (shown, len(compared) - shown - lost, lost)


if __name__ == "__main__":
    sys.exit(main())
