"""Text from a framework or a strategy, without the codes that colour it on a terminal.

It enters the journal and pytest's failures, and is read in files, mails and pages.
"""

import re

#: Control functions as ECMA-48 (5th edition, 5.3 to 5.6) writes them: sequences with parameters,
#: a colour among them and its end perhaps cut off; strings, such as a terminal's title or a link;
#: escapes of a few letters; and whatever control characters are left, white space excepted.
_CODES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]"
)


def without_codes(text: str) -> str:
    """The text without control codes; its words, spaces and line ends stay."""
    return _CODES.sub("", text)
