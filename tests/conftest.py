"""What all tests have in common: where they keep things, and how `make test` deals them out.

A file goes to the next of three processes that is free; in `make test-all`, whose grids are long,
each test does, but for groups, which stay in one: tests with a fixture of their module, such as a
run that they all look at, and those marked `xdist_group`, which share an engine's answer. A process
imports a backend once for all its tests.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

import report
from timelift import cli

if TYPE_CHECKING:
    from tests.support.browser import Browser

# Nothing in these tests depends on how long it takes, so neither does hypothesis; and it draws the
# same examples in every run, so that a commit is refused for what it changed.
settings.register_profile(
    "patient", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")

#: XLA compiles in half of the time without optimising, and programs run a few times here.
UNOPTIMISED = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
os.environ.setdefault("XLA_FLAGS", UNOPTIMISED)

# What Keras is told here is nothing to the tests, and they write no keras.json but this.
KERAS_HOME = tempfile.TemporaryDirectory(prefix="timelift-keras-")
os.environ["KERAS_HOME"] = KERAS_HOME.name
os.environ.pop("KERAS_BACKEND", None)

# Options of this session are none of the runs that a test starts.
os.environ.pop("PYTEST_ADDOPTS", None)

# What a self-test of a test finds is kept nowhere else.
STATE = tempfile.TemporaryDirectory(prefix="timelift-state-")
os.environ["XDG_STATE_HOME"] = STATE.name

# Or a run that a test starts would take itself for one of the processes, 80 columns wide.
XDIST = [name for name in os.environ if name.startswith("PYTEST_XDIST_")]
for name in (*XDIST, "COLUMNS") if XDIST else ():
    os.environ.pop(name, None)


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the groups, and begin with what lasts long, so that no process waits at the end."""
    for item in items:
        if "xdist_group" not in item.keywords and _shares_a_fixture(item):
            item.add_marker(pytest.mark.xdist_group(Path(item.path).stem))
    items.sort(key=_turn)


def _shares_a_fixture(item: pytest.Item) -> bool:
    if not isinstance(item, pytest.Function):
        return False
    fixtures = item._fixtureinfo.name2fixturedefs.values()
    return any(each.scope == "module" for defined in fixtures for each in defined)


def _turn(item: pytest.Item) -> int:
    """Studies, groups, cases of whole grids, and all others; the order among them stays."""
    names = ("study", "xdist_group", "whole")
    return next((turn for turn, name in enumerate(names) if name in item.keywords), len(names))


@pytest.fixture
def run_command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run a command that ends with a code; return its `out` and `err`.

    It is one of `timelift` where a root is given, else one of `report.py`.
    """

    def run(code: int, *words: object, root: Path | None = None) -> Any:
        main = partial(cli.main, root=root) if root else report.main
        assert main([*map(str, words)]) == code
        return capsys.readouterr()

    return run


@pytest.fixture
def own_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a folder for the machine's lock, which no other test's run holds."""
    folder = tmp_path / "lock"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))


@pytest.fixture
def double_precision() -> Iterator[None]:
    """Compute in float64, so that near misses are misses, with weights that every run has."""
    from tests.support.tensorflow_here import keras

    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    keras.utils.set_random_seed(5)
    yield
    keras.config.set_floatx(before[0])
    keras.config.set_dtype_policy(before[1])


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    from tests.support.browser import Browser

    with Browser() as opened:
        yield opened


@pytest.fixture
def silent(browser: "Browser") -> Iterator[None]:
    """What a page says on its console is a mistake."""
    yield
    assert browser.said == []
