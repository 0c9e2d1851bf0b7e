"""`python -m timelift`: the same as `timelift`."""

import sys

from timelift.cli import main

if __name__ == "__main__":
    sys.exit(main())
