"""Small git projects for the tests of the gate: one strategy and one workload, in two commits."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

STRATEGY = '''"""{title}."""

import keras


def build(layer, shape, dtype=None):
    inputs = keras.Input(shape, dtype=dtype)
    return keras.Model(inputs, layer(inputs))
'''
WORKLOAD = '''"""Three readings."""

import keras

FEATURES = ({features},)
SEQ_LENS = (3,)
BATCH_SIZES = (2,)


def make_layer():
    return keras.layers.Dense({units})
'''


def strategy(title="One call"):
    return STRATEGY.format(title=title)


def workload(features=3, units=4):
    return WORKLOAD.format(features=features, units=units)


def write(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def commit(root: Path) -> Path:
    if not (root / ".git").exists():
        git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "a commit")
    return root


def git(root: Path, *words: str) -> str:
    author = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    done = subprocess.run(
        ["git", *author, *words], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout
