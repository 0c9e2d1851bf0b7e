"""How to build a strategy: its file, and what the file of its workload holds about its input."""

import ast
import contextlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from timelift.analyse.runs.measurement import Run
from timelift.present.choice import BuildCall


def how_to_build(workload: str, strategy: str, run: Run, root: Path) -> BuildCall:
    """Find the file of a strategy under `root`, and the constants of its workload there."""
    stem = strategy.partition("[")[0]
    own = _names_a_file(stem) and (root / "strategies" / f"{stem}.py").is_file()
    constants = _constants(root / "workloads", workload)
    features = constants.get("FEATURES")
    return BuildCall(
        f"strategies/{stem}.py" if own else f"{stem}.py",
        None if own else str(run.header.options.get("strategy_file") or ""),
        features if isinstance(features, tuple) else None,
        constants.get("INPUT_DTYPE"),
    )


def _names_a_file(stem: str) -> bool:
    return re.fullmatch(r"\w[\w.-]*", stem) is not None


def _constants(folder: Path, workload: str) -> dict[str, Any]:
    """Read the literal constants of a workload's file without importing it; none if it has none."""
    path = folder / f"{workload}.py"
    if not _names_a_file(workload) or not path.is_file():
        return {}
    try:
        body = ast.parse(path.read_text(encoding="utf-8")).body
    except (OSError, ValueError, SyntaxError):
        return {}
    constants = {}
    for name, value in _assignments(body):
        with contextlib.suppress(
            ValueError, TypeError
        ):  # it is computed, such as `keras.config.floatx()`
            constants[name] = ast.literal_eval(value)
    return constants


def _assignments(body: Iterable[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    for node in body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id in {"FEATURES", "INPUT_DTYPE"}:
                yield target.id, node.value
