"""What people are told to type: the long options that there are, and commands as words."""

import functools
import re
import shlex
import subprocess
import sys
from pathlib import Path

from timelift.cli import COMMANDS, parser

#: How a command of ours begins.
BEGINS = r"(?:pytest bench/|python report\.py|timelift)"
ROOT = Path(__file__).parent.parent


@functools.cache
def pytest_options():
    """Every long option that pytest knows here."""
    words = [sys.executable, "-m", "pytest", "--help"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    # pytest's help spells it --junit-xml and takes both.
    return set(re.findall(r"--[a-z][a-z-]*", done.stdout)) | {"--junitxml"}


def commands(text, pattern):
    """The commands of ours that a pattern finds in a text, as words."""
    found = (one.replace("\\\n", " ") for one in pattern.findall(text))
    return [shlex.split(one, comments=True) for one in found]


def options(words):
    """The long options among the words."""
    return {word.partition("=")[0] for word in words if word.startswith("--")}


def is_pytest(words):
    """True if pytest reads the options: behind `timelift bench`, or in its own name."""
    return words[0] == "pytest" or (words[0] == "timelift" and COMMANDS[words[1]].measures)


def parse(words):
    """Parse the words of a command as `timelift` or `report.py` does; return its name."""
    name, *rest = words[1:] if words[0] == "timelift" else words[2:] or [""]
    if words[0] != "timelift" and name not in COMMANDS:
        name, rest = "report", words[2:]
    parser(name).parse_args(rest)
    return name
