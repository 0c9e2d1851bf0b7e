"""What a terminal shows, for tests of what is printed."""

import io

from rich.console import Console

from timelift import ended
from timelift.present import terminal


def printed(module, found, width=100):
    """The lines that a module of present/ prints of findings."""
    console = Console(file=io.StringIO(), width=width)
    module.show(found, console)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def ending_of(path, width=80):
    """The lines at the end of a run that lies in the folder of its results."""
    found = ended.end(ended.find(path, path.parent), path, path.parent, None)
    return terminal.summary_text(found, width, colour=False).splitlines()
