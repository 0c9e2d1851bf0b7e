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

from timelift import rounds
from timelift.case import Backend, Phase, Setting
from timelift.measure.backends import why_not
from timelift.worker.engines import UnavailableError, open_engine

#: Calls in a sample, as for calls of 2 ms, 0.2 ms and 20 µs.
CALLS = (1, 10, 100)


def main() -> None:
    """Print seconds per sample of an empty function, and its share of a 2 ms sample."""
    prog = "python -m studies.overhead"
    parser = argparse.ArgumentParser(description=__doc__, prog=prog)
    parser.add_argument("backend", nargs="?", choices=[*map(str, Backend)], default="tensorflow")
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    backend = Backend(asked.backend)
    if reason := why_not(backend):
        sys.exit(reason)
    os.environ["KERAS_BACKEND"] = backend
    setting = Setting("none", 1, 1, Phase.FORWARD, device=asked.device, backend=backend)
    try:
        engine = open_engine(setting)
    except UnavailableError as error:
        sys.exit(str(error))
    for calls in CALLS:
        player = rounds.Player("empty", call=_nothing, wait=engine.wait, calls_per_sample=calls)
        rounds.play([player], 0.5, random.Random(calls))
        samples = [one * calls for one in player.seconds_per_call if one is not None]
        cost = statistics.median(samples)
        share = cost / rounds.SAMPLE_SECONDS
        sys.stdout.write(f"{calls:4d} calls a sample: {1e6 * cost:5.1f} µs, {share:.2%} of 2 ms\n")


def _nothing() -> None:
    pass


if __name__ == "__main__":
    main()
