"""What a terminal shows, for tests of what is printed."""

import io

from rich.console import Console

from timelift import ended


def printed(module, found, width=100):
    """The lines that a module of present/ prints of findings."""
    console = Console(file=io.StringIO(), width=width)
    module.show(found, console)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def ending_of(path):
    """The lines at the end of a run."""
    console = Console(file=io.StringIO(), width=80)
    ended.end(ended.find(path, path.parent), path, path.parent, None, console)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]
