"""Whether two runs may be compared at all, and what drifted between them."""

from collections.abc import Sequence

from timelift.analyse.runs.engines import identity
from timelift.analyse.runs.measurement import Run
from timelift.journal import Difference, differences, flat

#: Options that change what is measured without being an axis of a setting.
_OPTIONS = ("pin", "round_seconds")
#: What drifts without a change of what is installed.
_NOT_INSTALLED = frozenset({"kernel", "governor", *_OPTIONS})


def identity_differences(old: Run, new: Run) -> tuple[Difference, ...]:
    """Name what makes the runs incomparable; a run that does not tell its machine is another's."""
    before, after = _engines(old), _engines(new)
    engines = [one for one in differences(before, after) if None not in (one.old, one.new)]
    sides = [flat(run.header.machine.identity) for run in (old, new)]
    return *(differences(*sides) if any(sides) else [Difference("machine", None, None)]), *engines


def _engines(run: Run) -> dict[str, str]:
    """Give what each backend told of its device: names and switches such as tf32."""
    return {
        f"{one.case.setting.backend} {one.case.setting.device} {name}": value
        for one in run.measurements
        for name, value in identity(one).items()
    }


def drift(old: Run, new: Run) -> tuple[Difference, ...]:
    """Name what drifted: versions, interpreter, kernel, flags, and how it was measured."""
    return tuple(differences(_drift(old), _drift(new)))


def versions_drifted(found: Sequence[Difference]) -> bool:
    """Whether other packages or another interpreter were measured, which no revision explains."""
    return any(one.name not in _NOT_INSTALLED for one in found)


def _drift(run: Run) -> dict[str, str]:
    asked = {name: run.header.options[name] for name in _OPTIONS if name in run.header.options}
    return flat(run.header.machine.drift) | flat(asked)
