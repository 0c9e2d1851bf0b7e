"""A layer as users type it: what makes it, and its inputs at one step.

It is made by `module:name`, `path.py:name` or `model.keras`; `#lift` after one of them is the layer
inside of a lift of that model. Inputs are `96,96,3`, `float32[3]`, `int32[60]<1000`, or several of
these after commas, each with a name or none has one; `+mask` follows one with a mask of its own.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
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
_PLAIN = re.compile(_SIZES, re.ASCII)
_TENSOR = re.compile(
    rf"(?:(?P<name>[A-Za-z_]\w*)=)?(?P<dtype>float32|int(?:8|16|32|64)|uint8|bool)\[(?P<sizes>{_SIZES})?\]"
    r"(?:<(?P<high>[1-9]\d{0,18}))?(?P<mask>\+mask)?",
    re.ASCII,
)
#: Dtypes of so few numbers that their bound need not be named.
USUAL_HIGH = {"uint8": 2**8, "bool": 2}
#: The largest bound of a dtype of whole numbers: one more than its largest number.
_LARGEST = {f"int{bits}": 2 ** (bits - 1) for bits in (8, 16, 32, 64)} | USUAL_HIGH
#: The bound in examples of whole numbers.
ANY_HIGH = 1000


@dataclass(frozen=True)
class StepTensor:
    """One tensor of a step; whole numbers have a `dtype` and lie below `high`.

    For floats `dtype` is '', since `--dtypes` has their type, and `high` is 0. A `masked` tensor
    comes with a mask of its own, over the places of its first axis.
    """

    shape: tuple[int, ...] = ()
    dtype: str = ""
    high: int = 0
    masked: bool = False

    @property
    def why_unfit(self) -> str:
        """Reason why no layer can be called with such a tensor, or ''."""
        largest = _LARGEST.get(self.dtype, self.high)
        if self.high > largest:
            return f"expected numbers of {self.dtype}, which lie below {largest:,} at most"
        if self.dtype and not self.high:
            return f"expected the number that inputs lie below, like {replace(self, high=ANY_HIGH)}"
        if self.high and not self.dtype:
            return "expected whole numbers, like int32[60]<1000, where numbers lie below another"
        if self.masked and not self.shape:
            return "expected an axis that a mask is over, like float32[12,16]+mask"
        return ""

    def __str__(self) -> str:
        sizes = ",".join(map(str, self.shape))
        bound = f"<{self.high}" if self.dtype else ""
        return f"{self.dtype or 'float32'}[{sizes}]{bound}{'+mask' * self.masked}"


@dataclass(frozen=True)
class LayerInputs:
    """What a layer takes at one step: a tensor, a list of several, or a dictionary of `names`.

    Names are sorted, as Keras flattens dictionaries. With two `lifts` a step is a sequence itself:
    its first axis has inner steps, and the layer is lifted over these, too.
    """

    tensors: tuple[StepTensor, ...] = (StepTensor(),)
    names: tuple[str, ...] = ()
    lifts: int = 1

    @classmethod
    def of_one(cls, shape: tuple[int, ...], dtype: str = "", high: int = 0) -> "LayerInputs":
        return cls((StepTensor(shape, dtype, high),))

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "LayerInputs":
        tensors = (StepTensor(**{**one, "shape": tuple(one["shape"])}) for one in fields["tensors"])
        return cls(tuple(tensors), tuple(fields["names"]), fields["lifts"])

    @property
    def of_layer(self) -> "LayerInputs":
        """The inputs of the layer itself: at an inner step if there are two lifts."""
        inner = (replace(one, shape=one.shape[self.lifts - 1 :]) for one in self.tensors)
        return replace(self, tensors=tuple(inner), lifts=1)

    @property
    def is_nest(self) -> bool:
        return bool(self.names) or len(self.tensors) > 1

    @property
    def is_whole(self) -> bool:
        """True if all are whole numbers, by which nothing can be differentiated."""
        return all(tensor.dtype for tensor in self.tensors)

    @property
    def with_bounds(self) -> "LayerInputs":
        """These inputs as an example, with a bound where that of whole numbers is unknown."""
        known = (replace(one, high=one.high or ANY_HIGH * bool(one.dtype)) for one in self.tensors)
        return replace(self, tensors=tuple(known))

    def pack(self, values: Iterable[Any]) -> Any:
        """Return one value for each tensor in the structure that the layer takes."""
        listed = list(values)
        if self.names:
            return dict(zip(self.names, listed, strict=True))
        return listed if len(listed) > 1 else listed[0]

    def __str__(self) -> str:
        """Write the inputs as `--inputs` reads them."""
        texts = list(map(str, self.tensors))
        if self.names:
            return ",".join(f"{name}={text}" for name, text in zip(self.names, texts, strict=True))
        only = self.tensors[0]
        is_plain = len(texts) == 1 and only.shape and not (only.dtype or only.masked)
        return ",".join(map(str, only.shape)) if is_plain else ",".join(texts)


def read_inputs(text: str) -> LayerInputs | None:
    """Read the inputs of a layer; an empty text is None. Raises UserError."""
    word = "".join(text.split())
    if not word:
        return None
    if _PLAIN.fullmatch(word):
        return LayerInputs.of_one(_sizes(word))
    parts = re.split(r",(?![^\[]*\])", word)
    typed = [_TENSOR.fullmatch(part) for part in parts]
    tensors = {each["name"] or place: _tensor(each) for place, each in enumerate(typed) if each}
    names = sorted(name for name in tensors if isinstance(name, str))
    if len(tensors) < len(typed) or len(names) not in {0, len(typed)}:
        wrong = next((part for part, each in zip(parts, typed, strict=True) if not each), "")
        raise UserError(
            "expected the shape of one step, like 96,96,3, int32[60]<1000 or float32[12,16]+mask, "
            "or of several tensors, like frame=float32[84,84,4],action=int32[]<6, each with a name "
            f"or none of them; received {wrong or text!r}"
        )
    for tensor in tensors.values():
        if tensor.why_unfit:
            raise UserError(f"{tensor.why_unfit}, received {text!r}")
    ordered = (tensors[name] for name in names) if names else tensors.values()
    return LayerInputs(tuple(ordered), tuple(names))


def _tensor(match: re.Match[str]) -> StepTensor:
    dtype = "" if match["dtype"] == "float32" else match["dtype"]
    high = int(match["high"] or USUAL_HIGH.get(dtype, 0))
    return StepTensor(_sizes(match["sizes"] or ""), dtype, high, bool(match["mask"]))


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(","))) if text else ()
