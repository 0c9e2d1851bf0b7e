"""Text that came from a file, made harmless for the place where it is shown.

Names and reasons come from the journal's author, so they may hold control codes, markup
or spreadsheet formulas. They stay as they are in memory and are escaped once, on the way out.
"""

import html
import re
import unicodedata

#: Characters after which a longer name is cut in tables and figures.
NAME_LIMIT = 60

_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"})
_MARKDOWN = re.compile(r"[\\`*\[\]|#!~$]|(?<![^\W_])_|_(?![^\W_])")
#: The last four are as wide as a Chinese character, which some programs take for the others.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")

#: Control functions as ECMA-48 (5th edition, 5.3 to 5.6) writes them: sequences with parameters,
#: a colour among them and its end perhaps cut off; strings, such as a terminal's title or a link;
#: escapes of a few letters; and whatever control characters are left, white space excepted.
_CODES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]"
)


def plain(text: object, limit: int | None = None) -> str:
    """Show text on one line without control, direction or unpaired surrogate characters."""
    shown = str(text)
    if not shown.isprintable():
        shown = "".join(map(_visible, shown))
    if limit is not None and len(shown) > limit:
        return f"{shown[: limit - 1]}…"
    return shown


def _visible(character: str) -> str:
    if character in "\n\r\t":
        return " "
    return "\N{REPLACEMENT CHARACTER}" if unicodedata.category(character) in _HIDDEN else character


def markdown(text: object, limit: int | None = None) -> str:
    """Show text as text inside Markdown, in a table cell too."""
    shown = html.escape(plain(text, limit), quote=False)
    return _MARKDOWN.sub(lambda match: f"\\{match.group()}", shown)


def csv_text(text: object) -> str:
    """Show text in a spreadsheet cell that no program takes for a formula.

    Source: OWASP, CSV Injection.
    """
    shown = plain(text)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown


def slug(text: object) -> str:
    """Make a file name part of letters, digits, dot and dash that never climbs out of a folder."""
    words = re.sub(r"[^A-Za-z0-9.]+", "-", str(text))[:NAME_LIMIT]
    return words.strip("-.") or "unnamed"


def without_codes(text: str) -> str:
    """Leave out what steers a terminal; the words stay."""
    return _CODES.sub("", text)
