"""The page as one HTML file that loads nothing: the answer, a choice of cases, charts, tables."""

import base64
import functools
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from timelift.analyse.findings import RunFindings
from timelift.analyse.verdicts import RANK_MARGIN
from timelift.errors import counted
from timelift.escape import NAME_LIMIT, plain
from timelift.present import case_table
from timelift.present.answer import headline, known_as, price_sentence
from timelift.present.page import own_tables
from timelift.present.page.data import along, as_json
from timelift.present.report import Report
from timelift.present.summary import ROWS, Additions, Section, processor_and_memory, summary
from timelift.present.tables import Table
from timelift.present.usage import CodeToPaste
from timelift.present.words import percent

_HERE = Path(__file__).parent
_LIBRARIES = ("d3.min.js", "plot.min.js")
#: Characters after which a headline is cut.
_HEADLINE = 300
_OWN = ("data.js", "chooser.js", "charts.js", "tables.js", "page.js")


@dataclass(frozen=True)
class Chart:
    """A question whose charts the script draws; `words` say what is seen.

    `title` has places for the baseline and for what the charts have along them.
    """

    anchor: str
    title: str
    words: str


#: What the report's head has that the page says elsewhere, mostly on its first screen.
_SAID_ABOVE = {"answer", "command", "noise", "speed-up", "state", "trust", "when"}
_ALONE = (
    "Each row is the answer for its workload alone, so it may name another strategy than the "
    "answer for all."
)
_SPEED_UP = "How many times as fast as the baseline, which is the line at 1; higher is better"
_CHARTS = (
    Chart(
        "speed-up", "Speed-up over {0} against {1}", f"{_SPEED_UP}. The bars are 95 % intervals."
    ),
    Chart("time", "Time against {1}", "Time of a call, with its 95 % interval over launches."),
    Chart(
        "winners",
        "Fastest by size",
        "The shortest time at every size, how many times as fast as the baseline it is, and how "
        "many others were not shown slower. Follow a name to its case.",
    ),
    Chart(
        "first-call",
        "First call against time",
        "The first call builds, traces and compiles; a mark is a size. A slow one pays off only "
        "after many calls.",
    ),
    Chart(
        "memory",
        "Memory against time",
        "The peak of a call; a mark is a size. Ringed: no other is both faster and smaller there.",
    ),
    Chart(
        "modes",
        "Modes, devices and backends",
        "The time of the fastest strategy in each, at the same size.",
    ),
)


def html(
    found: RunFindings,
    report: Report,
    tables: Sequence[Table] = (),
    figures: Sequence[str] = (),
    code: CodeToPaste | None = None,
) -> str:
    """Render the page, beside which each of `tables` lies as CSV, and these files of figures.

    `code` is what to paste.
    """
    head = dict(report.head)
    when = head.get("when", "")[:16].replace("T", " ")
    rendered: str = (
        _environment()
        .get_template("page.html")
        .render(
            title=f"timelift: {when}".removesuffix(": "),
            head={label: text for label, text in head.items() if label not in _SAID_ABOVE},
            state=head.get("state", ""),
            when=when,
            command=head.get("command", ""),
            warnings=report.warnings,
            **_first_screen(found, report.additions),
            charts=[*_charts(found)],
            tables=[one for one in tables if one.rows],
            figures=_by_name(figures),
            data=as_json(found, code or CodeToPaste()),
            style=_source("templates", "page.css"),
            scripts=scripts(),
            script_sources=" ".join(f"'sha256-{_hash(one)}'" for one in scripts()),
        )
    )
    return rendered


@functools.cache
def scripts() -> tuple[str, ...]:
    """Return the scripts of the page: the libraries, and its own as one."""
    own = "".join(_source("templates", name) for name in _OWN)
    return (*(_source("vendor", name) for name in _LIBRARIES), own)


def _source(*place: str) -> str:
    return _HERE.joinpath(*place).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """Name a script that the page may run: one that a journal smuggles in does not."""
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
    environment.filters["code"] = _with_code
    environment.filters["counted"] = lambda count: counted(count, "row")
    return environment


def _with_code(text: str, names: Iterable[str]) -> Any:
    """Escape a text, and mark up these names in it as code."""
    import markupsafe  # noqa: PLC0415

    known = "|".join(re.escape(str(markupsafe.escape(plain(one)))) for one in names)
    safe = str(markupsafe.escape(text))
    marked = re.sub(rf"(?<!\w)({known})(?!\w)", r"<code>\1</code>", safe) if known else safe
    return markupsafe.Markup(marked)  # noqa: S704 - escaped above


def _first_screen(found: RunFindings, additions: Additions) -> dict[str, Any]:
    """Return what the first screen has in words: a section in place of the answer."""
    end, section = summary(found, None, additions.trust), additions.section
    shared = {
        "top": end.top,
        "machine": processor_and_memory(found),
        "margin": percent(RANK_MARGIN, 0),
        "notes": end.notes,
    }
    if section is None:
        return shared | _answer(found, end.table)
    also = "; ".join(section.notes)
    return shared | _section(section) | {"notes": [*([("also", also)] if also else []), *end.notes]}


def _answer(found: RunFindings, answers: Table) -> dict[str, Any]:
    answer = found.answer
    return {
        "headline": headline(found),
        "names": answer.strategies if answer else (),
        "price": price_sentence(answer) if answer else "",
        "answers": answers,
        "note": _ALONE if len(answers.rows) > 1 else "",
        "has_prices": bool(found.answers),
        "several": answer is not None and answer.settings > 1,
        "bound": answer is not None and answer.is_bound,
    }


def _section(section: Section) -> dict[str, Any]:
    table = section.table
    left = len(table.rows) - ROWS if table else 0
    return {
        "headline": plain(section.headline, _HEADLINE),
        "names": section.names,
        "price": section.below,
        "answers": table and replace(table, rows=table.rows[:ROWS]),
        "note": f"{counted(left, 'more case')} in the tables below." if left > 0 else "",
        "has_prices": False,
    }


def _charts(found: RunFindings) -> Iterator[Chart]:
    """Yield the charts that the run has something for, their titles filled in."""
    baselines = {one.baseline for one in found.rankings if one.baseline}
    baseline = plain(known_as(*baselines), NAME_LIMIT) if len(baselines) == 1 else "the baseline"
    size = "batch" if along([one.setting for one in found.rankings]) == "batch" else "length"
    drawn = {
        "speed-up": any(one.baseline and len(one.all_rows) > 1 for one in found.rankings),
        "winners": found.contests,
        "first-call": found.first_calls,
        "memory": found.peak_bytes,
        "modes": found.fastest_elsewhere,
    }
    for chart in _CHARTS:
        if drawn.get(chart.anchor, found.rankings):
            yield replace(chart, title=chart.title.format(baseline, size))


def _by_name(files: Iterable[str]) -> dict[str, list[dict[str, str]]]:
    """Group the files of figures by what they show, each with its format."""
    by_name: dict[str, list[dict[str, str]]] = {}
    for file in files:
        name, _, ending = file.rpartition(".")
        by_name.setdefault(name, []).append({"name": file, "format": ending.upper()})
    return by_name


def tables(found: RunFindings, section: Section | None = None) -> Sequence[Table]:
    """Return the tables of the page, that of a section first, those of the whole run last."""
    return (
        *([section.table] if section and section.table else []),
        own_tables.prices(found.answers),
        own_tables.execution(found),
        own_tables.executions(found.execution_pairs),
        own_tables.meanings(found),
        case_table.of_page(found),
        own_tables.losses(found.run),
    )
