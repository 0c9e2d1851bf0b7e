"""Which rankings share a figure, and which a panel: nothing incomparable is on one axis."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from timelift.analyse.stats.ranking import Ranking
from timelift.case import AXES, Gradients, Setting
from timelift.escape import slug
from timelift.present.figures.looks import short_name

#: The axes that panels show; settings that differ in any other are on different figures.
SHOWN = ("workload", "seq_len", "batch", "phase", "gradients")
OTHERS = tuple(name for name in AXES if name not in SHOWN)
#: What a reader can take in and a page carry of one kind: panels a figure, figures, all panels.
MOST_PANELS, MOST_FIGURES, MOST_IN_ALL = 16, 8, 32


class PanelKey(NamedTuple):
    """What the settings of a panel share; `batch` is 0 where their batches differ."""

    workload: str
    batch: int
    phase: str
    gradients: str

    @property
    def title(self) -> str:
        batch = f", batch {self.batch}" if self.batch else ""
        return f"{short_name(self.workload)}{batch}, {self.phase}{self.gradients}"


def by_batch(setting: Setting) -> PanelKey:
    both = setting.gradients is Gradients.INPUTS_AND_WEIGHTS
    gradients = " (inputs and weights)" if both else ""
    return PanelKey(setting.workload, setting.batch, setting.phase, gradients)


def by_workload(setting: Setting) -> PanelKey:
    return by_batch(setting)._replace(batch=0)


def panels(
    rankings: Iterable[Ranking], key: Callable[[Setting], PanelKey]
) -> dict[PanelKey, list[Ranking]]:
    """Group rankings by panel, a workload's together and its forward calls first."""
    groups: dict[PanelKey, list[Ranking]] = defaultdict(list)
    for ranking in rankings:
        groups[key(ranking.setting)].append(ranking)
    order = sorted(groups, key=lambda one: (one.workload, one.batch, one.phase != "forward"))
    return {one: groups[one] for one in order}


def columns_for(keys: Sequence[PanelKey], most: int = 4) -> int:
    """Choose how many panels stand side by side, so that rows begin with a workload if they can."""
    widths = {sum(other.workload == key.workload for other in keys) for key in keys}
    even = max(widths) if len(widths) == 1 and max(widths) <= most else most
    return min(len(keys), even * (most // even))


def comparable(rankings: Iterable[Ranking]) -> dict[str, list[Ranking]]:
    """Group rankings that agree in all other axes, by an ending for the names of their figures."""
    groups: dict[tuple[object, ...], list[Ranking]] = defaultdict(list)
    for ranking in rankings:
        groups[tuple(getattr(ranking.setting, name) for name in OTHERS)].append(ranking)
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
    found: dict[str, list[PanelKey]] = defaultdict(list)
    for one in {by_batch(ranking.setting) for ranking in group}:
        found[one.workload].append(one)
    turns = [
        sorted(keys, key=lambda one: (-one.batch, one.phase, one.gradients))
        for keys in found.values()
    ]
    dealt = [one for turn in itertools.zip_longest(*turns) for one in turn if one is not None]
    kept = set(dealt[:room])
    return [ranking for ranking in group if by_batch(ranking.setting) in kept]


def described(setting: Setting) -> str:
    """Write the axes that no panel shows."""
    threads = f"{setting.threads or 'default'} threads"
    words = [setting.mode, f"{setting.lengths} lengths", f"{setting.time_axis} time", setting.dtype]
    return ", ".join([*words, setting.device, threads, setting.backend])
