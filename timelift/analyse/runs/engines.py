"""What a backend told of its device: its name, and switches such as tf32."""

import itertools

from timelift.analyse.runs.measurement import Measurement

_MOST_SWITCHES = 20


def identity(measured: Measurement) -> dict[str, str]:
    """Return the name and the switches of a case's device; nothing where its lines do not tell."""
    told = next((one.facts.engine for one in measured.launches if one.facts.engine), {})
    pairs = itertools.islice(told.items(), _MOST_SWITCHES)
    return {str(name): str(value) for name, value in pairs if isinstance(value, str | int | float)}
