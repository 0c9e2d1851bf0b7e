"""Commands to type: `timelift bench` with the options that select a setting."""

import shlex
from collections.abc import Iterable, Iterator

from timelift.case import AXES, AXIS_FLAGS, Setting

#: Axes that are named even where they have their usual value.
_ALWAYS = ("workload", "seq_len", "batch", "phase", "mode")


def axis_options(setting: Setting) -> Iterator[tuple[str, str]]:
    """Yield the options that select this setting alone, with their values."""
    for axis in AXES:
        if axis in _ALWAYS or axis in setting.unusual:
            yield AXIS_FLAGS[axis], str(getattr(setting, axis))


def bench_command(options: Iterable[tuple[str, str]]) -> str:
    """Return `timelift bench` with these options and values, quoted for a shell.

    A value that looks like an option is tied to its own by `=`.
    """
    words = (
        shlex.quote(f"{option}={value}") if value.startswith("-") else shlex.join((option, value))
        for option, value in options
    )
    return " ".join(["timelift", "bench", *words])
