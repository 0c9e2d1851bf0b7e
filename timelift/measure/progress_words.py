"""The words of a campaign's events."""

import math

from timelift.measure.events import CampaignBegun, StageBegun, StillUndecided

#: So many undecided settings are named; the rest is counted.
_NAMED = 3


def begun(event: CampaignBegun) -> str:
    why = "a change is suspected" if event.two_sided else "a verdict is open"
    more = f", up to {event.most} where {why}" if event.most > event.fewest else ""
    within = f", all within {event.budget_seconds:g} s" if event.budget_seconds else ""
    launches = f"{event.fewest} launch{'es' if event.fewest > 1 else ''} each"
    return f"{event.cases} cases in {event.settings} settings, {launches}{more}{within}"


def how_many(event: StillUndecided) -> str:
    return f"{len(event.undecided)} of {event.settings} settings"


def still_undecided(event: StillUndecided) -> str:
    names = ", ".join(event.undecided[:_NAMED])
    over = len(event.undecided) - _NAMED
    rest = f" and {over} more" if over > 0 else ""
    return f"undecided after {event.launches} launches: {how_many(event)} ({names}{rest})"


def time_left(event: StageBegun) -> str:
    """Word how long the rest takes, or may take; empty where that is not known."""
    if not math.isfinite(event.seconds_left):
        return ""
    minutes, rest = divmod(max(0, round(event.seconds_left)), 60)
    how = "at most" if event.at_most else "about"
    return f"{how} {f'{minutes} min ' if minutes else ''}{rest} s left"
