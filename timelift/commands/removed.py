"""Options, commands and keys that there are not (any more), each with what to do instead.

An option or command that still exists is never looked up here. The tables stay for one version.
"""

import difflib
from collections.abc import Iterable

from timelift.case import AXES, AXIS_FLAGS, option_flag, option_name

_GATE_RULES = "a gate has fixed rules beside --gate and --undecided (docs/gate.md)"
_AGAIN = "run timelift report again; a run that goes on is read as far as it is"
_INPUTS = "write the layer's inputs as one word, like --inputs float32[96,96,3] or int32[60]<1000"

#: The former options of commands that take one value of an axis.
_ONE_VALUE = {
    option_flag(axis): f"write {AXIS_FLAGS[axis]}, as in timelift bench"
    for axis in AXES
    if option_flag(axis) != AXIS_FLAGS[axis]
}


def _one_value(*axes: str) -> dict[str, str]:
    return {flag: _ONE_VALUE[flag] for flag in map(option_flag, axes)}


#: Removed options of `timelift bench` that were keys of pytest's ini file, too.
_WITH_KEYS = {
    "--until": "write --precision 0.5% (looks end at twelve launches)",
    "--allocator": "the allocator is the C library's own, and steady against another side",
    "--pin": "run timelift under taskset, which makes another machine of it",
    "--round-seconds": "rounds of a rival take 0.1 s in each launch",
    "--relative-to": "it is an option of timelift report and timelift choose, which tell speed-ups",
    "--include": "put the files into strategies/ or workloads/ of the project",
    "--case-timeout": "any stage but a first call may take twice --first-call-limit",
    "--layer-file": "write --layer path.py:name",
    "--features": _INPUTS,
    "--input-dtype": _INPUTS,
    "--input-high": _INPUTS,
    "--unchanged": "cases whose files are equal on both sides are not measured",
    "--gate-ignore": _GATE_RULES,
    "--gate-first-call": _GATE_RULES,
    "--gate-memory": _GATE_RULES,
    "--against-path": "write --against FOLDER",
    "--against-python": "write --against PATH/TO/bin/python",
}
#: The removed options by command.
OPTIONS = {
    "bench": {
        **_WITH_KEYS,
        "--wait": "leave it out: a run waits for the one that measures on this machine",
        "--selftest": "use the command timelift selftest",
    },
    "advise": {
        **_one_value("batch", "seq_len", "backend"),
        **{name: _WITH_KEYS[name] for name in ("--round-seconds", "--case-timeout")},
        "--write": "write the lines that timelift advise prints for each lift, or use --code",
        "--unsafe": "name a function that loads the model: path.py:load_model",
        "--fail-if-gain": "read the advice in --json",
        "--same-meaning": "it is the rule now: what means the same is advised",
    },
    "report": {
        "--workloads": "write their names alone, like timelift report tokens",
        "--run": "write its name first, like timelift report latest",
        "--json": "it writes measurements.csv, and timelift.load reads a run in Python",
        "--watch": _AGAIN,
        "--every": _AGAIN,
        "--github-summary": 'write: cat results/report/report.md >> "$GITHUB_STEP_SUMMARY"',
    },
    "choose": _ONE_VALUE,
    "history": _one_value("workload"),
    "init": {"--features": _INPUTS},
    "strategies": {"--include": _WITH_KEYS["--include"]},
    "workloads": {"--include": _WITH_KEYS["--include"]},
}
#: The removed commands.
COMMANDS = {
    "tables": "timelift report [RUN] [WORKLOAD …] prints the tables",
    "scaling": "the page of timelift report has charts against length",
    "modes": "timelift report prints a mode, backend or device as a column",
    "export": "timelift report writes measurements.csv, timelift.load reads a run in Python, and "
    "--benchmark-json writes pytest-benchmark's own file",
    "baseline": "commit the journal itself: every command reads it",
    "completion": "shells complete no options of timelift any more; timelift COMMAND --help lists "
    "them",
}
_STILL_OPTIONS = (
    *AXIS_FLAGS.values(),
    *("--launches", "--precision", "--budget", "--seed", "--against", "--gate", "--undecided"),
    *("--first-call-limit", "--memory-limit", "--results", "--layer"),
)
#: The names that were keys of pytest's ini file.
INI_KEYS = frozenset(map(option_name, (*_STILL_OPTIONS, *_WITH_KEYS)))


def option_sentence(command: str, flag: str, known: Iterable[str], program: str) -> str:
    """Return what to write instead of an unknown option of a command, which a program reads."""
    if instead := OPTIONS.get(command, {}).get(flag):
        return f"{flag} is no option: {instead}"
    names = {each.lstrip("-"): each for each in known}
    near = [names[name] for name in difflib.get_close_matches(flag.lstrip("-"), names)]
    hint = f"nearest: {', '.join(near)}" if near else f"{program} --help lists them"
    return f"{flag} is no option; {hint}"


def key_sentence(name: str) -> str:
    """Return what to write instead of a removed key of pytest's ini file."""
    flag = option_flag(name)
    instead = _WITH_KEYS.get(flag) or f"write it in addopts, like addopts = {flag}=VALUE"
    return f"{name}: timelift reads no such key of pytest's file of options any more; {instead}"
