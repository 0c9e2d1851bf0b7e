"""The door of reading: `python report.py [COMMAND] …`. The commands are in `timelift.cli`."""

import gc
import sys
from collections.abc import Sequence
from pathlib import Path

from timelift import cli

ROOT = Path(__file__).parent


def main(words: Sequence[str] | None = None) -> int:
    """Run what the words ask for, by default those of the command line; return the exit code."""
    return cli.main(words, ROOT)


if __name__ == "__main__":
    gc.disable()  # A report ends before its garbage matters; collecting it is a tenth of the time.
    sys.exit(main())
