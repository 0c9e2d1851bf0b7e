"""The wheel, and fresh environments with it for tests.

The packages that the wheel's metadata requires are linked from this environment into them, and no
others, so a requirement that is left out is missed.
"""

import importlib.metadata
import os
import subprocess
import sys
import venv
import zipfile
from email.parser import Parser

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.projects import ROOT

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


def done(words, folder, **variables):
    """Run a program in a folder, without what would lead it back to this checkout."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=kept | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def succeed(words, folder):
    told = done(words, folder)
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


def build(folder):
    """The paths of the wheel and of the sdist, which are built into a folder."""
    how = ("--target", "wheel", "--target", "sdist", "--directory", folder)
    succeed([sys.executable, "-m", "hatchling", "build", *how], ROOT)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


def required(requirements, extra="", seen=None):
    """Distributions that requirements ask for in this environment, and what those require."""
    seen = {} if seen is None else seen
    for wanted in map(Requirement, requirements):
        asked = not wanted.marker or any(
            wanted.marker.evaluate({"extra": one}) for one in ("", extra)
        )
        name = canonicalize_name(wanted.name)
        if asked and name not in seen:
            found = seen[name] = importlib.metadata.distribution(wanted.name)
            required(found.requires or (), "", seen)
    return seen


def environment(folder, wheel, extra=""):
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as packed:
        (metadata,) = (name for name in packed.namelist() if name.endswith("/METADATA"))
        told = Parser().parsestr(packed.read(metadata).decode())
    for found in required(told.get_all("Requires-Dist"), extra).values():
        tops = {path.parts[0] for path in found.files} - {"..", "__pycache__"}
        for top in tops:
            (site / top).symlink_to(found.locate_file(top))
    where = ("--python", folder / "bin" / "python", "install", "--no-deps", "--no-index")
    succeed([*PIP, *where, wheel], folder)
    return folder / "bin"
