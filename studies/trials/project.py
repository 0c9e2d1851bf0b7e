"""A project for a trial: a copy of parts of this one."""

import shutil
from collections.abc import Iterable
from pathlib import Path


def lay_out(home: Path, folder: Path, names: Iterable[str]) -> None:
    """Copy files and folders of `home` by their names, without what Python keeps in them."""
    for name in names:
        source, copy = home / name, folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy)
