"""git as a program: what it prints, and in a sentence why it does not."""

import subprocess
from pathlib import Path

from timelift.errors import UserError
from timelift.journal.lines import Commit


class GitError(UserError):
    """git refused; `printed` is what it said."""

    def __init__(self, command: str, printed: str) -> None:
        super().__init__(f"git {command} failed: {printed or 'it printed nothing'}")
        self.printed = printed


def git_bytes(root: Path, *words: str) -> bytes:
    """Return what git prints in a folder; raises GitError, or UserError where there is no git."""
    try:
        done = subprocess.run(["git", "-C", root, *words], capture_output=True, check=False)
    except OSError as error:
        raise UserError(f"git cannot be run ({error.strerror}); install it") from None
    if done.returncode:
        raise GitError(words[0], _as_text(done.stderr) or _as_text(done.stdout))
    return done.stdout


def git(root: Path, *words: str) -> str:
    return _as_text(git_bytes(root, *words))


def resolve_commit(root: Path, revision: str) -> str:
    """Return the commit of a revision; raises UserError where git knows none."""
    try:
        return git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    except GitError as error:
        why = f" ({error.printed})" if error.printed else ""
        raise UserError(
            f"expected a revision that git knows here, received {revision!r}{why}; fetch it"
        ) from None


def commit_of(root: Path) -> Commit:
    """Return the commit of `root` and whether tracked files differ from it; no git gives no id."""
    try:
        revision = git(root, "rev-parse", "HEAD")
        return Commit(revision, bool(git(root, "status", "--porcelain", "-uno")))
    except UserError:
        return Commit()


def _as_text(output: bytes) -> str:
    return output.decode(errors="replace").strip()
