"""Find what `--layer module:name` names, in files: importing it may take a framework."""

import ast
from collections.abc import Iterable, Iterator
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from timelift.errors import UserError, nearest
from timelift.measure.users_layer import layer_in_module
from timelift.project import Project
from timelift.told_model import INSIDE

#: What a module binds that may have any other name as well.
_ANY = {"*": False, "__getattr__": True}


class NamedLayer(NamedTuple):
    """A name in a module, and whether a call of it makes the layer; else it may be the layer."""

    module: str
    name: str
    makes: bool


def find_layer(text: str, project: Project) -> NamedLayer:
    """Read `module:name`; raises UserError where no file of the environment defines it."""
    if INSIDE in text:
        raise UserError(
            f"--layer: expected module:name, since a file is made of it; received {text!r}, "
            "which is inside of a model: write a function that returns it"
        )
    module, name = layer_in_module(text).split(":")
    path = _file_of(module, project)
    names = _names(path) if path.suffix == ".py" else _ANY
    if name not in names and not names.keys() & _ANY.keys():
        raise UserError(f"--layer: {path} has no {name!r}; {nearest(name, names)}")
    return NamedLayer(module, name, makes=names.get(name, False))


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


def _names(path: Path) -> dict[str, bool]:
    """Return the names that a module's text binds, and which are functions or classes."""
    try:
        return dict(_bound(ast.parse(path.read_text(encoding="utf-8")).body))
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise UserError(f"--layer: {path} is not valid Python ({error}); mend it") from None


def _bound(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, bool]]:
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, True
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((one.asname or one.name.partition(".")[0], False) for one in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, False
        yield from _bound(ast.iter_child_nodes(node))
