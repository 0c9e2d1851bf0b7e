"""Whether a file, and every module of the project that it imports, is the same on both sides.

Files are read with `ast`, never imported. Modules outside of the project (Keras, packages in the
environment) are the same for both sides. Data files that code reads are not looked at.
"""

import ast
import contextlib
import re
from collections.abc import Iterable
from functools import cache
from importlib.util import resolve_name
from pathlib import Path
from typing import NamedTuple

from timelift.project import Project
from timelift.source import UNREADABLE, module_files

#: Text that imports or runs modules which no import statement names, or changes where modules are
#: found. A match in a comment counts, too; `model.eval()` does not match.
_DYNAMIC = re.compile(
    rb"__import__|__builtins__|__path__|(?<![.\w])(?:exec|eval)\b"
    rb"|\b(?:builtins|runpy|import_module|exec_module|load_module|run_module|run_path)\b"
    rb"|\bsys\s+as\b|\bfrom\s+sys\s+import\b|\bsys\s*\.\s*(?:path|modules|meta_path|path_hooks)\b"
)


class Imported(NamedTuple):
    """`import module`, or `from module import name`, whose name may be a module as well."""

    module: str
    name: str = ""


class SameCode:
    """Compares files of two projects, and the modules that those import from their projects."""

    def __init__(self, here: Project, there: Project) -> None:
        self._folders = (here.import_folders, there.import_folders)
        self._imports_of = cache(_imports_of)

    def of_files(self, here: Path, there: Path) -> bool:
        """True if both files, and all that they import of the project, are equal and readable."""
        with contextlib.suppress(OSError):
            equal = here.read_bytes() == there.read_bytes()
            return equal and self._of_imports(self._imports_of(here, ""))
        return False

    def of_module(self, name: str) -> bool:
        with contextlib.suppress(OSError):
            return self._of_imports([Imported(name)])
        return False

    def _of_imports(self, imports: Iterable[Imported] | None) -> bool:
        if imports is None:
            return False
        waiting, seen = list(imports), set[Imported]()
        while waiting:
            imported = waiting.pop()
            if imported in seen or not self._is_of_project(imported.module):
                continue
            seen.add(imported)
            further = self._further_imports(imported)
            if further is None:
                return False
            waiting += further
        return True

    def _further_imports(self, imported: Imported) -> list[Imported] | None:
        """Return the imports in the files of an import; None if they differ or are not known."""
        here, there = (_files_of(imported, folders) for folders in self._folders)
        if _texts(here) != _texts(there):
            return None
        wanted = {imported.module, f"{imported.module}.{imported.name}"}
        named = [path for path, module in here if module in wanted]
        if not named or (imported.name == "*" and any(path.stem == "__init__" for path in named)):
            return None  # a module is missing, or a package's `__all__` may name any module
        further = list[Imported]()
        for path, module in here:
            imports = self._imports_of(path, module)
            if imports is None:
                return None
            further += imports
        return further

    def _is_of_project(self, module: str) -> bool:
        top = module.partition(".")[0]
        folders = [folder for side in self._folders for folder in side]
        return any(module_files(top, folders)) or any(
            any((folder / top).rglob("*.py")) for folder in folders
        )


def _files_of(imported: Imported, folders: Iterable[Path]) -> list[tuple[Path, str]]:
    """Return the files that an import runs, each with its module, those of its packages included.

    Where two folders have a module, both are returned, whichever Python would choose.
    """
    parts = [*imported.module.split("."), *filter(None, [imported.name])]
    modules = [".".join(parts[:count]) for count in range(1, 1 + len(parts))]
    return [(path, module) for module in modules for path in module_files(module, folders)]


def _texts(files: Iterable[tuple[Path, str]]) -> list[tuple[str, str, bytes]]:
    return [(module, path.name, path.read_bytes()) for path, module in files]


def _imports_of(path: Path, module: str) -> list[Imported] | None:
    """Return all imports in a file; None where its text does not determine them.

    `module` is its own name, empty for a file that is loaded by its path.
    """
    package = module if path.stem == "__init__" else module.rpartition(".")[0]
    text = path.read_bytes()
    if path.suffix != ".py" or _DYNAMIC.search(text):
        return None
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except UNREADABLE:
        return None
    imports = []
    for node in nodes:
        if isinstance(node, ast.Import):
            imports += [Imported(alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            try:
                base = resolve_name("." * node.level + (node.module or ""), package)
            except ImportError:  # the file is in no such package
                return None
            imports += [Imported(base, alias.name) for alias in node.names]
    return imports
