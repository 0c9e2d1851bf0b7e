"""How the text of an option is read; what is not as it should be raises ValueError or UserError."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from timelift.case import Backend
from timelift.errors import UserError, nearest
from timelift.measure import devices

#: Sizes are 32-bit in every backend.
_LARGEST, _MOST_DIGITS = 2**31 - 1, 12
_MOST_LAUNCHES = 1_000
_SECONDS = {"s": 1, "m": 60, "h": 3600}
#: The system counts bytes in signed 64 bits.
_MOST_BYTES = 2**63 - 1
_BYTES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@dataclass(frozen=True)
class LaunchRange:
    fewest: int
    most: int

    def __str__(self) -> str:
        return f"{self.fewest}-{self.most}" if self.most > self.fewest else str(self.fewest)


def split(text: str) -> list[str]:
    """Split at commas outside brackets, so that `fold_chunks[k=8,remat=True]` stays whole."""
    words, depth = [""], 0
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if letter == "," and depth <= 0:
            words.append("")
        else:
            words[-1] += letter
    return [word.strip() for word in words if word.strip()]


def list_of(read: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    """Return a reader of words with commas between them; of an empty text there are none."""

    def read_list(text: str) -> tuple[Any, ...]:
        words = split(text)
        if text and not words:
            raise UserError(f"expected at least one value, received {text!r}")
        return tuple(dict.fromkeys(read(word) for word in words))

    return read_list


def _counts(word: str) -> bool:
    """True if a word is a whole number from 1 that any backend has a size for."""
    short = word.isascii() and word.isdecimal() and len(word) <= _MOST_DIGITS
    return short and 0 < int(word) <= _LARGEST


def size(word: str) -> int:
    if not _counts(word):
        raise UserError(f"expected a whole number from 1 to {_LARGEST:,}, received {word!r:.80}")
    return int(word)


def threads(word: str) -> int:
    if word == "default":
        return 0
    if not _counts(word):
        raise UserError(f"expected a number of threads or 'default', received {word!r:.80}")
    return int(word)


def choice(kind: type[StrEnum]) -> Callable[[str], StrEnum]:
    def read(word: str) -> StrEnum:
        try:
            return kind(word)
        except ValueError:
            raise UserError(f"unknown value {word!r}; {nearest(word, kind)}") from None

    return read


def backends(text: str) -> tuple[Backend, ...]:
    """Read a list of backends; an empty one is the usual one."""
    return list_of(choice(Backend))(text) if text else (devices.usual_backend(),)


def device_names(text: str) -> tuple[str, ...]:
    """Read a list of devices; an empty one is the CPU and the first GPU, if any."""
    if text.strip() == "all":
        return tuple(devices.device_names())
    return list_of(devices.read_device)(text) if text else tuple(devices.device_names()[:2])


def positive(word: str) -> int:
    if int(word) < 1:
        raise ValueError(word)
    return int(word)


def seconds(word: str) -> float:
    seconds = float(word)
    if not 0 < seconds < float("inf"):
        raise ValueError(word)
    return seconds


def launches(word: str) -> LaunchRange:
    fewest, dash, most = word.partition("-")
    found = LaunchRange(positive(fewest), positive(most if dash else fewest))
    if not found.fewest <= found.most <= _MOST_LAUNCHES:
        raise ValueError(word)
    return found


def duration(word: str) -> float | None:
    """Read `90`, `90s`, `5m` or `1h` as seconds; an empty text is no limit of the user's."""
    if not word:
        return None
    unit = word[-1] if word[-1] in _SECONDS else ""
    return seconds(word.removesuffix(unit)) * _SECONDS.get(unit, 1)


def one_of(*words: str) -> Callable[[str], str]:
    def read(word: str) -> str:
        if word not in words:
            raise ValueError(word)
        return word

    return read


def memory(word: str) -> int:
    """Read `4G`, `800M` or a number of bytes; an empty text is no limit."""
    if not word:
        return 0
    unit = word[-1].upper()
    number = word[:-1] if unit in _BYTES else word
    found = positive(number) * _BYTES.get(unit, 1)
    if found > _MOST_BYTES:
        raise ValueError(word)
    return found


def seed(word: str) -> int | None:
    """Read a whole number from 0; an empty text asks for a seed drawn anew."""
    if not word:
        return None
    if not (word.isascii() and word.isdecimal()):
        raise ValueError(word)
    return int(word)
