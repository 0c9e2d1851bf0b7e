"""How quiet the machine was while a run went on, and what would help where it was not."""

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from timelift.analyse.runs.measurement import Launch, Run
from timelift.analyse.runs.records import fact_of
from timelift.analyse.stats.ranking import Ranking
from timelift.analyse.stats.verdicts import RANK_MARGIN, Verdict

#: From these on, the canary's spread over launches and the stolen time are worth a word.
_RESTLESS, _STOLEN, _CROWDED = 0.05, 0.01, 1.0


def lines(run: Run, rankings: Sequence[Ranking]) -> Iterator[tuple[str, str]]:
    """Give the lines that a report's head has about it, as pairs of a label and a text."""
    if text := seen(run):
        yield "quiet", text
    for sentence in too_noisy(run, rankings):
        yield "noise", sentence


def seen(run: Run) -> str:
    """Say what was seen of the machine, nothing where nothing was."""
    return "; ".join(_seen(run))


def _seen(run: Run) -> Iterator[str]:
    """One sentence for each thing that was looked at; none stands for what was not."""
    beats = _facts(run, "canary_seconds")
    if len(beats) > 1:
        yield f"a fixed piece of work moved {_spread(beats):.1%} between launches (sd)"
    if stolen := _facts(run, "stolen_share"):
        yield f"{float(np.mean(stolen)):.1%} of the time was stolen"
    if waited := _facts(run, "waited_share"):
        yield f"threads waited {float(np.mean(waited)):.1%} of the time for a processor"
    if held_back := _facts(run, "throttled_periods"):
        yield _quota(sum(held_back))


def _quota(periods: float) -> str:
    if not periods:
        return "the container's processor quota never held it back"
    return f"the container's processor quota held it back in {periods:,.0f} periods"


def too_noisy(run: Run, rankings: Sequence[Ranking]) -> Iterator[str]:
    """Say where the asked precision was not reached, and what would help."""
    asked = _precision(run)
    widths = [
        row.known_to
        for ranking in rankings
        for row in ranking.rows[1:]
        if row.verdict is Verdict.UNDECIDED and math.isfinite(row.known_to)
    ]
    wide = [width for width in widths if width > asked]
    if not wide:
        return
    yield (
        f"too noisy for ±{asked:.1%}: {len(wide)} comparisons with the fastest are undecided, "
        f"known to ±{float(np.median(wide)):.1%} in the median; {_remedy(run)}"
    )


def _remedy(run: Run) -> str:
    words = []
    if _spread(_facts(run, "canary_seconds")) > _RESTLESS:
        words.append("other programs ran or the clock rate changed, so end them or wait")
    if _mean(run, "stolen_share") > _STOLEN:
        words.append("the host gave time to other guests, so try another hour or machine")
    if _mean(run, "waited_share") > _CROWDED:
        words.append("the backend's threads crowd each other, which --threads 1 ends")
    if _mean(run, "throttled_periods") > 0:
        words.append(
            "the container's processor quota held it back, so raise it (docker run --cpus) or "
            "measure fewer threads (--threads 1)"
        )
    if _mean(run, "throttled") > 0:
        words.append("heat or the power supply held the GPU down, so cool it or lower its load")
    words.append("more time (--budget 15m), --threads 1 or --pin 0 would help")
    return "; ".join(words)


def _mean(run: Run, name: str) -> float:
    values = _facts(run, name)
    return float(np.mean(values)) if values else 0.0


def _spread(beats: Sequence[float]) -> float:
    moving = [beat for beat in beats if beat > 0]
    return float(np.std(np.log(moving), ddof=1)) if len(moving) > 1 else 0.0


def _facts(run: Run, name: str) -> list[float]:
    """Give a fact that all rivals of a setting share, once for each setting and launch."""
    values = (fact_of(launch, name) for launch in _launches(run))
    return [value for value in values if value is not None and value >= 0]


def _launches(run: Run) -> Iterable[Launch]:
    """Give one rival's launch for each setting and launch."""
    return {
        (one.case.setting, launch.number): launch
        for one in run.measurements
        for launch in one.launches
    }.values()


def _precision(run: Run) -> float:
    """Give the precision that was asked for, the default where the file does not tell."""
    try:
        asked = float(run.header.options.get("precision", RANK_MARGIN))
    except (TypeError, ValueError):
        return RANK_MARGIN
    return asked if 0 < asked < 1 else RANK_MARGIN
