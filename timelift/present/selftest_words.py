"""What a self-test found, and how far it lets the figures of its machine be trusted, in words."""

from collections.abc import Iterator

from timelift.analyse.runs.measurement import Run
from timelift.analyse.selftest import Trust
from timelift.errors import counted
from timelift.present.units import percent

#: In so many of its tries a planted slow-down was found most times.
_MOST_TIMES = 0.9


def selftest_stored(found: Trust | None, kept: Trust | None, run: Run) -> Iterator[str]:
    """Write which self-test reports quote; `kept` is an earlier one of more comparisons, if any."""
    if found is None:
        return
    if run.is_provisional:
        yield "not stored, since the run did not end"
    elif kept:
        day = kept.measured[:10]
        yield f"reports go on to quote the self-test of {day}, which rests on more comparisons"
    else:
        yield "stored: reports of this machine quote it from now on"


def selftest_findings(found: Trust | None, state: str = "") -> Iterator[str]:
    """Write what a self-test found, below the `state` of its run where that is not whole."""
    if state:
        yield state
    if found is None:
        yield "no twin was measured, so there is no result"
        return
    false, wrong = found.false_alarms, found.wrong_way
    yield (
        f"identical code was called different in {false.hits} of {false.tries:,} comparisons "
        f"(at most {percent(false.at_most, 2)} with 95 % confidence)"
    )
    seen = (
        f"{percent(share, 0, signed=True)} in {calls.hits} of {calls.tries}"
        for share, calls in sorted(found.found.items())
    )
    yield (
        f"found where planted: {', '.join(seen)}; "
        f"the wrong way round in {wrong.hits} of {wrong.tries:,}"
    )
    yield (
        f"{counted(found.settings, 'setting')}, {found.launches:.1f} launches a rival, "
        f"{found.seconds_per_verdict:.1f} s a comparison"
    )


def trust_in_words(run: Run, trust: Trust | None) -> str:
    """Write how far the figures of a run's machine may be trusted, or how to find out."""
    if trust is None:
        return "not known for this machine; find out with: timelift selftest"
    false = trust.false_alarms
    alarms = counted(false.hits, "false alarm")
    found = (
        f"{percent(share, 0, signed=True)} found in {percent(seen.value, 0)}"
        for share, seen in sorted(trust.found.items())
        if share > 0 and seen.tries
    )
    moved = trust.changed_packages(run.header.machine.versions)
    first = (
        f"self-test of {trust.measured[:10]}: {alarms} in {false.tries:,} comparisons of "
        f"identical code (at most {percent(false.at_most, 2)})"
    )
    since = f"since then other {', '.join(moved)}" if moved else ""
    return "; ".join(filter(None, (first, ", ".join(found), since)))


def short_trust(run: Run, trust: Trust | None) -> str:
    """Write the same in one line: of what was planted, the least that was found most times."""
    if trust is None:
        return "this machine is not tested yet: timelift selftest (10 minutes)"
    false, moved = trust.false_alarms, trust.changed_packages(run.header.machine.versions)
    planted = {share: seen for share, seen in sorted(trust.found.items()) if share > 0}
    known = [share for share, seen in planted.items() if seen.tries]
    sure = [share for share in known if planted[share].value >= _MOST_TIMES] or known[-1:]
    found = [
        f"{percent(one, 0, signed=True)} found in {percent(planted[one].value, 0)}"
        for one in sure[:1]
    ]
    since = [f"since then other {', '.join(moved)}"] if moved else []
    alarms = f"{counted(false.hits, 'false alarm')} in {false.tries:,}"
    first = f"self-test of {trust.measured[:10]}: {alarms} (at most {percent(false.at_most)})"
    return "; ".join([first, *found, *since])
