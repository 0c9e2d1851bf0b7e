"""Percentages on a command line, read alike everywhere: `3%` and `0.03` are both three per cent."""

from timelift.errors import UserError

#: A larger number is no percentage that anyone meant.
_FAR = 1000.0


def share(text: str, below: float = 1.0) -> float:
    """Read a percentage as a share above 0 and under `below`; raises UserError.

    With the sign a number is per cent, without it the share itself. A number without the sign from
    1 on could be meant either way, so it is refused.
    """
    word = text.strip()
    signed = word.endswith("%")
    try:
        found = float(word.removesuffix("%")) / (100 if signed else 1)
    except ValueError:
        found = -1.0
    if 0 < found < below and (signed or found < 1):
        return found
    number = word if 1 <= found < _FAR and not signed else "3"
    raise UserError(
        f"expected a share between 0 and {below:.0%}, received {text!r}; write it like {number}% "
        f"or {float(number) / 100:g}, which are the same"
    )
