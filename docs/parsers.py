"""The parser of each command by its name, for `reference/commands.md`."""

import argparse
import re
from functools import partial

from timelift import cli


def parser(name: str) -> argparse.ArgumentParser:
    """Return a command's parser; an indented block of its description is a page's block of code."""
    found = cli.parser(name)
    found.description = re.sub(
        r"(?<=:\n)((  .*(\n|$))+)", r"```text\n\1\n```\n", found.description or ""
    )
    return found


globals().update({name: partial(parser, name) for name in cli.COMMANDS})
