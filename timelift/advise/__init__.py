"""Every lift in a user's model, and what to write instead.

`timelift.advise(model)` is `notebook.advise`. Once any module here is imported, Python itself binds
`timelift.advise` to this package. So the package can be called.
"""

import sys
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    def __call__(self, model: Any, **options: Any) -> Any:
        from timelift.advise.notebook import advise  # noqa: PLC0415 - when it is asked for

        return advise(model, **options)


sys.modules[__name__].__class__ = _CallablePackage
