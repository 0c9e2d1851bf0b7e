"""How quiet the machine was, in words, and what would help where it was not."""

from collections.abc import Iterator

from timelift.analyse.findings import RunFindings
from timelift.analyse.quality import Disturbance, Seen, TooNoisy
from timelift.present.styled import Style, StyledLine

_REMEDIES = {
    Disturbance.OTHER_PROGRAMS: "other programs ran or the clock rate changed, so end them or wait",
    Disturbance.OTHER_GUESTS: (
        "the host gave time to other guests, so try another hour or machine"
    ),
    Disturbance.CROWDED_THREADS: "the backend's threads crowd each other, which --threads 1 ends",
    Disturbance.QUOTA: (
        "the container's processor quota held it back, so raise it (docker run --cpus) or "
        "measure fewer threads (--threads 1)"
    ),
    Disturbance.HEAT: ("heat or the power supply held the GPU down, so cool it or lower its load"),
}


def lines(found: RunFindings) -> Iterator[tuple[str, str]]:
    """Write the lines of a report's head about it, as pairs of a label and a text."""
    if text := seen(found.seen):
        yield "quiet", text
    for sentence in too_noisy(found.too_noisy):
        yield "noise", sentence


def seen(found: Seen) -> str:
    """Write what was seen of the machine, nothing where nothing was."""
    return "; ".join(_seen(found))


def _seen(found: Seen) -> Iterator[str]:
    """One sentence for each thing that was looked at; none stands for what was not."""
    if found.canary_spread is not None:
        yield f"a fixed piece of work moved {found.canary_spread:.1%} between launches (sd)"
    if found.stolen_share is not None:
        yield f"{found.stolen_share:.1%} of the time was stolen"
    if found.waited_share is not None:
        yield f"threads waited {found.waited_share:.1%} of the time for a processor"
    if found.throttled_periods is not None:
        yield _quota(found.throttled_periods)


def _quota(periods: float) -> str:
    if not periods:
        return "the container's processor quota never held it back"
    return f"the container's processor quota held it back in {periods:,.0f} periods"


def too_noisy(found: TooNoisy | None) -> Iterator[str]:
    """Write where the asked precision was not reached, and what would help."""
    if found is None:
        return
    remedies = [_REMEDIES[one] for one in found.disturbances]
    remedies.append("more time (--budget 15m), --threads 1 or --pin 0 would help")
    text = (
        f"too noisy for ±{found.asked:.1%}: {found.comparisons} comparisons with the fastest are "
        f"undecided, known to ±{found.known_to:.1%} in the median; {'; '.join(remedies)}"
    )
    yield StyledLine(text, Style.DOUBT)
