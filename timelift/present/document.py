"""A document: what a command answers, before it is laid out.

`terminal` shows one on a screen; Markdown and JSON are written here, and the page by its template.
Names inside are as the file wrote them: a renderer escapes them for its place.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from timelift.errors import counted
from timelift.escape import markdown, plain
from timelift.present.tables import Table, markdown_lines

#: The most lines of a screen.
SCREEN_LINES = 28


class Line(NamedTuple):
    """A label and a text; `at_length` takes the text's place where there is more than a screen."""

    label: str
    text: str
    at_length: str = ""

    def written(self, *, at_length: bool) -> str:
        return (at_length and self.at_length) or self.text


def lines(pairs: Iterable[tuple[str, str]]) -> tuple[Line, ...]:
    """Return pairs of a label and a text as lines."""
    return tuple(Line(*pair) for pair in pairs)


class Shown(StrEnum):
    """Where a block is shown."""

    ALWAYS = "always"
    ON_SCREEN = "on screen"
    #: In files, and in a terminal where more than a screen was asked for.
    AT_LENGTH = "at length"
    ON_PAGE = "on page"


class More(NamedTuple):
    """The most parts of a block on a screen, and what it says of the others: noun and place.

    However full a screen is, it shows the `least`.
    """

    most: int
    noun: str
    where: str
    least: int = 0

    def of(self, hidden: int) -> str:
        return f"{counted(hidden, self.noun)}: {self.where}"


@dataclass(frozen=True, kw_only=True)
class Block:
    """A part of a document: a heading, and below it a table, lines, sentences, and commands.

    `name` is how the page finds it. `more` limits one part on a screen: the table's rows; without a
    table the lines; else the sentences. So many of it are `hidden` then.
    """

    name: str = ""
    heading: str = ""
    table: Table | None = None
    lines: tuple[Line, ...] = ()
    sentences: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    more: More | None = None
    hidden: int = 0
    shown: Shown = Shown.ALWAYS

    @property
    def texts(self) -> dict[str, str]:
        """The texts of the lines by their labels."""
        return {line.label: line.text for line in self.lines}

    @property
    def has_lines_alone(self) -> bool:
        return not (self.heading or self.table or self.sentences or self.commands)

    @property
    def _length(self) -> int:
        return len(self.table.rows) if self.table else len(self.lines or self.sentences)

    @property
    def size(self) -> int:
        """The most rows, lines or sentences on a screen; 0 where all of them are shown."""
        return min(self.more.most, self._length) if self.more else 0

    def up_to(self, most: int) -> "Block":
        """Return the block with at most so many rows, lines or sentences, one of them for more."""
        most = max(min(most, self.more.most), self.more.least) if self.more else self._length
        if self.more is None or self._length <= most:
            return self
        kept = max(most - 1, 0)
        hidden = self._length - kept
        told, short = self.more.of(hidden), replace(self, more=None, hidden=hidden)
        if self.table:
            table = replace(self.table, rows=self.table.rows[:kept])
            return replace(short, table=table, sentences=(f"and {told}", *self.sentences))
        if self.lines:
            return replace(short, lines=(*self.lines[:kept], Line("and", told)))
        return replace(short, sentences=(*self.sentences[:kept], f"and {told}"))

    @property
    def on_screen(self) -> "Block":
        return self.up_to(self.size)


_NOTHING = Block()


@dataclass(frozen=True, kw_only=True)
class Document:
    """The answer of a command, and what it rests on.

    `state` is why it is not whole, and stands above everything; `top` is what was measured. The
    `answer` is in one sentence, and `below` has where it does not hold. If it `fits_a_screen`, a
    terminal shows shorter blocks until it does. `data` is the answer for programs, with units in
    the names.
    """

    title: str = ""
    state: str = ""
    top: str = ""
    answer: str = ""
    below: str = ""
    blocks: tuple[Block, ...] = ()
    fits_a_screen: bool = False
    data: Any = field(default_factory=dict)

    def plus(self, *blocks: Block) -> "Document":
        return replace(self, blocks=(*self.blocks, *blocks))

    def shown(self, *, at_length: bool) -> "Document":
        """Return the document with the blocks of a screen alone, or with those shown at length."""
        places = {Shown.ALWAYS, Shown.AT_LENGTH if at_length else Shown.ON_SCREEN}
        return replace(self, blocks=tuple(each for each in self.blocks if each.shown in places))

    def up_to(self, most: int) -> "Document":
        """Return the document with at most so many rows, lines or sentences in each block."""
        return replace(self, blocks=tuple(block.up_to(most) for block in self.blocks))

    def block(self, name: str) -> Block:
        """Return the block of a name, an empty one if there is none."""
        return next((block for block in self.blocks if block.name == name), _NOTHING)


# In Markdown -------------------------------------------------------------------------------------


def to_markdown(document: Document, figures: Iterable[str] = ()) -> str:
    """Return all of a document; `figures` are the names of pictures in the same folder."""
    pictures = [f"![{name}]({name})" for name in figures]
    said = " ".join(filter(None, (document.answer, document.below)))
    head = [text for text in (document.state, document.top) if text]
    blocks = document.shown(at_length=True).blocks
    first = next((i for i, block in enumerate(blocks) if block.heading), len(blocks))
    parts = [
        [f"# {document.title}"],
        *([markdown(text)] for text in head),
        [markdown(said)] if said else [],
        *(part for block in blocks[:first] for part in _in_markdown(block)),
        pictures,
        *(part for block in blocks[first:] for part in _in_markdown(block)),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _in_markdown(block: Block) -> Iterator[list[str]]:
    yield [f"## {markdown(block.heading)}"] if block.heading else []
    yield markdown_lines(block.table) if block.table and block.table.rows else []
    lines = ((line.label, line.written(at_length=True)) for line in block.lines)
    yield [f"- **{markdown(label)}:** {markdown(text)}" for label, text in lines]
    yield [f"- {markdown(text)}" for text in block.sentences]
    yield [f"    {plain(command)}" for command in block.commands]


# As JSON -----------------------------------------------------------------------------------------


def to_json(data: object) -> str:
    """Return data as JSON: numbers with six figures, null for what is not known."""
    return json.dumps(_with_six_figures(msgspec.to_builtins(data, str_keys=True)), indent=2)


def _with_six_figures(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _with_six_figures(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_six_figures(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
