"""What strategies declare about layers that are more than a function, in plain words.

`tests/test_meaning.py` derives every declared word from behaviour.
"""

from collections.abc import Mapping
from typing import Any

from timelift.escape import NAME_LIMIT, plain

#: What a declaration is about.
_ABOUT = {
    "DROPOUT": "Dropout",
    "BATCH_NORM": "BatchNormalization",
    "INNER_LOSSES": "Losses of the layer",
    "MASKS": "Masks",
    "PADDED_STEPS": "Masked steps",
}
_REFUSED = "refuses such layers"
#: What each declared word says.
_WORDS = {
    "DROPOUT": {
        "independent": "new noise for every step",
        "shared": "the same noise for all steps of a call",
    },
    "BATCH_NORM": {
        "pooled": "statistics of all steps together",
        "per_step": "statistics of each step, one after another",
        "per_step_and_first_again": "statistics of each step, the first one twice",
        "per_chunk": "statistics of each chunk of steps",
        "per_group": "statistics of each group of sequences",
        "first_step": "statistics of the first step alone",
    },
    "INNER_LOSSES": {
        "kept": "added up over the steps",
        "averaged": "averaged over the steps",
        "averaged_per_chunk": "averaged over the steps of a chunk, then added up",
        "averaged_per_group": "averaged over the steps of a group, then added up",
        "first_step": "those of the first step alone",
        "lost": "lost",
        "unreachable": "out of reach: reading model.losses raises",
    },
    "MASKS": {
        "passed": "passed on to the next layer",
        "lost": "lost",
        "row_lengths": "the row lengths of a ragged tensor take their place",
    },
    "PADDED_STEPS": {
        "computed": "computed like any other step",
        "zeros": "zeros",
        "repeats": "the output of the step before",
        "computed_within_group": "computed up to the longest sequence of a group, then zeros",
        "none": "there are none",
    },
}


def in_words(meaning: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return pairs of what is declared about and what happens to it."""
    return [(about(key), what_happens(key, word)) for key, word in meaning.items()]


def about(key: str) -> str:
    return _ABOUT.get(key) or _plain(key)


def what_happens(key: str, word: object) -> str:
    """Write a declared word, or one for each kind of time axis."""
    if isinstance(word, Mapping):
        parts = (
            f"{what_happens(key, of_axis)} ({_plain(axis)} time axis)"
            for axis, of_axis in word.items()
        )
        return "; ".join(parts)
    if word == "refused":
        return _REFUSED
    return _WORDS.get(key, {}).get(str(word)) or _plain(word)


def _plain(text: object) -> str:
    return plain(str(text).lower().replace("_", " "), NAME_LIMIT)
