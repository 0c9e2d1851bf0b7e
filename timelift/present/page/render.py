"""The page as one HTML file that loads nothing: the answer, then a section for each question."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timelift.analyse.findings import RunFindings
from timelift.escape import NAME_LIMIT, plain
from timelift.present import across_table, case_table, recommended, scaling_table
from timelift.present.figures.looks import legend_order
from timelift.present.page import own_tables
from timelift.present.page.answer import Card
from timelift.present.page.drawing import inline, sample
from timelift.present.recommended import everywhere
from timelift.present.report import Report
from timelift.present.tables import Table


@dataclass(frozen=True)
class Picture:
    """A figure: the name of its files, their formats, what it shows, and its SVG for the page."""

    name: str
    formats: tuple[str, ...]
    alt: str
    svg: str


@dataclass(frozen=True)
class Section:
    """One question with the figures and tables that answer it."""

    anchor: str
    title: str
    words: str
    pictures: tuple[Picture, ...]
    tables: tuple[Table, ...]


#: The title of each section and its first sentence, by its anchor, in the order of the page.
_SECTIONS = {
    "winners": (
        "Fastest strategy by size",
        (
            "The shortest time at every length and batch, what ties with it, how far the next is. "
            "Of those that tie, the answer above may name another."
        ),
    ),
    "length": (
        "Time against length",
        "Time per call as sequences grow. A band is the 95 % interval over launches.",
    ),
    "phases": (
        "Forward against backward",
        "What the gradients cost: the higher above its neighbours, the more expensive to train.",
    ),
    "first-call": (
        "First call against steady time",
        "The first call builds, traces and compiles. A slow one pays off only after many calls.",
    ),
    "memory": (
        "Peak memory against time",
        "Ringed is the Pareto front: no other whose memory is known is both faster and smaller.",
    ),
    "prices": (
        "What choosing each costs",
        "In the worst of a workload's settings, beside the best there.",
    ),
    "steps": ("Time per step", "What one step costs, at every length."),
    "execution": (
        "Modes, devices and backends",
        "The fastest in each, beside the best of them at the same sizes.",
    ),
    "meanings": (
        "What each strategy means",
        (
            "For layers that are more than a function a fast strategy may compute something else: "
            "the noise of Dropout, the statistics of BatchNormalization, losses, masks, padded "
            "steps."
        ),
    ),
    "measurements": (
        "Every measurement",
        "Sort by a heading; filter by strategy, workload and axes.",
    ),
    "not-run": (
        "Cases without a result",
        "What was refused, failed or was not available, and why.",
    ),
}
#: The figures of a section, by what their names begin with.
_FIGURES = {
    "winners": ("fastest",),
    "length": ("speed_up", "time_by_length"),
    "phases": ("forward_backward",),
    "first-call": ("first_call",),
    "memory": ("memory",),
    "prices": ("price",),
}


def html(
    found: RunFindings, report: Report, sections: Sequence[Section], every: int | None = None
) -> str:
    """Render the page; it loads itself again after `every` seconds where that is given."""
    script = _source("page.js")
    head = dict(report.head)
    names = legend_order(row.case.strategy for one in found.rankings for row in one.all_rows)
    rendered: str = (
        _environment()
        .get_template("page.html")
        .render(
            title=f"timelift: {head.get('when', '')[:16].replace('T', ' ')}".removesuffix(": "),
            every=every,
            counts=_counts(found),
            head=head,
            warnings=report.warnings,
            cards=[Card(one) for one in found.recommendation_by_workload],
            together=list(everywhere(found.recommendation)),
            strategies=[(name, name in found.look_alikes) for name in names],
            sections=sections,
            style=_source("page.css"),
            script=script,
            script_hash=_hash(script),
        )
    )
    return rendered


def _source(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """Name the only script that the page may run: one that a journal smuggles in does not."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _environment() -> Any:
    import jinja2  # noqa: PLC0415 - a report that ends in a mistake needs none

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("timelift.present.page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = plain
    environment.filters["name"] = lambda name: plain(name, NAME_LIMIT)
    environment.filters["sample"] = sample
    environment.filters["short"] = recommended.short_price
    return environment


def _counts(found: RunFindings) -> str:
    measured = sum(len(one.all_rows) for one in found.rankings)
    lost = len(found.run.measurements) - measured
    without = f", {lost:,} without a result" if lost else ""
    return f"{measured:,} measurements in {len(found.rankings):,} settings{without}"


def sections(
    found: RunFindings, svgs: Mapping[str, str], formats: Sequence[str] = ("svg",)
) -> list[Section]:
    """Return the sections that have something to show.

    `svgs` are the figures by their names, `formats` those in which each of them has a file.
    """
    tables = _tables(found)
    every = [
        Section(
            anchor, title, words, _pictures(anchor, title, svgs, formats), tables.get(anchor, ())
        )
        for anchor, (title, words) in _SECTIONS.items()
    ]
    return [one for one in every if one.pictures or any(table.rows for table in one.tables)]


def _tables(found: RunFindings) -> dict[str, tuple[Table, ...]]:
    return {
        "length": tuple(scaling_table.page_tables(found.scaling)),
        "first-call": (own_tables.break_even(found),),
        "prices": (own_tables.prices(found.recommendation_by_workload),),
        "steps": (own_tables.steps(found),),
        "execution": (own_tables.execution(found), *across_table.page_tables(found.across)),
        "meanings": (own_tables.meanings(found),),
        "measurements": (case_table.of_page(found),),
        "not-run": (own_tables.losses(found.run),),
    }


def _pictures(
    anchor: str, title: str, svgs: Mapping[str, str], formats: Sequence[str]
) -> tuple[Picture, ...]:
    """Return the figures of a section: those of its name, with any ending."""
    names = [one for one in svgs if one.partition("-")[0] in _FIGURES.get(anchor, ())]
    return tuple(
        Picture(one, tuple(formats), f"{title} ({one})", inline(svgs[one], f"{anchor}{place}-"))
        for place, one in enumerate(names)
    )
