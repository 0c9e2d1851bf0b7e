"""timelift measures which way of applying one Keras layer to every step of a sequence is fastest.

`measure/` runs strategies in fresh processes, whose inside is `worker/`; `analyse/` turns their
journals into findings, and `present/` those into words (docs/house.md).

In a notebook or a program: `timelift.load("latest")` is a table, `timelift.read_run` the run behind
it, and `timelift.advise(model)` is what to change in a model (docs/library.md). They are imported
when they are first asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from timelift.advise.notebook import advise
    from timelift.present.notebook import load, read_run

__version__: str
__all__ = ["__version__", "advise", "load", "read_run"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import timelift` costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module 'timelift' has no attribute {name!r}")
    if name == "__version__":
        found = importlib.import_module("importlib.metadata").distributions(name=__name__)
        return next((one.version for one in found), "0+unknown")  # of a checkout not installed
    if name == "advise":
        return importlib.import_module("timelift.advise")
    from timelift.present import notebook  # noqa: PLC0415

    return getattr(notebook, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
