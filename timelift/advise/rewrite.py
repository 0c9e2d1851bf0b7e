"""The user's source with FoldTime in the place of TimeDistributed, at the calls that made lifts.

Nothing is imported, and nothing written before `write`. Every other byte, line end and encoding of
a file stays as it is.
"""

import ast
import difflib
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from timelift.advise.advice import Advice, ModelAdvice
from timelift.advise.outcome_words import Pages
from timelift.advise.user_model import ModelLift, Site
from timelift.errors import UserError, writing
from timelift.journal.files import replace_file
from timelift.present.shortest import lift_alone
from timelift.project import INSTALLED, GitError, Project, git
from timelift.source import UNREADABLE, Source, span_of

#: The strategy that is written, and those that it stands for: native drops the user's own name.
WRITTEN = "fold_time"
_STANDS_FOR = {WRITTEN, "native"}
_CLASS, _FILE = "FoldTime", f"{WRITTEN}.py"
#: Keywords of TimeDistributed that FoldTime takes as they are.
_KEYWORDS = {"layer", "name", "dtype", "trainable"}
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_BY_HAND = "--code prints what to write by hand"


class NotRewrittenError(UserError):
    """A change that is left to the user, with the reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; {_BY_HAND}")


@dataclass(frozen=True)
class Edit:
    """A file of the project, its bytes as they are (None for a new file) and as they become."""

    path: Path
    before: bytes | None
    after: bytes

    def diff(self, shown: str) -> bytes:
        """Return the unified diff, as git applies it; '' where nothing changes."""
        old, new = (_lines_of(each or b"") for each in (self.before, self.after))
        names = (
            b"/dev/null" if self.before is None else f"a/{shown}".encode(),
            f"b/{shown}".encode(),
        )
        lines = difflib.diff_bytes(difflib.unified_diff, old, new, *names)
        return b"".join(
            line if line.endswith(b"\n") else line + b"\n\\ No newline at end of file\n"
            for line in lines
        )

    @property
    def is_stale(self) -> bool:
        """True if the file was changed since it was read."""
        return (self.path.read_bytes() if self.path.exists() else None) != self.before

    def write(self) -> None:
        """Write the file whole or not at all, with the mode that it has."""
        mode = self.path.stat().st_mode if self.before is not None else None
        replace_file(self.path, self.after, self.path.parent)
        if mode is not None:
            self.path.chmod(mode)


def write(edits: Sequence[Edit], project: Project) -> None:
    """Write edits, new files first; raises NotRewrittenError if a file was changed meanwhile."""
    if stale := [project.shown(edit.path) for edit in edits if edit.is_stale]:
        raise NotRewrittenError(f"{stale[0]} was changed while the model was raced")
    for edit in sorted(edits, key=lambda edit: edit.before is not None):
        with writing(edit.path, "make it writable"):
            edit.write()


def _lines_of(text: bytes) -> list[bytes]:
    return io.BytesIO(text).readlines()  # which end at \n alone, as git's do


def edits(advice: ModelAdvice, project: Project, pages: Pages) -> list[Edit]:
    """Return the edits that write FoldTime for each lift that is to change.

    Raises NotRewrittenError where a lift cannot be written so without harm.
    """
    if advice.verdict is not Advice.CHANGE:
        raise NotRewrittenError("no change is advised")
    changes = {one.lift: one.strategy for one in advice.lifts if one.is_change}
    by_file: dict[Path, list[Site]] = defaultdict(list)
    for lift, strategy in changes.items():
        site = _site_of(lift, strategy)
        beside = (one for one in advice.lifts if one.lift.site == site)
        if kept := [one.lift.label for one in beside if not one.is_change]:
            raise NotRewrittenError(
                f"{lift.label} and {', '.join(kept)} are made by one call, and only some change"
            )
        path = Path(site.path).resolve()
        _check_tracked(path, lift, project)
        if site not in by_file[path]:
            by_file[path].append(site)
    found = [
        Edit(path, (own := path.read_bytes()), _edited(own, sites, path))
        for path, sites in by_file.items()
    ]
    folders = dict.fromkeys(path.parent for path in by_file)
    found += [_class_file(folder / _FILE, pages) for folder in folders]
    return [edit for edit in found if edit.before != edit.after]


def _site_of(lift: ModelLift, strategy: str) -> Site:
    if lift.is_loop:
        raise NotRewrittenError(f"{lift.label} is a loop")
    if strategy not in _STANDS_FOR:
        raise NotRewrittenError(f"{lift.label} is the fastest by {strategy}")
    if lift.site is None:
        raise NotRewrittenError(f"no call of TimeDistributed in a file makes {lift.label}")
    return lift.site


def _check_tracked(path: Path, lift: ModelLift, project: Project) -> None:
    """Raise NotRewrittenError unless git tracks a file of the project."""
    root = project.root.resolve()
    if not path.is_relative_to(root) or INSTALLED & {*path.parts}:
        raise NotRewrittenError(
            f"{lift.label} is made in {path.name}, which is not of this project"
        )
    try:
        git(root, "ls-files", "--error-unmatch", str(path))
    except GitError:
        raise NotRewrittenError(f"git does not track {project.shown(path)}") from None


# The text of a file ------------------------------------------------------------------------------


def _edited(own: bytes, sites: Iterable[Site], path: Path) -> bytes:
    """Return the bytes of a file with FoldTime called at these sites, and imported."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(own).readline)
        text = own.decode(encoding)
        tree = ast.parse(text)
    except UNREADABLE as error:
        raise NotRewrittenError(f"{path.name} cannot be read as Python ({error})") from None
    is_imported = _imports_class(tree, path)
    lines = _LINE.findall(text)
    calls = {span_of(node): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for site in sorted(sites, key=lambda site: site.span, reverse=True):
        call = calls.get(site.span)
        if call is None:
            raise NotRewrittenError(f"{path.name} has changed since it was imported")
        _check_arguments(call, path)
        _replace(lines, call.func)
    if not is_imported:
        first = min(sites, key=lambda site: site.span)
        dot = "." if first.package else ""
        _add_import(lines, tree, f"from {dot}{WRITTEN} import {_CLASS}", first.span[0])
    return "".join(lines).encode(encoding)


def _imports_class(tree: ast.Module, path: Path) -> bool:
    """Return whether our class is imported; raises NotRewrittenError where another has its name."""
    is_imported = False
    for node in ast.walk(tree):
        names = [getattr(node, "name", ""), getattr(node, "id", "")]
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.asname or alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom) and node.module == WRITTEN and _CLASS in names:
                is_imported = True
                continue
        if _CLASS in names and not is_imported:
            raise NotRewrittenError(f"{path.name} has another {_CLASS}")
    return is_imported


