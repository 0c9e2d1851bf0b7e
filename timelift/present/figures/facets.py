"""Which rankings share a figure, and which a panel: nothing incomparable is on one axis."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from timelift.analyse.stats.ranking import Ranking
from timelift.case import AXES, Gradients, Setting
from timelift.escape import slug

#: The axes that panels show; settings that differ in any other are on different figures.
SHOWN = ("workload", "seq_len", "batch", "phase", "gradients")
OTHERS = tuple(name for name in AXES if name not in SHOWN)
#: What a reader can take in and a page carry of one kind: panels a figure, figures, all panels.
MOST_PANELS, MOST_FIGURES, MOST_IN_ALL = 16, 8, 32
#: A key sorts panels: workload first, then a size where there is one, then the phase.
Key = tuple[str, int, str, str]


def comparable(rankings: Iterable[Ranking]) -> dict[str, list[Ranking]]:
    """Group rankings that agree in all other axes, by an ending for the names of their figures."""
    groups: dict[tuple[object, ...], list[Ranking]] = defaultdict(list)
    for ranking in rankings:
        groups[others(ranking.setting)].append(ranking)
    differing = [len({key[place] for key in groups}) > 1 for place in range(len(OTHERS))]
    named: dict[str, list[Ranking]] = {}
    for key, group in groups.items():
        words = [slug(value) for value, differs in zip(key, differing, strict=True) if differs]
        ending = "".join(f"-{word}" for word in words)
        named[ending if ending not in named else f"{ending}-{len(named) + 1}"] = group
    return named


def leading(groups: Mapping[str, list[Ranking]]) -> dict[str, list[Ranking]]:
    """Keep what figures have room for: the tables have the rest, and the page says so."""
    most = list(groups.items())[:MOST_FIGURES]
    room = min(MOST_PANELS, MOST_IN_ALL // max(len(most), 1))
    return {ending: _leading(group, room) for ending, group in most}


def _leading(group: Sequence[Ranking], room: int) -> list[Ranking]:
    """Keep the panels that come first when every workload in turn gives its largest batch."""
    found: dict[str, list[Key]] = defaultdict(list)
    for one in {_panel(ranking.setting) for ranking in group}:
        found[one[0]].append(one)
    turns = [sorted(keys, key=lambda one: (-one[1], one[2:])) for keys in found.values()]
    dealt = [one for turn in itertools.zip_longest(*turns) for one in turn if one is not None]
    kept = set(dealt[:room])
    return [ranking for ranking in group if _panel(ranking.setting) in kept]


def _panel(setting: Setting) -> Key:
    return setting.workload, setting.batch, *phase(setting)


def others(setting: Setting) -> tuple[object, ...]:
    """Give the axes that no panel shows."""
    return tuple(getattr(setting, name) for name in OTHERS)


def described(setting: Setting) -> str:
    """Write the axes that no panel shows."""
    threads = f"{setting.threads or 'default'} threads"
    words = [setting.mode, f"{setting.lengths} lengths", f"{setting.time_axis} time", setting.dtype]
    return ", ".join([*words, setting.device, threads, setting.backend])


def panels(rankings: Iterable[Ranking], key: Callable[[Setting], Key]) -> dict[Key, list[Ranking]]:
    """Group rankings by panel, panels in the order of their keys."""
    groups: dict[Key, list[Ranking]] = defaultdict(list)
    for ranking in rankings:
        groups[key(ranking.setting)].append(ranking)
    return dict(sorted(groups.items(), key=lambda item: (*item[0][:2], item[0][2] != "forward")))


def phase(setting: Setting) -> tuple[str, str]:
    """Write the phase, and which gradients where they are not the weights' alone."""
    if setting.gradients is Gradients.INPUTS_AND_WEIGHTS:
        return setting.phase, " (inputs and weights)"
    return setting.phase, ""


def columns_for(keys: Sequence[Key], most: int = 4) -> int:
    """Choose how many panels stand side by side, so that rows begin with a workload if they can."""
    widths = {sum(other[0] == key[0] for other in keys) for key in keys}
    even = max(widths) if len(widths) == 1 and max(widths) <= most else most
    return min(len(keys), even * (most // even))
