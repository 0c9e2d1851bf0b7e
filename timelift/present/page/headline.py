"""The answer in a sentence that is true of the run, conditions included, and what it costs."""

import math

from timelift.analyse.advice import Advice, Gain
from timelift.analyse.findings import RunFindings
from timelift.escape import NAME_LIMIT, plain
from timelift.present.advised import (
    gain_in_words,
    known_as,
    to_write,
    where_slower,
)
from timelift.present.recommended import over_the_best
from timelift.present.units import TIMES

NOTHING = "No two strategies were measured in one setting, so there is nothing to compare yet."


def headline(found: RunFindings) -> str:
    """Write the answer for all settings in one sentence."""
    advice = found.advice
    if advice is None:
        return NOTHING
    return _told(advice)


def _told(advice: Advice) -> str:
    name = plain(to_write(advice))
    if not advice.has_verdict:
        return f"{name} looked best{_gained(advice)}, {'; '.join(where_slower(advice))}."
    if advice.suits_few:
        return (
            f"No single strategy suits all {advice.settings} settings: see {_below(advice)} below."
        )
    if advice.strategies == tuple(gain.baseline for gain in advice.gains):
        return f"Keep {name}: nothing is gained over it{_safety(advice, subject='it was ')}."
    gained = _gained(advice)
    return f"Write {name}{gained}{_safety(advice, begins=not gained)}."


def _gained(advice: Advice) -> str:
    """Write how many times as fast the advice is, in which of the settings."""
    gains = [one for one in advice.gains if advice.strategies != (one.baseline,)]
    if not gains:
        return ""
    first, *others = gains
    here = " here" if first.settings == advice.settings > 1 else ""
    some = f" in {first.settings} of {advice.settings} settings"
    where = here or (some if first.settings < advice.settings else "")
    rest = (
        f", {gain_in_words(one, advice)} times as fast as {_name(one.baseline)} in {one.settings}"
        for one in others
    )
    times, name = gain_in_words(first, advice), _name(first.baseline)
    begun = f": {times} times as fast as {name}"
    if advice.has_verdict and not (first.faster or first.slower):
        begun = f": not shown to differ from {name}, {times} times as fast"
    return "".join((begun, where, _shown(first, advice), *rest))


def _shown(gain: Gain, advice: Advice) -> str:
    """Write in how many settings the gain was shown, if not in all that are told of."""
    if not advice.has_verdict or gain.faster in {0, gain.settings}:
        return ""
    whole = gain.settings == advice.settings
    return f", shown in {gain.faster} of {f'{gain.settings} settings' if whole else 'these'}"


def _below(advice: Advice) -> str:
    workloads = {one.setting.workload for part in advice.parts for one in part.rankings}
    return "your workload" if len(workloads) > 1 else "your case"


def _name(baseline: str) -> str:
    return plain(known_as(baseline), NAME_LIMIT)


def _safety(advice: Advice, *, begins: bool = False, subject: str = "") -> str:
    """Write whether the advice was shown slower anywhere, and whether it was measured there."""
    if advice.losses:
        where = f" in {len(advice.losses)} of {advice.settings} settings"
        return f", but {subject}shown slower{where if advice.settings > 1 else ''}"
    text = f"{': ' if begins else ', and '}{subject}never shown slower"
    if not advice.is_tested_everywhere:
        return f"{text}, but not tested in every setting"
    return text if subject else f"{text} than anything else"


def price(advice: Advice) -> str:
    """Write what the advice costs at most over the best of any setting, and where it loses."""
    if not (advice.has_verdict and math.isfinite(advice.price)):
        return "What it costs over the best is not known from so few launches."
    over = over_the_best(advice.price)
    several = advice.settings > 1
    if not advice.is_bound:
        return f"{'In the worst setting it' if several else 'It'} was seen to cost {over}."
    if advice.losses:
        return _price_of_a_loser(advice, over)
    if advice.price <= 1 and advice.measured == advice.settings:
        return f"It is the best{' in every setting' if several else ''}."
    # a bound from here on says more about the noise than about the strategy
    if advice.price < TIMES:
        return f"It costs at most {over}{', in any setting' if several else ''}."
    return (
        f"What it costs over the best is known no better than up to {over}"
        f"{', in the noisiest setting' if several else ''}; more launches would narrow that."
    )


def _price_of_a_loser(advice: Advice, over: str) -> str:
    """Write what it costs, and where, if one place is known in which it loses."""
    begun = f"It costs at most {over}"
    if advice.suits_few:
        name = plain(to_write(advice))
        begun = f"{name} has the least to lose: it costs at most {over}"
    first, *others = where_slower(advice)
    if advice.lost and advice.lost.shared:
        return f"{begun}. Where it loses: {'; '.join((first, *others))}."
    return f"{'; '.join((begun, *others))}."
