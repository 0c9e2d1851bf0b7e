"""The end of a run in a few lines: who is fastest where, and who is never slower."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from timelift.analyse import lifts, quality
from timelift.analyse.runs import results, trust
from timelift.analyse.runs.measurement import Run
from timelift.analyse.runs.trust import Trust
from timelift.analyse.stats.ranking import Ranking
from timelift.present import gate, notes

#: What is not known, and what is, in the lines of an ending.
_OPEN = re.compile(r"no verdict|^too noisy|^no strategy stayed")
_ANSWER = re.compile(r": fastest: |: among the fastest in |^never shown slower")
#: So many settings have a line of their own; the report has the rest.
SETTINGS = 12


def lines(path: Path) -> Iterator[str]:
    """Read a run that has ended, and say what was found and how to read it."""
    run = results.load(path)
    rankings = lifts.rank(run)
    yield from answers(rankings)
    yield from quality.too_noisy(run, rankings)
    yield f"{_shown(path)}; read it with: python report.py {_shown(path)}"


def without_journal(run: Run) -> Iterator[str]:
    """Say the answers of what was measured where the journal cannot be read."""
    yield from answers(lifts.rank(run))


def gate_lines(path: Path) -> Iterator[str]:
    """Read a run against another side, and say what became slower and how to read it."""
    yield from gate.of_run(results.load(path))
    yield f"{_shown(path)}; read it with: python report.py {_shown(path)}"


def selftest_lines(path: Path) -> Iterator[str]:
    """Judge a self-test that has ended, keep what it found for the reports, and say it."""
    from timelift.analyse.selftest.trust import of_run  # noqa: PLC0415 - scipy, for this alone

    found = of_run(path)
    if found is None:
        yield "the self-test measured no strategy beside a twin, so it says nothing"
        return
    yield from found.lines()
    yield _keep(found, path.parent)
    yield f"other tools' rules on the same samples: python -m studies.other_tools {_shown(path)}"


def _keep(found: Trust, folder: Path) -> str:
    """Keep what a self-test found, unless an earlier one with the same versions tells more."""
    before = trust.load(folder / trust.FILE)
    if before and before.versions == found.versions and before.tries > found.tries:
        return f"reports go on to quote the self-test of {before.measured[:10]}, which tells more"
    trust.save(found, folder)
    return "every report of this machine says so from now on"


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def answers(rankings: Sequence[Ranking]) -> Iterator[str]:
    """Say the answer of each setting, and then of all together."""
    contests = [one for one in rankings if len(one.rows) > 1]
    for one in contests[:SETTINGS]:
        yield f"{one.setting.label}: {_answer(one)}"
    if len(contests) > SETTINGS:
        yield f"and {len(contests) - SETTINGS} more settings: see the report"
    yield from _by_workload(contests)
    yield from notes.everywhere(contests)


def _by_workload(contests: Sequence[Ranking]) -> Iterator[str]:
    """Say who is most often among the fastest, for each of several workloads."""
    groups: dict[str, list[Ranking]] = {}
    for one in contests:
        groups.setdefault(one.setting.workload, []).append(one)
    for workload, mine in groups.items() if len(groups) > 1 else ():
        often = Counter(name for one in mine for name in one.fastest_set)
        most = max(often.values())
        names = ", ".join(sorted(name for name in often if often[name] == most))
        yield f"{workload}: among the fastest in {most} of {len(mine)} settings: {names}"


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
    if not math.isfinite(first.price[1]):
        return f"{name} was fastest in one launch, which is no verdict"
    close = [one for one in found.fastest_set if one != name]
    beside = [f"not shown slower: {', '.join(close)}"] if close else []
    return "; ".join([f"fastest: {name}", *beside, *found.sentences()])
