"""Commands to type: what would measure a setting, or decide about a suspect."""

import shlex
from collections.abc import Iterator, Sequence

from timelift.analyse.changes.two_runs import Decision
from timelift.analyse.choose.question import ChooseQuestion
from timelift.case import AXES, OPTIONS, Case, Setting

#: Axes that are named even where they have their usual value.
_ALWAYS = ("strategy", "workload", "seq_len", "batch", "phase", "mode")


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
    words = ["pytest", "bench/", *_asked(question)]
    words += ["--strategies", ",".join(strategies)] if strategies else []
    words += ["--precision", "1%", "--budget", "15m"] if longer else []
    for name, value in options.items():
        words += [f"--{name.replace('_', '-')}", value]
    return shlex.join(words)


def _asked(question: ChooseQuestion) -> Iterator[str]:
    usual = Setting("", 1, 1, question.setting.phase)
    for name in AXES:
        value = getattr(question.setting, name)
        asked = name in {"workload", "seq_len", "batch", "phase", "mode"}
        if asked or value != getattr(usual, name):
            yield from (OPTIONS[name], str(value))


def to_decide(case: Case, decision: Decision) -> str:
    """Write what decides about a suspect, or looks at it again where no revision is to blame."""
    against = ["--against", decision.against] if decision.against else []
    return " ".join(["pytest", "bench/", *against, *selection(case)])


def selection(case: Case) -> Iterator[str]:
    """Write the options that select a case alone, quoted for a shell."""
    fields = case.fields()
    usual = Setting(*(fields[name] for name in ("workload", "seq_len", "batch", "phase")))
    for name in ("strategy", *AXES):
        if name in _ALWAYS or fields[name] != getattr(usual, name):
            yield from _words(OPTIONS[name], str(fields[name]))


def _words(option: str, value: str) -> tuple[str, ...]:
    """Quote a value for a shell; one that looks like an option is tied to its own."""
    if value.startswith("-"):
        return (shlex.quote(f"{option}={value}"),)
    return option, shlex.quote(value)
