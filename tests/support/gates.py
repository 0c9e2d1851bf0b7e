"""Runs against another side, and what their gate says of each: a golden text has the words."""

import itertools
import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

from tests.support import journals
from tests.support.journals import AGAINST
from timelift.analyse import results
from timelift.axis_values import Status
from timelift.case import Case
from timelift.gate import gate_words as words
from timelift.gate.outcomes import gate_findings

NAMES = ("native", "fold_time", "conv1d_pointwise", "loop_slice")
FACTS = {"first_call_seconds": 1.0, "peak_bytes": 8 << 20, "weights": 9, "graph_nodes": 40}
FACTS |= {"traces": 1}


def other(case: Case) -> Case:
    return replace(case, strategy=f"{case.strategy}@main")


def both(name, launch, seconds, facts=FACTS, old_facts=FACTS):
    """One launch of a case and of its other side: the time over the other's, round by round."""
    case = journals.case(name)
    wobble = [1e-3 * (1 + 0.002 * ((launch + turn) % 5 - 2)) for turn in range(12)]
    yield journals.line(case, launch, [seconds * one for one in wobble], facts=facts)
    yield journals.line(other(case), launch, wobble, facts=old_facts)


def run(folder: Path, **changes):
    return results.load(run_file(folder, **changes))


def run_file(folder: Path, slow=1.0, launches=8, against=AGAINST, old=None, **facts):
    """Write a run in which `fold_time` takes `slow` times as long as before; others as ever.

    As in a real one, peak memory is read in launch 1 and in those that try a suspect, but on the
    new side not in the `lost` ones; `old` are facts of the other side in place of its peak. Other
    programs run beside the `disturbed` launches.
    """
    lost, disturbed = facts.pop("lost", ()), facts.pop("disturbed", ())
    strategies = {name: {"title": name} for name in NAMES}
    strategies |= {f"{name}@main": {"title": name, "against": {"of": name}} for name in NAMES}
    lines = [journals.header(strategies=strategies, against=against)]
    for launch in range(1, launches + 1):
        for name in NAMES if launch <= 3 else ("fold_time",):
            mine = name == "fold_time"
            sides = [FACTS | facts if mine else FACTS, FACTS]
            if old is not None:
                sides[1] = {name: sides[1][name] for name in FACTS if name != "peak_bytes"} | old
            if launch in disturbed:
                sides = [one | {"missing_cores": 0.9} for one in sides]
            if launch in {2, 3}:
                sides = [_without_peak(one) for one in sides]
            if mine and launch in lost:
                sides[0] = _without_peak(sides[0])
            lines += both(name, launch, (slow if mine else 1.0) * (1 + 1e-3 * (launch % 3)), *sides)
    return journals.write(folder / "run.jsonl", *lines, journals.END)


def _without_peak(facts):
    return {name: value for name, value in facts.items() if not name.startswith("peak")}


NATIVE = journals.case("native")


def alone(folder, *lines, against=AGAINST, **header):
    strategies = {"native": {}, "native@main": {"against": {"of": "native"}}}
    head = journals.header(strategies=strategies, against=against, **header)
    return journals.write(folder / "run.jsonl", head, *lines)


def copies(folder, lengths):
    """A run in which `fold_time` is slower at several lengths, and `native` fails."""
    path = run_file(folder, slow=1.06)
    head, *lines, end = (json.loads(line) for line in path.read_text().splitlines())
    every = []
    for length, line in itertools.product(lengths, lines):
        case = Case.from_fields(line["case"] | {"seq_len": length})
        lost = journals.ended(case, Status.FAILED, f"no axis at {length} steps", line["launch"])
        every.append(lost if case.strategy == "native" else line | {"case": case.fields()})
    return journals.write(path, head, *every, end)


