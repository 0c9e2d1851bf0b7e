"""The guard: what a strategy changes for the whole process is put back before its rivals build."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from timelift.worker.engines import Engine


@contextlib.contextmanager
def as_before(engine: Engine) -> Iterator[None]:
    """Put back folder, environment and search path, and Keras's and the backend's switches.

    Seeds need no guard: everything that is drawn has a generator of its own.
    """
    folder, variables, path = Path.cwd(), dict(os.environ), list(sys.path)
    put_back = (_keras(), engine.keep())
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.chdir(folder)
        if dict(os.environ) != variables:  # writing it is not safe beside the backend's threads
            os.environ.clear()
            os.environ.update(variables)
        sys.path[:] = path
        for action in put_back:
            action()


def _keras() -> Callable[[], None]:
    """Note Keras's defaults; calling the result puts them back."""
    import keras  # noqa: PLC0415 - the backend is chosen by now

    config = keras.config
    kept = (
        (config.set_floatx, config.floatx()),
        (config.set_dtype_policy, config.dtype_policy()),
        (config.set_image_data_format, config.image_data_format()),
        (config.set_epsilon, config.epsilon()),
    )

    def put_back() -> None:
        for setter, value in kept:
            setter(value)

    return put_back
