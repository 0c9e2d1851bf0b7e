"""The report as files: Markdown for people, CSV for programs."""

import csv
import io
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from timelift.analyse.findings import RunFindings
from timelift.analyse.runs.measurement import Measurement
from timelift.analyse.runs.records import fact
from timelift.analyse.stats.first_calls import FirstCall
from timelift.analyse.stats.rival import Rival
from timelift.case import AXES
from timelift.errors import UserError
from timelift.escape import NAME_LIMIT, csv_text, markdown
from timelift.journal import SHOWN
from timelift.present.table import Report, SettingTable

#: Numbers of a ranking, by column of `measurements.csv`; times in seconds.
RANKED = {
    "seconds_per_call": "seconds_per_call",
    "seconds_low": "seconds_low",
    "seconds_high": "seconds_high",
    "ratio": "ratio",
    "ratio_low": "low",
    "ratio_high": "high",
    "verdict": "verdict",
    "ties": "letters",
    "rank_low": "rank_low",
    "rank_high": "rank_high",
}
#: The ends of the 95 % interval of `first_call_seconds` over launches.
FIRST_CALL = ("first_call_low", "first_call_high")
#: The columns of a table with a row for each case.
COLUMNS = (
    *("strategy", *AXES, "status", "launches", *RANKED),
    *(*SHOWN, *FIRST_CALL, "reason", "differs"),
)


def write(path: Path, text: str) -> Path:
    """Write a file of the report; raises UserError where the folder does not allow it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise UserError(
            f"cannot write {str(path)!r}: {error.strerror}; name another folder with --output"
        ) from error
    return path


def markdown_report(report: Report, figures: Iterable[str] = ()) -> str:
    """Write the report as Markdown; `figures` are the names of pictures in the same folder."""
    head = [f"- **{label}:** {markdown(text)}" for label, text in report.head]
    pictures = [f"![{name}]({name})" for name in figures]
    warnings = [f"- warning: {markdown(text)}" for text in report.warnings]
    meanings = dict(report.meanings)
    names = [
        f"- **{markdown(name, NAME_LIMIT)}:** {markdown(_said(title, meanings.get(name)))}"
        for name, title in report.titles
    ]
    strategies = ["## strategies", "", *names] if names else []
    tables = map(_setting, report.tables)
    blocks = [["# timelift report"], head, warnings, pictures, *tables, strategies]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _said(title: str, meaning: str | None) -> str:
    return f"{title}. Means: {meaning}" if meaning else title


def _setting(table: SettingTable) -> list[str]:
    lines = [f"## {markdown(table.setting.label)}", ""]
    if table.columns:
        aligned = ["---", *["---:"] * (len(table.columns) - 1)]
        rows = zip(*(column.cells for column in table.columns), strict=True)
        lines += [_row(column.title for column in table.columns), f"| {' | '.join(aligned)} |"]
        lines += [*map(_row, rows), ""]
    return [*lines, *(f"- {markdown(note)}" for note in table.notes)]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(markdown(cell, NAME_LIMIT) for cell in cells)} |"


def csv_report(found: RunFindings) -> str:
    """Write one row a case: its axes, its rank, its facts, its status and why."""
    ranked = {row.case: row for ranking in found.rankings for row in ranking.everyone}
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for one in found.run.measurements:
        row = _csv_row(one, ranked.get(one.case))
        row |= first_call_interval(found.first_calls.get(one.case))
        row["differs"] = found.look_alikes.get(one.case.strategy, "")
        writer.writerow({name: _csv_cell(value) for name, value in row.items()})
    return file.getvalue()


def _csv_row(measurement: Measurement, rival: Rival | None) -> dict[str, Any]:
    return {
        **measurement.case.fields(),
        "status": measurement.status,
        "launches": len(measurement.launches),
        **ranks(rival),
        **{name: fact(measurement, name) for name in SHOWN},
        "reason": measurement.reason,
    }


def ranks(rival: Rival | None) -> dict[str, Any]:
    """Return the columns of `RANKED`: None where nothing is known, and for the rank of no lift."""
    found = {name: getattr(rival, key, None) for name, key in RANKED.items()}
    return found if found["rank_low"] else found | dict.fromkeys(("rank_low", "rank_high"))


def first_call_interval(found: FirstCall | None) -> dict[str, float | None]:
    """Return the columns of `FIRST_CALL`; None where one launch alone tells of a first call."""
    ends = (math.nan, math.nan) if found is None else (found.low, found.high)
    return {
        name: None if math.isnan(end) else end for name, end in zip(FIRST_CALL, ends, strict=True)
    }


def _csv_cell(value: object) -> object:
    if isinstance(value, str):
        return csv_text(value)
    if isinstance(value, float):
        return "" if math.isnan(value) else int(value) if value.is_integer() else value
    return value
