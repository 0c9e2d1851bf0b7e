"""Lines with a style, which is known where a line is written: is it an answer, or a doubt?"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Self


class Style(StrEnum):
    """What a line is; one of `PLAIN` style need not be a `StyledLine`."""

    PLAIN = "plain"
    ANSWER = "answer"
    OVERALL = "answer over several settings"
    DOUBT = "doubt"


class StyledLine(str):
    """A line of text that carries its style."""

    __slots__ = ("style",)
    style: Style

    def __new__(cls, text: str, style: Style) -> Self:
        line = super().__new__(cls, text)
        line.style = style
        return line


#: Styles in the words of pytest's terminal writer.
_MARKUP: Mapping[Style, Mapping[str, bool]] = {
    Style.PLAIN: {},
    Style.ANSWER: {"green": True},
    Style.OVERALL: {"green": True, "bold": True},
    Style.DOUBT: {"yellow": True},
}


def markup(line: str) -> Mapping[str, bool]:
    """Return the colour of a line, in the words of pytest's terminal writer."""
    return _MARKUP[line.style if isinstance(line, StyledLine) else Style.PLAIN]
