"""Write the golden files anew: `python -m tests.golden`, after a change that users shall see."""

import tempfile
from pathlib import Path

from tests.golden import commands

with tempfile.TemporaryDirectory(prefix="timelift-golden-") as folder:
    commands.write(commands.everything(Path(folder)))
