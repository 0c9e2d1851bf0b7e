"""The modules of a project's own: what its files import from beside them, or from src/."""

from pathlib import Path


def import_folders(root: Path) -> list[Path]:
    return [folder for folder in (root, root / "src") if folder.is_dir()]


def project_modules(root: Path) -> frozenset[str]:
    """Return the top-level modules and packages of a project.

    A folder without Python files, such as one of data, is no package.
    """
    files = (path for folder in import_folders(root) for path in folder.iterdir())
    return frozenset(path.stem for path in files if _is_importable(path))


def _is_importable(path: Path) -> bool:
    if path.is_dir():
        return path.name.isidentifier() and any(
            any(path.glob(pattern)) for pattern in ("*.py", "*/*.py")
        )
    return path.suffix == ".py"
