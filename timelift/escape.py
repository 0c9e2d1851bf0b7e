"""Text that came from a file, made harmless for the place where it is shown.

Names and reasons come from the journal's author, so they may hold control codes, markup
or spreadsheet formulas. They stay as they are in memory and are escaped once, on the way out.
"""

import html
import re
import unicodedata

#: The most characters of a name in tables and figures.
NAME_LIMIT = 60

_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"})
#: The last two begin addresses, of which GitHub makes links.
_MARKDOWN = re.compile(r"[\\`*\[\]|#!~$]|(?<![^\W_])_|_(?![^\W_])|(?<=:)/(?=/)|(?<=www)\.")
#: The last four are the full-width forms of the others, which some programs read as the same.
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
    """Return text on one line without control, direction or unpaired surrogate characters."""
    shown = str(text)
    if limit is not None and len(shown) > limit:
        shown = f"{shown[: limit - 1]}…"
    return shown if shown.isprintable() else "".join(map(_visible, shown))


def _visible(character: str) -> str:
    if character in "\n\r\t":
        return " "
    return "\N{REPLACEMENT CHARACTER}" if unicodedata.category(character) in _HIDDEN else character


def markdown(text: object) -> str:
    """Return text that Markdown shows as it is, in a table cell too."""
    shown = html.escape(plain(text), quote=False)
    shown = _MARKDOWN.sub(lambda match: f"\\{match.group()}", shown)
    return re.sub(r"@(?=[\w\\-]+\.)", "@<!-- -->", shown)  # nor of mail, which no escape breaks


def csv_text(text: object) -> str:
    """Return text for a spreadsheet's cell that no program takes for a formula.

    Source: OWASP, CSV Injection.
    """
    shown = plain(text)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown


def slug(text: object) -> str:
    """Return a part of a file name: letters, digits, dots and dashes, and never `..`."""
    words = re.sub(r"[^A-Za-z0-9.]+", "-", str(text))[:NAME_LIMIT]
    return words.strip("-.") or "unnamed"


def without_codes(text: str) -> str:
    return _CODES.sub("", text)
