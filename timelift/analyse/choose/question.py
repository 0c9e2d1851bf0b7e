"""The question: which setting is meant, and what for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from timelift.analyse.runs.measurement import Run
from timelift.case import AXES, Phase, Setting
from timelift.errors import UserError, nearest

#: Options of a run without which its workload or its strategies would be others.
_CARRIED = ("layer", "layer_file", "features", "input_dtype", "input_high", "strategy_file")
#: What an option is where nothing was asked for.
_USUAL = frozenset({"", "0"})
_LARGEST_SIZE, _MOST_DIGITS = 2**31 - 1, 12


class Goal(StrEnum):
    """What the choice should make small."""

    TIME = "time"
    MEMORY = "memory"
    FIRST_CALL = "first-call"


@dataclass(frozen=True)
class ChooseQuestion:
    """A setting, measured or not, and a goal."""

    setting: Setting
    goal: Goal


def carried(run: Run) -> dict[str, str]:
    """Return the options of a run without which its workload or strategies would be others."""
    options = run.header.options
    told = {name: options.get(name) for name in _CARRIED}
    return {name: one for name, one in told.items() if isinstance(one, str) and one not in _USUAL}


def ask(
    asked: Mapping[str, str], goal: str, run: Run, workloads: Iterable[str] = ()
) -> ChooseQuestion:
    """Return the words of a command line as a question to a run.

    An axis that is not asked about has its usual value, or the only one that was measured.
    `workloads` are those that could be measured. Raises UserError naming the option that is wrong.
    """
    told = {name: _read(name, asked[name]) for name in AXES if asked.get(name)}
    wanted = _choice("goal", goal, Goal)
    known = [one.case.setting for one in run.measurements if one.launches]
    known = known or [one.case.setting for one in run.measurements]
    if "workload" in told:
        _check_workload(told["workload"], known, workloads)
    values: dict[str, Any] = {}
    for name in AXES:
        values[name] = told[name] if name in told else _usual(name, known)
        known = [one for one in known if getattr(one, name) == values[name]] or known
    return ChooseQuestion(Setting(**values), wanted)


def _read(name: str, told: str) -> Any:
    kind = AXES[name]
    if kind is int:
        least = 0 if name == "threads" else 1
        short = told.isascii() and told.isdecimal() and len(told) <= _MOST_DIGITS
        if short and least <= int(told) <= _LARGEST_SIZE:
            return int(told)
        raise UserError(
            f"{_flag(name)}: expected a whole number from {least}, received {told!r:.40}"
        )
    return told if kind is str else _choice(name, told, kind)


def _choice(name: str, told: str, kind: Any) -> Any:
    try:
        return kind(told)
    except ValueError:
        raise UserError(
            f"{_flag(name)}: unknown value {told!r}; nearest: {nearest(told, kind)}"
        ) from None


def _usual(name: str, known: Sequence[Setting]) -> Any:
    """Return the value of an axis that was not asked about."""
    measured = sorted({getattr(one, name) for one in known})
    if name in {"workload", "seq_len", "batch"}:
        usual = None
    elif name == "gradients":
        usual = getattr(Setting("", 1, 1, Phase.BACKWARD), name)
    else:
        usual = getattr(Setting("", 1, 1, Phase.FORWARD), name)
    if usual in measured or len(measured) == 1:
        return usual if usual in measured else measured[0]
    raise UserError(
        f"expected {_flag(name)}, since the run has several: {', '.join(map(str, measured))}"
    )


def _check_workload(name: str, known: Iterable[Setting], workloads: Iterable[str]) -> None:
    names = {one.workload for one in known} | set(workloads)
    if name not in names:
        raise UserError(f"--workload: unknown workload {name!r}; nearest: {nearest(name, names)}")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
