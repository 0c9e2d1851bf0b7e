"""The question: which setting is meant, what for, and the command that would measure it."""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from timelift.analyse.runs.measurement import Run
from timelift.case import AXES, OPTIONS, Phase, Setting
from timelift.errors import UserError, nearest

#: Options of a run without which its workload or its strategies would be others.
_CARRIED = ("layer", "layer_file", "features", "input_dtype", "input_high", "strategy_file")
_LARGEST_SIZE, _MOST_DIGITS = 2**31 - 1, 12


class Goal(StrEnum):
    """What the choice should make small."""

    TIME = "time"
    MEMORY = "memory"
    FIRST_CALL = "first-call"


@dataclass(frozen=True)
class Question:
    """A setting, measured or not, and a goal."""

    setting: Setting
    goal: Goal

    @property
    def label(self) -> str:
        """The setting as one would say it."""
        one = self.setting
        usual = Setting(one.workload, one.seq_len, one.batch, one.phase)
        rare = [
            f"{getattr(one, name)}" if name != "threads" else f"{one.threads} threads"
            for name in ("lengths", "gradients", "time_axis", "dtype", "threads")
            if getattr(one, name) != getattr(usual, name)
        ]
        sizes = (f"{one.seq_len} steps", f"batch {one.batch}")
        return ", ".join((one.workload, *sizes, one.phase, one.mode, one.device, *rare))

    def command(self, run: Run, strategies: Sequence[str] = (), *, longer: bool = False) -> str:
        """Write what would measure it; `longer` where a run of usual length was not enough."""
        return shlex.join(["pytest", "bench/", *self._words(run, strategies, longer=longer)])

    def _words(self, run: Run, strategies: Sequence[str], *, longer: bool) -> Iterator[str]:
        usual = Setting("", 1, 1, self.setting.phase)
        for name in AXES:
            value = getattr(self.setting, name)
            asked = name in {"workload", "seq_len", "batch", "phase", "mode"}
            if asked or value != getattr(usual, name):
                yield from (OPTIONS[name], str(value))
        if strategies:
            yield from ("--strategies", ",".join(strategies))
        if longer:
            yield from ("--precision", "1%", "--budget", "15m")
        options = run.header.options
        for name in _CARRIED:
            if isinstance(options.get(name), str) and options[name] not in {"", "0"}:
                yield from (f"--{name.replace('_', '-')}", options[name])


def ask(asked: Mapping[str, str], goal: str, run: Run, workloads: Iterable[str] = ()) -> Question:
    """Make the words of a command line a question to a run.

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
    return Question(Setting(**values), wanted)


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
    """Give the value of an axis that was not asked about."""
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