def _check_arguments(call: ast.Call, path: Path) -> None:
    """Raise NotRewrittenError for arguments that FoldTime may not take."""
    keywords = {keyword.arg for keyword in call.keywords}
    is_known = keywords <= _KEYWORDS and len(call.args) <= 1
    if not is_known or any(isinstance(argument, ast.Starred) for argument in call.args):
        where = f"{path.name}:{call.lineno}"
        raise NotRewrittenError(f"{where} calls TimeDistributed with other arguments than its name")


def _replace(lines: list[str], func: ast.expr) -> None:
    """Write our class for what is called; an expression may take several lines."""
    first, last, start, end = span_of(func)
    before = lines[first - 1].encode()[:start].decode()
    after = lines[last - 1].encode()[end:].decode()
    lines[first - 1 : last] = [f"{before}{_CLASS}{after}"]


def _add_import(lines: list[str], tree: ast.Module, statement: str, before: int) -> None:
    """Add an import behind the last one of a module above a line, or else behind its docstring.

    What an import above has chosen, such as a backend, holds for ours.
    """
    kinds = ast.Import | ast.ImportFrom
    above = [node for node in tree.body if (node.end_lineno or 0) < before]
    text = [node for node in above[:1] if isinstance(node, ast.Expr)]
    place = ([node for node in above if isinstance(node, kinds)] or text)[-1:]
    line = (place[0].end_lineno or 0) if place else 0
    like = lines[max(0, line - 1)]
    end = like[len(like.rstrip("\r\n")) :] or "\n"
    lines.insert(line, statement + end)


def _class_file(path: Path, pages: Pages) -> Edit:
    """Return the new file of our class; raises NotRewrittenError over another one."""
    after = class_module(pages[WRITTEN]).encode()
    before = path.read_bytes() if path.exists() else None
    if before not in {None, after}:
        raise NotRewrittenError(f"there is another {path.name} beside it")
    return Edit(path, before, after)


def class_module(page: Source) -> str:
    """Return a module with a page's docstring and class, which can be imported alone."""
    docstring = ast.get_docstring(ast.parse(page.text), clean=False)
    return f'"""{docstring}"""\n\n{lift_alone(page)}'
