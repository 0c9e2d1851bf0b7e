"""What stands below the first screen: a heading, a sentence, figures and tables each."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from timelift.analyse.findings import RunFindings
from timelift.analyse.stats.ranking import Ranking
from timelift.present import case_table
from timelift.present.figures.facets import comparable, leading
from timelift.present.page import own_tables
from timelift.present.page.answer import Card
from timelift.present.page.drawing import inline
from timelift.present.tables import Table


@dataclass(frozen=True)
class Picture:
    """A figure: the name of its files, what it shows, and its SVG made for the page."""

    name: str
    alt: str
    svg: str


@dataclass(frozen=True)
class Section:
    """One question with what answers it."""

    anchor: str
    title: str
    words: str
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = field(default=())

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not self.pictures and not any(table.rows for table in self.tables)


#: The sections with figures: anchor, title, what to see, and the figures' names before any ending.
_DRAWN = (
    (
        "winners",
        "Who wins where",
        "The fastest strategy at every length and batch, who ties with it, how far the next is.",
        "fastest",
    ),
    (
        "length",
        "Time against length",
        "Time per call as sequences grow. A band is the 95 % interval over launches.",
        "time_by_length",
    ),
    (
        "phases",
        "Forward against backward",
        "What the gradients cost: the higher above its neighbours, the dearer to train.",
        "forward_backward",
    ),
    (
        "first-call",
        "First call against steady time",
        "The first call builds, traces and compiles. A dear one pays off only after many calls.",
        "first_call",
    ),
    (
        "memory",
        "Peak memory against time",
        "Ringed is the Pareto front: no other whose memory is known is both faster and smaller.",
        "memory",
    ),
)


def sections(
    found: RunFindings,
    answered: Sequence[Card],
    svgs: Mapping[str, str],
    more: Mapping[str, Sequence[Table]] | None = None,
) -> tuple[Section, ...]:
    """Return the sections of a run that have something to show.

    `answered` are the answers of the first screen, `svgs` the figures as files hold them, by name;
    `more` are tables of other modules, such as fitted exponents, by the anchor of the section that
    they belong to.
    """
    tables: dict[str, list[Table]] = {anchor: [*given] for anchor, given in (more or {}).items()}
    if found.rankings:
        tables.setdefault("first-call", []).append(own_tables.pays_off(found))
    prices = Section(
        "prices",
        "What choosing each costs",
        "In the worst of a workload's settings, beside the best there.",
        tables=(own_tables.prices(answered),),
    )
    told = _told(found, tables.get("execution", ()))
    every = [*_drawn(svgs, tables), prices, *told]
    return tuple(section for section in every if not section.empty)


def _drawn(svgs: Mapping[str, str], tables: Mapping[str, Sequence[Table]]) -> Iterator[Section]:
    for anchor, title, words, name in _DRAWN:
        names = [one for one in svgs if one == name or one.startswith(f"{name}-")]
        pictures = tuple(
            Picture(one, f"{title} ({one})", inline(svgs[one], f"{anchor}{place}-"))
            for place, one in enumerate(names)
        )
        yield Section(anchor, title, words, pictures, tuple(tables.get(anchor, ())))


def _told(found: RunFindings, more: Sequence[Table] = ()) -> Iterator[Section]:
    if found.rankings:
        yield Section(
            "steps",
            "Time per step",
            "What one step costs, at every length.",
            tables=(own_tables.steps(found),),
        )
        yield Section(
            "execution",
            "Modes, devices and backends",
            "The fastest in each, beside the best of them at the same sizes.",
            tables=(own_tables.execution(found), *more),
        )
    yield Section(
        "meanings",
        "What each strategy means",
        "For layers that are more than a function a fast strategy may compute something else: "
        "the noise of Dropout, the statistics of BatchNormalization, losses, masks, padded steps.",
        tables=(own_tables.meanings(found),),
    )
    if found.rankings:
        yield Section(
            "measurements",
            "Every measurement",
            "Sort by a heading; filter by strategy, workload and axes.",
            tables=(case_table.of_page(found),),
        )
    yield Section(
        "not-run",
        "Cases without a result",
        "What was refused, failed or was not available, and why.",
        tables=(own_tables.losses(found.run),),
    )


def left_out(rankings: Sequence[Ranking]) -> str:
    """Return how many settings the figures have no room for; nothing where they show all."""
    drawn = sum(len(group) for group in leading(comparable(rankings)).values())
    if drawn == len(rankings):
        return ""
    return (
        f"figures show {drawn:,} of {len(rankings):,} settings, the largest batches of each "
        "workload; the tables have all"
    )


def tables_of(found: Iterable[Section]) -> Iterator[Table]:
    """Return every table of the sections."""
    for section in found:
        yield from section.tables
