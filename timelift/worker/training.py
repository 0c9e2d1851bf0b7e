"""What training changes in a layer, and which calls of it a declared word stands for.

A lift that calls its layer on several steps at once has other batch statistics and losses than one
that calls it at every step. So a word of `source.MEANING` stands for calls, each on some steps of
some sequences, and a lift means the same if the layer, called so, computes what the lift does.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from timelift.worker.engines import Array
from timelift.worker.making import parts_of

#: Attributes of Keras's layers that hold the rate or size of noise in training.
NOISE = ("rate", "stddev", "dropout", "recurrent_dropout")
#: The rows of a call, as indices (of sequences, of steps) into (batch, time).
Rows = tuple[Array, Array]


@dataclass(frozen=True)
class Training:
    """What training changes in a layer, as its calls on one step show.

    `moves` are the variables that a call changes, seeds among them. It `draws` noise. Once that of
    Keras's layers is `silenced` it is `quiet` if calls in a row agree, and has `statistics` if they
    are still not those of inference, or if they change variables that are no seeds.
    """

    moves: tuple[Any, ...] = ()
    draws: bool = False
    quiet: bool = True
    statistics: bool = False


@contextmanager
def silenced(layer: Any) -> Iterator[None]:
    """Set the rates of noise of a layer and its parts to 0 inside; a traced call keeps its own."""
    rates = [(part, name, getattr(part, name, None)) for part in parts_of(layer) for name in NOISE]
    drawn = [each for each in rates if isinstance(each[2], int | float) and each[2] > 0]
    try:
        for part, name, _ in drawn:
            with suppress(AttributeError):  # an RNN shows that of its cell
                setattr(part, name, 0.0)
        yield
    finally:
        for part, name, rate in drawn:
            with suppress(AttributeError):
                setattr(part, name, rate)


def declared(module: Any, name: str, time_axis: str) -> str:
    """Return what a strategy's file declares by a constant; '' if nothing, or that it refuses."""
    word = getattr(module, name, "")
    word = word.get(time_axis, "") if isinstance(word, Mapping) else word
    return "" if word == "refused" else str(word)


def calls_of(
    word: str, batch: int, time: int, k: int
) -> tuple[Sequence[Rows], Sequence[Rows]] | None:
    """Return the calls of a word: those that change variables, and those that make the outputs.

    `k` is the number of steps of a chunk, or of groups of sequences. None for an unknown word.
    """
    sequences, steps = np.arange(batch), np.arange(time)

    def call(sequences: Array, steps: Array) -> Rows:
        return np.repeat(sequences, len(steps)), np.tile(steps, len(sequences))

    each = [call(sequences, steps[[step]]) for step in steps]
    bounds = [batch * group // min(k, batch) for group in range(1, min(k, batch))] if k else []
    groups = [call(part, steps) for part in np.split(sequences, bounds)]
    chunks = [call(sequences, part) for part in np.split(steps, range(k, time, k))] if k else []
    known: Mapping[str, tuple[Sequence[Rows], Sequence[Rows]]] = {
        "per_step": (each, each),
        "pooled": ([call(sequences, steps)],) * 2,
        "first_step": (each[:1], each),
        "per_step_and_first_again": ([each[0], *each], each),
        "per_chunk": (chunks, chunks),
        "per_group": (groups, groups),
    }
    return known.get(word) if k or word not in {"per_chunk", "per_group"} else None
