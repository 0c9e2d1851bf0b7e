"""A door of this checkout: `python report.py …` is `timelift …`, by default `timelift report`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from timelift import cli

ROOT = Path(__file__).parent


def main(words: Sequence[str] | None = None) -> int:
    """Run the command of `words`, by default those of the command line; return its exit code."""
    return cli.main(words, ROOT, default="report")


if __name__ == "__main__":
    sys.exit(main())
