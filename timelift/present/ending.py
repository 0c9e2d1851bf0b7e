"""The end of a run in a few lines: who is fastest where, and who is never slower."""

import re
from collections.abc import Iterator
from pathlib import Path

from timelift.analyse.findings import RunFindings
from timelift.analyse.runs.trust import Trust
from timelift.analyse.stats.rival import Ranking
from timelift.present import notes, prices, quality, trust

#: What is not known, and what is, in the lines of an ending.
_OPEN = re.compile(r"no verdict|^too noisy|^no strategy stayed")
_ANSWER = re.compile(r": fastest: |: among the fastest in |^never shown slower")
#: So many settings have a line of their own; the report has the rest.
SETTINGS = 12


def lines(found: RunFindings, path: Path) -> Iterator[str]:
    """Write what a run that has ended found, and how to read it."""
    yield from answers(found)
    yield from quality.too_noisy(found.too_noisy)
    yield how_to_read(path)


def how_to_read(path: Path) -> str:
    """Write where a journal is, and the command that reads it."""
    return f"{shown(path)}; read it with: python report.py {shown(path)}"


def selftest(found: Trust | None, kept: Trust | None, path: Path) -> Iterator[str]:
    """Write what a self-test found; `kept` is an earlier one that tells more, if there is one."""
    if found is None:
        yield "the self-test measured no strategy beside a twin, so it says nothing"
        return
    yield from trust.lines(found)
    if kept:
        yield f"reports go on to quote the self-test of {kept.measured[:10]}, which tells more"
    else:
        yield "every report of this machine says so from now on"
    yield f"other tools' rules on the same samples: python -m studies.other_tools {shown(path)}"


def shown(path: Path) -> Path:
    """Return a path as a user would type it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def answers(found: RunFindings) -> Iterator[str]:
    """Write the answer of each setting, and then of all together."""
    contests = found.contests
    for one in contests[:SETTINGS]:
        yield f"{one.setting.label}: {_answer(one)}"
    if len(contests) > SETTINGS:
        yield f"and {len(contests) - SETTINGS} more settings: see the report"
    for often in found.most_often_fastest:
        names, of = ", ".join(often.strategies), f"{often.times} of {often.settings} settings"
        yield f"{often.workload}: among the fastest in {of}: {names}"
    yield from notes.everywhere(found.everywhere)


def markup(line: str) -> dict[str, bool]:
    """Give the colour of a line, in the words of pytest's terminal writer."""
    if _OPEN.search(line):
        return {"yellow": True}
    if _ANSWER.search(line):
        return {"green": True, "bold": " settings: " in line}
    return {}


def _answer(found: Ranking) -> str:
    first = found.rows[0]
    name = first.case.strategy
    if not first.price_is_known:
        return f"{name} was fastest in one launch, which is no verdict"
    close = [one for one in found.fastest_set if one != name]
    beside = [f"not shown slower: {', '.join(close)}"] if close else []
    return "; ".join([f"fastest: {name}", *beside, *prices.sentences(found)])
