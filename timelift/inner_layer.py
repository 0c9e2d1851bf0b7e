"""A layer as users type it: what makes it, and its inputs at one step.

It is made by `module:name`, `path.py:name` or `model.keras`; `#lift` after one of them is the layer
inside of a lift of that model. Inputs are `96,96,3`, `float32[3]` or `int32[60]<1000`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from timelift.errors import UserError

#: The end of a stored model's name.
STORED = ".keras"
#: The strategy that calls Keras's own wrapper.
TIME_DISTRIBUTED = "time_distributed"
_FACTORY = re.compile(
    rf"(?P<where>.+?)(?:(?<={re.escape(STORED)})|:(?P<name>[^:#/]*)(?<!{re.escape(STORED)}))(?:#(?P<lift>.+))?",
    re.DOTALL,
)


@dataclass(frozen=True)
class Factory:
    """What makes a layer or model, or is it: `name` in a module or Python file, or a stored model.

    `where` is the module or the file; a stored model has no name. A `lift`, by its number from 1,
    asks for the layer inside of that lift of the model.
    """

    where: str
    name: str = ""
    lift: str = ""

    @classmethod
    def of(cls, text: str) -> Self:
        """Read the text that `str` writes; a text in another form is `where` as a whole."""
        typed = _FACTORY.fullmatch(text)
        return cls(**typed.groupdict("")) if typed else cls(text)

    @property
    def is_file(self) -> bool:
        return bool(self.name) and self.where.endswith(".py")

    @property
    def is_stored(self) -> bool:
        return not self.name and self.where.endswith(STORED)

    def __str__(self) -> str:
        parts = (self.where, self.name and f":{self.name}", self.lift and f"#{self.lift}")
        return "".join(parts)


_SIZES = r"[1-9]\d{0,8}(?:,[1-9]\d{0,8})*"
_FLOATS = re.compile(rf"({_SIZES})|float32\[({_SIZES})\]", re.ASCII)
_WHOLE_NUMBERS = re.compile(rf"(int32|int64)\[({_SIZES})?\](?:<([1-9]\d{{0,18}}))?", re.ASCII)
#: The largest bound of a dtype: one more than its largest number.
_LARGEST = {"int32": 2**31, "int64": 2**63}


@dataclass(frozen=True)
class LayerInputs:
    """The shape of one step, without batch; whole numbers have a `dtype` and lie below `high`.

    For floats `dtype` is '', since `--dtypes` has their type, and `high` is 0.
    """

    features: tuple[int, ...] = ()
    dtype: str = ""
    high: int = 0

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "LayerInputs":
        return cls(**{**fields, "features": tuple(fields["features"])})

    @property
    def why_too_high(self) -> str:
        """Reason why the dtype cannot hold every number below `high`, or ''."""
        largest = _LARGEST.get(self.dtype, self.high)
        if self.high <= largest:
            return ""
        return f"expected numbers of {self.dtype}, which lie below {largest:,} at most"

    def __str__(self) -> str:
        """Write the inputs as `--inputs` reads them."""
        sizes = ",".join(map(str, self.features))
        return f"{self.dtype}[{sizes}]<{self.high}" if self.dtype else sizes


def read_inputs(text: str) -> LayerInputs | None:
    """Read the inputs of a layer; an empty text is None. Raises UserError."""
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
        inputs = LayerInputs(_sizes(sizes or ""), dtype, int(high))
        if inputs.why_too_high:
            raise UserError(f"{inputs.why_too_high}, received {text!r}")
        return inputs
    raise UserError(
        "expected the shape of one step of one tensor, like 96,96,3, float32[96,96,3] or "
        f"int32[60]<1000, received {text!r}"
    )


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(","))) if text else ()
