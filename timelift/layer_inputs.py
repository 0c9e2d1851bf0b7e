"""What a layer takes at one step, as it is typed: `96,96,3`, `float32[3]`, `int32[60]<1000`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from timelift.errors import UserError

_SIZES = r"[1-9]\d{0,8}(?:,[1-9]\d{0,8})*"
_FLOATS = re.compile(rf"({_SIZES})|float32\[({_SIZES})\]", re.ASCII)
_WHOLE_NUMBERS = re.compile(rf"(int32|int64)\[({_SIZES})\](?:<([1-9]\d{{0,9}}))?", re.ASCII)


@dataclass(frozen=True)
class LayerInputs:
    """The shape of one step, without batch; whole numbers have a `dtype` and lie below `high`.

    For numbers with a fraction `dtype` is empty, since `--dtypes` says of which type they are, and
    `high` is 0.
    """

    features: tuple[int, ...] = ()
    dtype: str = ""
    high: int = 0

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "LayerInputs":
        """Return the inputs of the fields of a JSON object."""
        return cls(**{**fields, "features": tuple(fields["features"])})

    def __str__(self) -> str:
        """Write the inputs as `--inputs` reads them."""
        sizes = ",".join(map(str, self.features))
        return f"{self.dtype}[{sizes}]<{self.high}" if self.dtype else sizes


def read_inputs(text: str) -> LayerInputs | None:
    """Read the inputs of a layer; none of an empty text. Raises UserError."""
    word = "".join(text.split())
    if not word:
        return None
    if floats := _FLOATS.fullmatch(word):
        return LayerInputs(_sizes(floats[1] or floats[2]))
    if whole := _WHOLE_NUMBERS.fullmatch(word):
        dtype, sizes, high = whole.groups()
        if not high:
            raise UserError(
                f"expected the number that inputs lie below, like {word}<1000, received {text!r}"
            )
        return LayerInputs(_sizes(sizes), dtype, int(high))
    if "=" in word or word.count("[") > 1:
        raise UserError(
            f"expected one input of one tensor, which is what this version takes, received {text!r}"
        )
    raise UserError(
        "expected the shape of one step, like 96,96,3, float32[96,96,3] or int32[60]<1000, "
        f"received {text!r}"
    )


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))
