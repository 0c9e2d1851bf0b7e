"""What a question can be answered: a choice with its price, or that it is open, and why."""

import math
from dataclasses import dataclass

from timelift.analyse.choose.place import Place


@dataclass(frozen=True)
class Beside:
    """An alternative: how many times the chosen strategy's value it takes, and its interval."""

    strategy: str
    ratio: float
    low: float = math.nan
    high: float = math.nan

    @property
    def apart(self) -> bool:
        """Whether it is known to cost more than the chosen one."""
        return self.low > 1


@dataclass(frozen=True)
class Choice:
    """The answer: a strategy, its value with an interval, and what the others take.

    `value` is in seconds or bytes. `price` is the most that it costs over the best, as a ratio; NaN
    where nothing is claimed. `why` says how a size that was not measured was decided.
    """

    strategy: str
    place: Place
    launches: int
    value: float
    low: float
    high: float
    price: float
    others: tuple[Beside, ...]
    why: str = ""


@dataclass(frozen=True)
class Open:
    """No answer: why, and between whom, if that is known; `longer` if only a long run may tell."""

    why: str
    between: tuple[str, ...] = ()
    longer: bool = False
