"""What the harness itself costs: `python -m studies.overhead` times an empty function.

The function goes through the path of every case, sample by sample with the device awaited at the
end, so that what is printed is the share of a sample that is not the strategy's. Each backend has a
way to wait of its own: name another one as `python -m studies.overhead jax`.
"""

import argparse
import os
import random
import statistics
import sys
from collections.abc import Iterator, Sequence

from studies import answer, parser
from studies.scoreboard import Column, Row, Scoreboard
from timelift import rounds
from timelift.case import Backend, Phase, Setting
from timelift.errors import UserError
from timelift.measure.machine import why_not_installed
from timelift.worker.engines import Engine, UnavailableError, open_engine

#: Calls in a sample, as for calls of 2 ms, 0.2 ms and 20 µs.
CALLS = (1, 10, 100)
BOARD = Scoreboard(
    (
        Column("calls a sample", width=14),
        Column("µs", ".1f"),
        # what the harness may add at most; a machine must be very busy to come near
        Column("of 2 ms", ".2%", most=0.2),
    )
)


def main(words: Sequence[str] | None = None) -> int:
    options = parser("overhead", __doc__)
    options.add_argument("backend", nargs="?", choices=[*map(str, Backend)], default="tensorflow")
    options.add_argument("--device", default="cpu")
    return answer(options, words, _run)


def _run(asked: argparse.Namespace) -> int:
    backend = Backend(asked.backend)
    if reason := why_not_installed(backend):
        raise UserError(reason)
    os.environ["KERAS_BACKEND"] = backend
    setting = Setting("none", 1, 1, Phase.FORWARD, device=asked.device, backend=backend)
    try:
        engine = open_engine(setting)
    except UnavailableError as error:
        raise UserError(str(error)) from error
    return BOARD.show(_rows(engine, 0.1 if asked.quick else 0.5))


def _rows(engine: Engine, seconds: float) -> Iterator[Row]:
    for calls in CALLS:
        player = rounds.Player("empty", call=_nothing, wait=engine.wait, calls_per_sample=calls)
        rounds.play([player], seconds, random.Random(calls))
        samples = [one * calls for one in player.seconds_per_call if one is not None]
        cost = statistics.median(samples)
        yield str(calls), 1e6 * cost, cost / rounds.SAMPLE_SECONDS


def _nothing() -> None:
    pass


if __name__ == "__main__":
    sys.exit(main())
