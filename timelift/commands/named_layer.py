"""Find what `--layer module:function` names, in files: importing it may take a framework."""

import ast
import re
from collections.abc import Iterable, Iterator
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from timelift.errors import UserError, nearest
from timelift.project import Project


class NamedLayer(NamedTuple):
    module: str
    function: str


def find_layer(text: str, project: Project) -> NamedLayer:
    """Read `module:function`; raises UserError where no file of the environment defines it."""
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", text):
        raise UserError(
            f"--layer: expected module:function, like mypkg.models:make_encoder; received {text!r}"
        )
    found = NamedLayer(*text.split(":"))
    path = _file_of(found.module, project)
    if path.suffix != ".py":
        return found
    names = _names(path)
    if names is not None and found.function not in names:
        hint = nearest(found.function, names)
        raise UserError(f"--layer: {path} has no {found.function!r}; {hint}")
    return found


def _file_of(module: str, project: Project) -> Path:
    """Return the file of a module, found as an import would find it, but without importing."""
    folders = [str(one) for one in project.import_folders]
    spec: ModuleSpec | None = None
    first, *rest = module.split(".")
    try:
        spec = PathFinder.find_spec(first, folders) or find_spec(first)
        for depth, _ in enumerate(rest, start=2):
            inside = spec and spec.submodule_search_locations
            name = ".".join(module.split(".")[:depth])
            spec = PathFinder.find_spec(name, [*inside]) if inside else None
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.origin or not spec.has_location:
        raise UserError(
            f"--layer: found no module {module!r} in the project ({', '.join(folders)}) or among "
            "the installed packages; write it as in an import, like mypkg.models:make_encoder"
        )
    return Path(spec.origin)


def _names(path: Path) -> set[str] | None:
    """Return the names that a module's text binds; None where it may bind others, too."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise UserError(f"--layer: {path} is not valid Python ({error}); mend it") from None
    names = set(_bound(tree.body))
    return None if names & {"*", "__getattr__"} else names


def _bound(body: Iterable[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (one.asname or one.name.partition(".")[0] for one in node.names)
        for child in ast.walk(node):
            if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
                yield child.id
            elif child is not node and isinstance(child, ast.stmt):
                yield from _bound([child])
