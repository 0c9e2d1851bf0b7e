"""The report as files: the page, texts, tables and figures; and the page itself.

The page is one HTML file that loads nothing, with the answer, a chooser, charts and tables.
"""

import base64
import functools
import hashlib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any

from timelift.analyse.findings import ExecutionPair, RunFindings, execution_pairs
from timelift.analyse.verdicts import RANK_MARGIN, WORTHWHILE
from timelift.errors import counted, writing
from timelift.escape import NAME_LIMIT, plain
from timelift.journal.files import refuse_link_out, replace_file
from timelift.present import case_table, conditions, figures
from timelift.present.answer import known_as
from timelift.present.document import Document, Line, to_markdown
from timelift.present.figures import sheet
from timelift.present.full_report import full_report
from timelift.present.page.data import along, inside_html, page_data
from timelift.present.summary import (
    ROWS,
    Additions,
    processor_and_memory,
    what_was_measured,
    without_repetition,
)
from timelift.present.tables import (
    Column,
    Table,
    axis_columns,
    csv_as_shown,
    csv_of_values,
    number,
    shown_axes,
)
from timelift.present.usage import NO_CODE, CodeToPaste
from timelift.present.words import percent

_FIGURES = "figures"
#: What to do if a file cannot be written.
_ADVICE = "name another folder with --output"
#: The tables of all kinds of runs, by the names of their files.
_TABLES = ("across", "gate", "measurements", "not_run")
_HERE = Path(__file__).parent
_LIBRARIES = ("d3.min.js", "plot.min.js")
#: Lines about the machine that stand elsewhere on the page.
_SAID_ABOVE = {"when", "command", "speed-up"}
#: Characters after which a headline, and a reason, is cut.
_HEADLINE, _REASON = 300, 300
#: The parts of the page's own script, in this order.
_OWN = ("data.js", "chooser.js", "charts.js", "tables.js", "page.js")


# The folder ---------------------------------------------------------------------------------------


def write_report(
    findings: RunFindings, folder: Path, additions: Additions, code: CodeToPaste, top: Path
) -> None:
    """Write a report over an earlier one; raises UserError if the folder does not allow it."""
    document = full_report(findings, additions)
    with writing(folder, _ADVICE):
        for name in _replaced(findings):
            (refuse_link_out((folder / name).parent, top) / Path(name).name).unlink(missing_ok=True)
        drawn = figures.of_run(findings)
        sheet.save(drawn, folder / _FIGURES, top)
    tables = page_tables(findings, document)
    texts = {
        "report.md": to_markdown(document, [f"{_FIGURES}/{name}.svg" for name in drawn]),
        "measurements.csv": csv_of_values(case_table.for_programs(findings)),
        **{f"tables/{table.name}.csv": csv_as_shown(table) for table in tables},
        "index.html": page_html(findings, document, tables, drawn, code),
    }
    for name, text in texts.items():
        with writing(folder / name, _ADVICE):
            replace_file(folder / name, text, top)


def _replaced(findings: RunFindings) -> Iterator[str]:
    """Yield the files of an earlier report to remove: tables, and figures of these workloads.

    Nothing else in the folder is removed.
    """
    yield from (f"tables/{name}.csv" for name in _TABLES)
    workloads = findings.run.workloads
    for stem in (
        kind + end for kind in figures.QUANTITIES for end in ("", *figures.endings(workloads))
    ):
        yield from (f"{_FIGURES}/{stem}.{format_}" for format_ in sheet.FORMATS)


# The page -----------------------------------------------------------------------------------------


def page_html(
    findings: RunFindings,
    document: Document,
    tables: Sequence[Table] = (),
    drawn: Iterable[str] = (),
    code: CodeToPaste = NO_CODE,
) -> str:
    """Render the page, which links to a CSV file of each table and to the files of its figures."""
    head, data = document.block("machine").texts, page_data(findings, code)
    when = head.get("when", "")[:16].replace("T", " ")
    rendered: str = (
        _environment()
        .get_template("page.html")
        .render(
            title=f"timelift: {when}".removesuffix(": "),
            state=document.state,
            top=what_was_measured(findings),
            machine=processor_and_memory(findings),
            when=when,
            command=head.get("command", ""),
            head={label: text for label, text in head.items() if label not in _SAID_ABOVE},
            is_whole=findings.run.header.races_whole_model,
            has_gradients=any(case.setting.differentiates for case in findings.run.measured),
            warnings=[line.text for line in document.block("warnings").lines],
            margin=percent(RANK_MARGIN, 0),
            worthwhile=percent(WORTHWHILE, 0),
            over=conditions.over(findings.run),
            **_first_screen(findings, document),
            **_charts(findings),
            tables=tables,
            figures=drawn,
            formats=sheet.FORMATS,
            data=inside_html(data),
            has_own=any(strategy["own"] for strategy in data["strategies"]),
            style=_source("templates", "page.css"),
            scripts=page_scripts(),
            script_sources=" ".join(f"'sha256-{_hash(script)}'" for script in page_scripts()),
        )
    )
    return rendered


@functools.cache
def page_scripts() -> tuple[str, ...]:
    own = "".join(_source("templates", name) for name in _OWN)
    return (*(_source("vendor", name) for name in _LIBRARIES), own)


