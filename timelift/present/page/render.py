"""The page as one HTML file that loads nothing, and its tables as CSV files beside it."""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timelift.analyse.findings import RunFindings
from timelift.analyse.runs.measurement import Run
from timelift.analyse.stats.ranking import Ranking
from timelift.escape import NAME_LIMIT, plain
from timelift.present import recommended
from timelift.present.folder import write
from timelift.present.page.answer import Card, answers
from timelift.present.page.drawing import sample
from timelift.present.page.own_tables import names
from timelift.present.page.sections import Section, left_out, sections, tables_of
from timelift.present.recommended import everywhere
from timelift.present.report import Report
from timelift.present.tables import Table, csv_as_shown


@dataclass(frozen=True)
class Page:
    """All that the page shows; `strategies` are named with whether they are look-alikes."""

    title: str
    answers: tuple[Card, ...]
    together: tuple[str, ...]
    head: Mapping[str, str]
    sections: tuple[Section, ...]
    warnings: tuple[str, ...]
    strategies: tuple[tuple[str, bool], ...]
    left_out: str
    counts: str


def page(
    found: RunFindings,
    report: Report,
    svgs: Mapping[str, str],
    more: Mapping[str, Sequence[Table]] | None = None,
) -> Page:
    """Gather what the page shows; `svgs` and `more` are those of `sections`."""
    answered = answers(found.recommended)
    head = dict(report.head)
    return Page(
        title=f"timelift: {head.get('when', '')[:16].replace('T', ' ')}".removesuffix(": "),
        answers=answered,
        together=tuple(everywhere(found.everywhere)),
        head=head,
        sections=sections(found, answered, svgs, more),
        warnings=report.warnings,
        strategies=tuple((name, name in found.look_alikes) for name in names(found.rankings)),
        left_out=left_out(found.rankings),
        counts=_counts(found.run, found.rankings),
    )


def _counts(run: Run, rankings: Sequence[Ranking]) -> str:
    measured = sum(len(one.everyone) for one in rankings)
    lost = len(run.measurements) - measured
    without = f", {lost:,} without a result" if lost else ""
    return f"{measured:,} measurements in {len(rankings):,} settings{without}"


def html(shown: Page, every: int | None = None) -> str:
    """Render the page; it loads itself again after `every` seconds where that is given."""
    environment = _environment()
    script = _source("page.js")
    rendered: str = environment.get_template("page.html").render(
        page=shown,
        every=every,
        style=_source("page.css"),
        script=script,
        script_hash=_hash(script),
    )
    return rendered


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


def _source(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """Name the only script that the page may run: one that a journal smuggles in does not."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def save(shown: Page, folder: Path, every: int | None = None) -> Iterator[Path]:
    """Write the page, whole or not at all, and its tables."""
    for table in tables_of(shown.sections):
        if table.rows:
            yield write(folder / "tables" / f"{table.name}.csv", csv_as_shown(table))
    draft = write(folder / "index.html.new", html(shown, every))
    yield draft.replace(folder / "index.html")
