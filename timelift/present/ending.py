"""The end of a run in a few lines: which strategy is fastest where, and which is never slower."""

from collections.abc import Iterator
from pathlib import Path

from timelift.analyse.findings import RunFindings
from timelift.analyse.recommend import Recommendation, Why
from timelift.analyse.selftest.trust_file import Trust
from timelift.analyse.stats.ranking import Ranking
from timelift.planted import RARE
from timelift.present import conditions, recommended
from timelift.present.styled import Style, StyledLine
from timelift.present.units import counted, percent

#: How many settings have a line of their own; the report has the rest.
SETTINGS = 12


def end_lines(found: RunFindings, path: Path) -> Iterator[str]:
    """Write what a run that has ended found, and how to read it."""
    yield from answers(found)
    yield from conditions.too_noisy(found.too_noisy)
    yield how_to_read(path)


def how_to_read(path: Path) -> str:
    return f"{relative_path(path)}; read it with: python report.py {relative_path(path)}"


def selftest(found: Trust | None, kept: Trust | None, path: Path) -> Iterator[str]:
    """Write what a self-test found; `kept` is an earlier one of more comparisons, if any."""
    if found is None:
        yield "no twin was measured, so there is no result"
        return
    yield from _selftest(found)
    if kept:
        day = kept.measured[:10]
        yield f"reports go on to quote the self-test of {day}, which rests on more comparisons"
    else:
        yield "stored: reports of this machine quote it from now on"
    command = f"python -m studies.other_tools {relative_path(path)}"
    yield f"other tools' rules on the same samples: {command}"


def _selftest(found: Trust) -> Iterator[str]:
    false, rare, wrong = found.false_alarms, found.one_in_n, found.wrong_way
    yield (
        f"identical code was called different in {false.hits} of {false.tries:,} comparisons "
        f"(at most {percent(false.at_most, 2)} with 95 % confidence)"
    )
    planted = sorted(found.found.items(), key=lambda item: (item[0] < 0, abs(item[0])))
    seen = (
        f"{percent(share, 0, signed=True)} in {one.hits} of {one.tries}" for share, one in planted
    )
    yield f"found where planted: {', '.join(seen)}"
    yield (
        f"{percent(RARE.slower, 0)} slower in one launch of {RARE.one_launch_in} was called in "
        f"{rare.hits} of {rare.tries}; "
        f"the wrong way round in {wrong.hits} of {wrong.tries:,}"
    )
    yield (
        f"{counted(found.settings, 'setting')}, {found.launches:.1f} launches a rival, "
        f"{found.seconds_per_verdict:.1f} s a comparison"
    )


def relative_path(path: Path) -> Path:
    """Return a path as a user would type it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def answers(found: RunFindings) -> Iterator[str]:
    contests = found.contests
    for one in contests[:SETTINGS]:
        best = found.recommendation_by_setting[one.setting]
        style = Style.DOUBT if best.why is Why.ONE_LAUNCH else Style.ANSWER
        yield StyledLine(f"{one.setting.label}: {_answer(one, best)}", style)
    if len(contests) > SETTINGS:
        yield f"and {counted(len(contests) - SETTINGS, 'more setting')}: see the report"
    yield from recommended.over_settings(found)


def _answer(found: Ranking, best: Recommendation) -> str:
    if best.why is Why.ONE_LAUNCH:
        return f"{best.strategy} was fastest in one launch, which is no verdict"
    costs = recommended.price_sentences(found, best.strategy)
    return "; ".join([recommended.at_setting(found, best), *costs])