def _source(*place: str) -> str:
    return _HERE.joinpath(*place).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """Return the hash by which the page allows a script; one smuggled in by a journal has none."""
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
    environment.filters["counted"] = counted
    return environment


def _with_code(text: str, names: Iterable[str]) -> Any:
    """Escape a text, and mark these names in it as code."""
    import markupsafe  # noqa: PLC0415

    pattern = "|".join(re.escape(str(markupsafe.escape(plain(name)))) for name in names)
    safe = str(markupsafe.escape(text))
    marked = re.sub(rf"(?<!\w)({pattern})(?!\w)", r"<code>\1</code>", safe) if pattern else safe
    return markupsafe.Markup(marked)  # noqa: S704 - escaped above


def _first_screen(findings: RunFindings, document: Document) -> dict[str, Any]:
    """Return the words of the first screen; of a run of copies, those of their verdicts."""
    of_copies, answer = findings.run.header.races_copies, findings.answer
    answers, hidden = _answers(document.block("answer").table, findings)
    left_out = document.block("left_out")
    more_reasons = left_out.on_screen.hidden
    notes = [document.block(name).on_screen for name in ("warnings", "notes")]
    disturbed = conditions.neighbours(findings.run)  # beside the answer, above the other notes
    noise = [Line("noise", disturbed)] if disturbed and not of_copies else []
    also = [text for block in document.blocks if block.name == "also" for text in block.sentences]
    recommended = (answer, *findings.places.answers.values())
    return {
        "of_copies": of_copies,
        "headline": plain(document.answer, _HEADLINE),
        "names": () if of_copies else {each.strategy for each in recommended if each},
        "below": document.below,
        "words": " ".join(document.block("answer").sentences),
        "answers": answers,
        "hidden": hidden,
        "left_out": [*noise, *left_out.lines[: len(left_out.lines) - more_reasons]],
        "more_reasons": more_reasons,
        "notes": [
            *([Line("also", "; ".join(also))] if also else []),
            *(line for block in notes for line in block.lines),
        ],
        "has_prices": any(each.has_verdict for each in findings.answers.values()) and not of_copies,
        "several": answer is not None and answer.settings > 1,
        "bound": answer is not None and answer.price.is_bound,
    }


def _answers(table: Table | None, findings: RunFindings) -> tuple[Table | None, int]:
    """Return the table of the first screen, and how many rows the tables below alone have."""
    if not table:
        return None, 0
    if findings.run.header.races_copies:
        return replace(table, rows=table.rows[:ROWS]), max(len(table.rows) - ROWS, 0)
    return without_repetition(table, findings), 0


def _charts(findings: RunFindings) -> dict[str, Any]:
    """Return the charts for which the run has values, by their anchors, and what titles name."""
    rankings, has_chooser = findings.rankings, not findings.run.header.races_copies
    baselines = {ranking.baseline for ranking in rankings if ranking.baseline}
    baseline = plain(known_as(*baselines), NAME_LIMIT) if len(baselines) == 1 else "the baseline"
    size = "batch" if along([ranking.setting for ranking in rankings]) == "batch" else "length"
    drawn = {
        "speed-up": any(ranking.baseline and len(ranking.all_rows) > 1 for ranking in rankings),
        "time": rankings,
        "winners": findings.contests and has_chooser,  # to which its rows lead
        "first-call": findings.first_calls,
        "memory": findings.peak_bytes,
        "modes": findings.has_other_executions,
    }
    return {"charts": [*filter(drawn.get, drawn)], "baseline": baseline, "size": size}


def page_tables(findings: RunFindings, document: Document) -> Sequence[Table]:
    """Return the tables of the page that have a row: first that of copies, if the run has any."""
    copies = document.block("copies").table
    of_page = (
        *([copies] if copies else []),
        across_executions(execution_pairs(findings.run.measurements)),
        case_table.of_page(findings),
        _left_out(findings),
    )
    return [table for table in of_page if table.rows]


def across_executions(pairs: Sequence[ExecutionPair]) -> Table:
    """Return a row a pair: the time of the other execution over that of the usual one."""
    settings = (case.setting for pair in pairs for case in (pair.usual, pair.other))
    return Table(
        "across",
        "Each strategy beside itself, executed otherwise or in another precision",
        (
            Column("strategy", value=attrgetter("usual.strategy")),
            Column("axis"),
            Column("usual", value=lambda pair: pair.values[0]),
            Column("other", value=lambda pair: pair.values[1]),
            *axis_columns("usual.setting", shown_axes(pair.usual for pair in pairs)),
            number("ratio", "times as long", _times("value"), "{:.3f}".format),
            number("low", "from", _times("low"), "{:.3f}".format),
            number("high", "to", _times("high"), "{:.3f}".format),
            Column("verdict", value=attrgetter("comparison.verdict")),
        ),
        pairs,
        f"{conditions.modes(settings)}. Intervals are 95 %: the two are timed "
        "seconds apart, in processes of their own",
    )


def _times(name: str) -> Callable[[ExecutionPair], float]:
    return lambda pair: math.exp(getattr(pair.comparison, name))


def _left_out(findings: RunFindings) -> Table:
    end = Column("end", value=itemgetter(0))
    reason = Column("reason", value=itemgetter(1), limit=_REASON)
    rows = [*conditions.left_out_in_words(findings)]
    return Table("not_run", "What has no figure", (end, reason), rows)
