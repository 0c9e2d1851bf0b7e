"""timelift measures which way of applying one Keras layer to every step of a sequence is fastest.

`measure/` runs strategies in fresh processes, whose inside is `worker/`; `analyse/` turns their
journals into findings, and `present/` those into words (docs/house.md).

In a notebook: `timelift.load("latest")` is a table, `timelift.plot` draws (docs/library.md). They
are imported when they are first asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from timelift.present.notebook import load, plot, read_run

__all__ = ["load", "plot", "read_run"]

#: Where each name lives; a module of its own name is meant itself.
_HOMES = {
    "load": "timelift.present.notebook",
    "read_run": "timelift.present.notebook",
    "plot": "timelift.present.notebook.plot",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import timelift` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'timelift' has no attribute {name!r}")
    home = importlib.import_module(_HOMES[name])
    return home if _HOMES[name].endswith(f".{name}") else getattr(home, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
