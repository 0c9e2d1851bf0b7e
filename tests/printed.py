"""The end of a run as a terminal shows it."""

from timelift.present import ended, terminal


def ending_of(path, width=80):
    """The lines at the end of a run that lies in the folder of its results."""
    found = ended.end(ended.find(path, path.parent), path, path.parent, None)
    return terminal.summary_text(found, width, colour=False).splitlines()
