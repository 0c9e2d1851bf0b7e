"""Find what `--layer module:name` names, in files: importing it may take a framework."""

from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from timelift.errors import UserError
from timelift.measure.users_layer import find_factory, makes
from timelift.project import Project
from timelift.told_model import INSIDE


class NamedLayer(NamedTuple):
    """A name in a module, and whether a call of it makes the layer; else it may be the layer."""

    module: str
    name: str
    makes: bool


def find_layer(text: str, project: Project) -> NamedLayer:
    """Read `module:name`; raises UserError where no file of the environment defines it."""
    module, _, name = text.partition(":")
    if INSIDE in text or module.endswith(".py"):
        raise UserError(
            f"--layer: expected module:name, since a file is made of it, received {text!r}"
        )
    try:
        find_factory(text, "module:name, like mypkg.models:make_encoder")
        return NamedLayer(module, name, makes(_file_of(module, project), name))
    except UserError as error:
        raise UserError(f"--layer: {error}") from None


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
            f"found no module {module!r} in the project ({', '.join(folders)}) or among "
            "the installed packages; write it as in an import, like mypkg.models:make_encoder"
        )
    return Path(spec.origin)
