"""Write the golden files anew: `python -m tests.golden`, after a change that users shall see."""

import sys
import tempfile
from pathlib import Path

from tests.golden import commands, runs

if "--runs" in sys.argv[1:]:
    runs.write(commands.HERE / "results")
with tempfile.TemporaryDirectory(prefix="timelift-golden-") as folder:
    commands.write(commands.everything(Path(folder)))
