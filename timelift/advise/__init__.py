"""Every lift in a user's model, and what to write instead; called, it is the function `advise`."""

import sys
from types import ModuleType
from typing import Any


class _Advise(ModuleType):
    def __call__(self, model: Any, **options: Any) -> Any:
        from timelift.advise.notebook import advise  # noqa: PLC0415 - when it is asked for

        return advise(model, **options)


sys.modules[__name__].__class__ = _Advise
