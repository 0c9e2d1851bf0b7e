"""Whether what `timelift advise` says of twenty models after published ones is true of them.

`python -m studies.advice [--models LIST] [--budget SECONDS]`; 1 where a model that is told to
change was slower again or means something else, or where a lift was neither found nor named.

Each model of `examples/published_models.py` and `examples/more_models.py` is advised on, within a
budget or as `timelift advise` does by default. Then the model with all that was advised is raced
against itself again, in fresh launches with half of the budget: `again` is what that found.
`held back` is what is faster alone and not advised, since it means something else in training or
breaks the law of the whole model.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from studies import ROOT, named, parser, positive, program
from studies.scoreboard import Column, Row, Scoreboard
from timelift.advise.races import advise_on, race_whole
from timelift.advise.user_model import Changes, Feeding
from timelift.measure.request import RunRequest
from timelift.project import Project

if TYPE_CHECKING:
    from timelift.advise.advice import LiftAdvice, ModelAdvice, Outcome, WholeRace

PUBLISHED, MORE = (ROOT / "examples" / name for name in ("published_models.py", "more_models.py"))


@dataclass(frozen=True)
class Truth:
    """How many lifts a model has, and the layer that must be named since it is called often.

    `data` makes its data, if it does not tell the shapes of its inputs.
    """

    lifts: int
    named: str = ""
    data: str = ""


PUBLISHED_MODELS = {
    "video": Truth(1),
    "documents": Truth(1),
    "actions": Truth(1),
    "text_lines": Truth(2),
    "signal": Truth(1),
    "detector": Truth(5),
    "agent": Truth(1, data="agent_data"),
    "speech": Truth(2, data="speech_data"),
    "library": Truth(2),
    "twins": Truth(1),
}
MODELS: Mapping[str, Truth] = PUBLISHED_MODELS | {
    "sessions": Truth(1),
    "dialogue": Truth(1),
    "latents": Truth(1),
    "gait": Truth(1),
    "sales": Truth(2),
    "keywords": Truth(1),
    "gestures": Truth(0, named="pose", data="gestures_data"),
    "channels": Truth(0, named="sensor"),
    "signatures": Truth(0, named="encoder"),
    "cameras": Truth(2),
}
#: The strategies that keep the meaning of a lift in training, by its name, where not all do.
KEEP: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(("latent_td", "window_td", "norm_td"), ()),
    "session_td": ("fold_time",),
    **dict.fromkeys(("weeks_td", "plan_td", "frame_td"), ("fold_time", "native")),
}
#: Sequences in a call, and steps where a model leaves them open.
BATCH, SEQ_LEN = 8, 200
#: Seconds of the race that is made again, where no budget is given.
AGAIN = 30
#: The model of the quick form, and its seconds.
QUICK, QUICK_BUDGET = "signal", 40
BOARD = Scoreboard(
    (
        Column("model", width=10),
        Column("verdict", width=9),
        Column("named", width=20),
        Column("alone, times as fast", width=48),
        Column("whole, times as fast", width=20),
        Column("again", width=18),
        Column("held back", width=48),
        Column("lifts", ".0f"),
        Column("found", ".0f"),
        Column("not named", ".0f", most=0),
        Column("other meaning", ".0f", most=0),
        Column("made slower", ".0f", most=0),
        Column("s", ".0f"),
    ),
    words=7,
)


OPTIONS = parser("advice", __doc__)
OPTIONS.add_argument("--models", default="all", help="names of models, or all (the default)")
OPTIONS.add_argument("--budget", type=positive, help="seconds of each (default: advise's own)")


@program(OPTIONS)
def main(asked: argparse.Namespace) -> int:
    models = QUICK if asked.quick else asked.models
    budget = QUICK_BUDGET if asked.quick else asked.budget
    return BOARD.show(_row(name, truth, budget) for name, truth in named(MODELS, models).items())


def _row(name: str, truth: Truth, budget: int | None) -> Row:
    module = PUBLISHED if name in PUBLISHED_MODELS else MORE
    feeding = Feeding(f"{module}:{truth.data}" if truth.data else "", BATCH, SEQ_LEN)
    project = Project(ROOT)
    with tempfile.TemporaryDirectory(prefix="timelift-advice-") as results:
        started = time.monotonic()
        texts = {"results": results} | ({"budget": f"{budget}s"} if budget else {})
        (advice,) = advise_on(project, f"{module}:{name}", [feeding], texts)
        seconds = time.monotonic() - started
        again = None
        if advice.advised and not advice.was_interrupted:
            texts = {"results": results, "budget": f"{budget // 2 if budget else AGAIN}s"}
            again = race_whole(partial(RunRequest, project), advice.model, advice.advised, texts)
        if advice.was_interrupted or (again and again.run.is_provisional):
            raise KeyboardInterrupt
    return row(truth, advice, again, seconds)


def row(truth: Truth, advice: "ModelAdvice", again: "WholeRace | None", seconds: float) -> Row:
    """Return the row of an advice, of the same race made again, and of the seconds that it took."""
    repeated = [f"{layer.layer} ×{layer.calls}" for layer in advice.model.repeated]  # noqa: RUF001
    is_named = any(truth.named in text for text in repeated) or not truth.named
    missing = max(0, truth.lifts - len(advice.lifts)) + (not is_named)
    changes = [lift for lift in advice.lifts if lift.is_change]
    alone = [f"{_name(lift)}: {lift.strategy} {_gain(lift.gain)}" for lift in changes]
    broken = {changes for changes, outcome in advice.raced.items() if outcome.is_broken}
    held = [
        f"{_name(lift)}: {name} {_gain(gain)} ({why})"
        for lift in advice.lifts
        for name, gain in lift.rivals.items()
        if gain.speed_up.value > 1 and (why := _why((lift.lift.number, name), gain, broken))
    ]
    once_more = again.outcomes.get(again.changes) if again else None
    keep = [KEEP.get(_name(lift), (lift.strategy,)) for lift in changes]
    return (
        advice.model.name,
        str(advice.verdict),
        ", ".join(repeated) or "-",
        ", ".join(alone) or "-",
        _gain(advice.gain),
        _gain(once_more) if once_more else "-",
        ", ".join(held) or "-",
        truth.lifts,
        len(advice.lifts),
        missing,
        sum(lift.strategy not in kept for lift, kept in zip(changes, keep, strict=True)),
        int(once_more is not None and once_more.is_loss),
        seconds,
    )


def _name(advice: "LiftAdvice") -> str:
    return advice.lift.name or advice.lift.label


def _why(change: tuple[int, str], gain: "Outcome", broken: Collection[Changes]) -> str:
    """Return for what a strategy is held back: its meaning in training, or the law, or nothing."""
    return ", ".join(gain.meaning) or ("the law" if (change,) in broken else "")


def _gain(gain: "Outcome") -> str:
    speed_up = gain.speed_up
    if not gain.is_compared:
        return "-"
    if not speed_up.is_known:
        return f"{speed_up.value:.3g} by one launch"
    return f"{speed_up.value:.3g} [{speed_up.low:.3g}, {speed_up.high:.3g}]"


if __name__ == "__main__":
    sys.exit(main())
