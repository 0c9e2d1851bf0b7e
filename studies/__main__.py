"""List the studies: `python -m studies`."""

import sys

from studies import STUDIES

if __name__ == "__main__":
    for name, about in STUDIES.items():
        sys.stdout.write(f"python -m studies.{name:15}{about}\n")
