"""Modules of users, imported from edited text in place of their files."""

import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

from timelift.project import INSTALLED

#: The text of files by path, while they are edited.
_TEXTS: dict[str, bytes] = {}
_OURS = str(Path(__file__).parents[1])


class _Loader(SourceFileLoader):
    """Executes the edited text of a file."""

    def get_code(self, _: str) -> CodeType:
        code: CodeType = compile(_TEXTS[self.path], self.path, "exec", dont_inherit=True)
        return code


class _Finder:
    """Finds a module whose file is edited, or is to be made where no other module is found."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, _: ModuleType | None = None
    ) -> ModuleSpec | None:
        found, last = PathFinder.find_spec(name, path), name.rpartition(".")[2]
        if found and found.origin in _TEXTS:
            found.loader = _Loader(name, found.origin)
            return found
        files = (str(Path(folder, f"{last}.py")) for folder in (sys.path if path is None else path))
        new = None if found else next((file for file in files if file in _TEXTS), None)
        return spec_of(name, new) if new else None


def spec_of(name: str, path: str) -> ModuleSpec | None:
    """Return how a file is imported: as it is, or as edited."""
    return spec_from_file_location(
        name, path, loader=_Loader(name, path) if path in _TEXTS else None
    )


@contextmanager
def edited(texts: Mapping[str, bytes]) -> Iterator[None]:
    """Import users' modules anew inside, with these texts in place of files; and then forget them.

    A module of the user's that imports from an edited one has to be imported anew, too.
    """
    if not texts:
        yield
        return
    own = _users_modules()
    for name in own:
        del sys.modules[name]
    _TEXTS.update(texts)
    sys.meta_path.insert(0, _Finder)
    try:
        yield
    finally:
        sys.meta_path.remove(_Finder)
        _TEXTS.clear()
        for name in _users_modules():
            del sys.modules[name]
        sys.modules.update(own)


def is_users(file: object) -> bool:
    """True for the path of a file that is neither timelift's, installed, nor Python's."""
    if not isinstance(file, str) or file.startswith((sysconfig.get_path("stdlib"), _OURS, "<")):
        return False
    return not INSTALLED & {*Path(file).parts}


def _users_modules() -> dict[str, ModuleType]:
    modules = [(name, each) for name, each in sys.modules.items() if name != "__main__"]
    return {name: each for name, each in modules if is_users(getattr(each, "__file__", None))}