THERE, HERE = journals.line(other(NATIVE), facts=FACTS), journals.line(NATIVE, facts=FACTS)
NO_SUCH = journals.ended(other(NATIVE), Status.FAILED, "no such thing")
FAILS = AGAINST | {"undecided": "fail"}
#: Gates by which nothing of `SLOW` fails.
WIDE = AGAINST | {"gates": {"time": 0.14, "first call": 0.25, "peak memory": 2.0}}
LARGER, SLOW = {"peak_bytes": 16 << 20}, {"slow": 1.06}
OPERATIONS = {
    "operations": {"Add": 9, "Cast": 2, "Const": 40, "Mul": 5, "Tanh": 1},
    "old": {"operations": {"Add": 4, "Const": 30, "Mul": 2, "Tanh": 1, "Sub": 1}},
    "graph_nodes": 60,
}
#: What is particular in a run of four cases.
RUNS = {
    "a longer start": {"start_seconds": 2.0, "old": {"start_seconds": 1.0}},
    "a longer first call": {"first_call_seconds": 2.0},
    "more memory": LARGER,
    "more memory than could be read": LARGER | {"old": {"peak_bytes_below": 1 << 17}},
    "fewer weights": {"weights": 8},
    "fewer weights, and slower": SLOW | {"weights": 8},
    "more traces, and larger": LARGER | {"traces": 9, "launches": 3},
    "a start that is hardly longer": {"start_seconds": 1.1},
    "hardly more memory": {"peak_bytes": 9 << 20},
    "more nodes": {"graph_nodes": 60},
    "other operations": OPERATIONS,
    "slower by other operations": SLOW | OPERATIONS,
    "slower and larger than gates of its own allow": SLOW | LARGER | {"against": WIDE},
    "two launches": {"launches": 2},
    "two launches, which fail": {"launches": 2, "against": FAILS},
    "slower, and not tried again": SLOW | {"launches": 3},
    "a peak that was lost, and not tried again": {"lost": {1}, "launches": 3},
    "a peak that was always lost": {"lost": range(1, 9)},
    "a peak that was read again": {"lost": {1}},
    "a peak that was lost in the trial alone": {"lost": {4, 5, 6, 7, 8}},
    "a peak that was lost again in one launch": {"lost": {1, 4}, "launches": 4},
    "a peak that was read again, and is larger": {"lost": {1}} | LARGER,
}
#: The lines of a run of one case.
ALONE = {
    "no figures there": ((NO_SUCH, HERE, journals.END), AGAINST),
    "no figures there, which fails": ((NO_SUCH, HERE, journals.END), FAILS),
    "no launch of both sides": ((HERE, THERE | {"launch": 2}, journals.END), AGAINST),
    "killed between the two sides": ((THERE,), AGAINST),
    **{
        f"{status} here": ((journals.ended(NATIVE, status, "why"), THERE, journals.END), AGAINST)
        for status in Status
        if status is not Status.MEASURED
    },
    **{
        f"{status} on both sides": (
            [
                *(journals.ended(case, status, "why") for case in (NATIVE, other(NATIVE))),
                journals.END,
            ],
            AGAINST,
        )
        for status in (Status.REFUSED, Status.TRACING_LIMIT, Status.CRASHED)
    },
}


#: Three launches of short rounds find it, whatever else the machine does.
SLEEPS = "(__import__('time').sleep(0.05), 1.0 * t)[1]"
#: What is said of every run: how many cases were timed, and which strategies are new.
EVERYWHERE = re.compile(r"\d+ cases? timed beside |new: ")


def told(folder):
    """What is said of each run, but for what is said of every one."""
    paths = {name: partial(run_file, folder, **how) for name, how in RUNS.items()}
    for name, (lines, against) in ALONE.items():
        paths[name] = partial(alone, folder, *lines, against=against)
    paths["failures at several lengths"] = partial(copies, folder, (16, 32, 64))
    return {name: [*_said(results.load(write()))] for name, write in paths.items()}


def _said(made):
    document = words.document(gate_findings(made))
    yield from filter(None, (document.state, document.answer))
    for block in document.blocks:
        yield from (text for text in block.sentences if not EVERYWHERE.match(text))
