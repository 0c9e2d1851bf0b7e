"""What decides about a suspect: both revisions, side by side, in one process."""

from dataclasses import dataclass

from timelift.analyse.runs.measurement import Run

_COMMIT = 12


@dataclass(frozen=True)
class Decision:
    """The commits of both runs, empty where unknown; `same_code` if neither is to blame."""

    old: str
    new: str
    same_code: bool

    @property
    def against(self) -> str:
        """The revision to race against; empty where none is known or can be to blame."""
        return "" if self.same_code else self.old


def decision(old: Run, new: Run) -> Decision:
    """Return what would decide between two runs.

    Where both measured one commit without changes, no revision is to blame.
    """
    before, after = commit(old), commit(new)
    dirty = old.header.commit.dirty or new.header.commit.dirty
    same = bool(before) and before == after and not dirty
    return Decision(before, after, same)


def commit(run: Run) -> str:
    """Return the commit of a run, shortened; nothing where it is unknown or no commit's name."""
    found = run.header.commit.id or ""
    return found[:_COMMIT] if found.isalnum() and found.isascii() else ""
