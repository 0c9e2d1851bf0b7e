"""What people are told to type: the long options that there are, and commands as words."""

import functools
import re
import shlex
import subprocess
import sys
from pathlib import Path

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
