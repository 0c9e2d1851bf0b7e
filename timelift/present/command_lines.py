"""Commands to type: what would measure a setting, or decide about a suspect."""

import shlex
from collections.abc import Iterable, Iterator, Sequence

from timelift.case import AXES, AXIS_FLAGS, Case, Setting, option_flag
from timelift.choose import ChooseQuestion
from timelift.history.two_runs import Commits

#: Axes that are named even where they have their usual value.
_ALWAYS = ("workload", "seq_len", "batch", "phase", "mode")


def to_measure(
    question: ChooseQuestion,
    options: dict[str, str],
    strategies: Sequence[str] = (),
    *,
    longer: bool,
) -> str:
    """Write what would measure a question, with these `options` of a run.

    `longer` where a run of usual length was not enough.
    """
    arguments = [*_axes(question.setting)]
    arguments += [(AXIS_FLAGS["strategy"], ",".join(strategies))] if strategies else []
    arguments += [("--precision", "1%"), ("--budget", "15m")] if longer else []
    arguments += [(option_flag(name), value) for name, value in options.items()]
    return _bench(arguments)


def to_decide(case: Case, commits: Commits) -> str:
    """Write what decides about a suspect, or looks at it again where no revision is to blame."""
    options = [(AXIS_FLAGS["strategy"], case.strategy), *_axes(case.setting)]
    if commits.against:
        options.insert(0, ("--against", commits.against))
        if not case.setting.threads:  # against another side the usual number is one
            options.append((AXIS_FLAGS["threads"], "default"))
    return _bench(options)


def _axes(setting: Setting) -> Iterator[tuple[str, str]]:
    """Yield the options that select a setting alone, with their values."""
    for axis in AXES:
        if axis in _ALWAYS or axis in setting.unusual:
            yield AXIS_FLAGS[axis], str(getattr(setting, axis))


def _bench(options: Iterable[tuple[str, str]]) -> str:
    """Quote options for a shell; a value that looks like an option is tied to its own."""
    words = (
        shlex.quote(f"{option}={value}") if value.startswith("-") else shlex.join((option, value))
        for option, value in options
    )
    return " ".join(["timelift", "bench", *words])
