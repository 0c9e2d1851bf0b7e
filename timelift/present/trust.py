"""How far the figures of a machine may be trusted, in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from timelift.analyse.selftest.trust_file import Trust


def lines(found: Trust) -> Iterator[str]:
    """Write what a self-test found, in sentences."""
    false = found.false_alarms
    yield (
        f"identical code was called different in {false.hits} of {false.tries:,} comparisons "
        f"(at most {false.at_most:.2%} with 95 % confidence)"
    )
    yield f"found where planted: {power(found)}"
    yield (
        f"10 % slower in one launch of four was called in {found.one_in_n.hits} of "
        f"{found.one_in_n.tries}; the wrong way round in {found.wrong_way.hits} of "
        f"{found.wrong_way.tries:,}"
    )
    yield (
        f"{found.settings} settings, {found.launches:.1f} launches a rival, "
        f"{found.seconds_per_verdict:.1f} s a comparison"
    )


def power(found: Trust) -> str:
    """Write how many of each planted difference were found."""
    ordered = sorted(found.found.items(), key=lambda item: (item[0] < 0, abs(item[0])))
    return ", ".join(f"{share:+.0%} in {seen.hits} of {seen.tries}" for share, seen in ordered)


def sentence(kept: Trust, versions: Mapping[str, Any]) -> str:
    """Write it in one line beside a run that was measured with these versions."""
    false = kept.false_alarms
    found = ", ".join(
        f"{share:+.0%} found in {seen.value:.0%}"
        for share, seen in sorted(kept.found.items())
        if share > 0 and seen.tries
    )
    moved = kept.moved(versions)
    since = f"; since then other {', '.join(moved)}" if moved else ""
    return (
        f"self-test of {kept.measured[:10]}: {false.hits} false alarms in {false.tries:,} "
        f"comparisons of identical code (at most {false.at_most:.2%}); {found}{since}"
    )
