"""How to use a strategy: which file holds it, and what its workload's file says of its input."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from timelift.analyse.runs.measurement import Run
from timelift.present.choice import Usage


def usage(workload: str, strategy: str, run: Run, root: Path) -> Usage:
    """Find the file of a strategy under `root`, and the constants of its workload there."""
    stem = strategy.partition("[")[0]
    own = _names_a_file(stem) and (root / "strategies" / f"{stem}.py").is_file()
    given = run.header.options.get("strategy_file") or "where you keep it"
    constants = _constants(root / "workloads", workload)
    features = constants.get("FEATURES")
    return Usage(
        f"strategies/{stem}.py" if own else f"{stem}.py ({given})",
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
        return {name: ast.literal_eval(value) for name, value in _assigned(body)}
    except (OSError, ValueError, SyntaxError):
        return {}


def _assigned(body: Iterable[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    for node in body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id in {"FEATURES", "INPUT_DTYPE"}:
                yield target.id, node.value
