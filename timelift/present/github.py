"""The answer on the page of a GitHub Actions run: Markdown appended to the step's summary file.

It needs no token: any step may write the file that GITHUB_STEP_SUMMARY names.
Source: https://docs.github.com/actions/using-workflows/workflow-commands-for-github-actions
#adding-a-job-summary; a summary of more than 1,024 KiB a step is not shown at all.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from timelift.errors import UserError, writing
from timelift.escape import markdown
from timelift.present.report import Report
from timelift.present.summary import Summary
from timelift.present.tables import markdown_lines

VARIABLE = "GITHUB_STEP_SUMMARY"
WRITTEN = "the answer is in the summary of this GitHub Actions step"
#: Bytes that GitHub shows of one step's summary.
LIMIT = 1 << 20
#: Columns of a higher drop order are left to the report.
_DROP_ORDER = 2
_CUT = (
    "\n\nThe summary ends here, since GitHub shows no more than 1 MiB; the report has the rest.\n"
)


def append(text: str, environment: Mapping[str, str] = os.environ) -> None:
    """Append a text to the step's summary; raises UserError where that cannot be done."""
    name = environment.get(VARIABLE)
    if not name:
        raise UserError(
            f"expected {VARIABLE} to name a file, found it unset; GitHub Actions sets it in every "
            "step, so use --github-summary there"
        )
    path = Path(name)
    advice = f"make the file that {VARIABLE} names writable, or leave out --github-summary"
    with writing(path, advice):
        before = path.stat().st_size if path.exists() else 0
        with path.open("ab") as file:
            file.write(shortened(text, LIMIT - before))


def of_run(found: Summary, report: Report) -> str:
    """Return the summary that a terminal shows, and a short table of every setting."""
    table = [*markdown_lines(found.table), ""] if found.table.rows else []
    notes = [f"- **{label}:** {markdown(text)}" for label, text in found.notes]
    top = ["## timelift", "", markdown(found.top), "", *table, *notes, ""]
    return "\n".join([*top, *_tables(report), ""])


def of_copies(lines: Iterable[str], report: Report) -> str:
    """Return what a gate or a self-test found, and how far to trust it."""
    trusted = markdown(dict(report.head)["trust"])
    found = [f"- {markdown(one)}" for one in lines]
    return "\n".join(["## timelift", "", *found, "", f"**trust:** {trusted}", "", ""])


def _tables(report: Report) -> Iterator[str]:
    for one in report.tables:
        yield from (f"### {markdown(one.heading)}", "")
        if one.table:
            yield from (*markdown_lines(one.table.up_to(_DROP_ORDER)), "")
        else:
            yield from (*(f"- {markdown(note)}" for note in one.notes), "")


def shortened(text: str, room: int) -> bytes:
    """Return the text in so many bytes, cut at the end of a line, with a sentence on the cut."""
    whole = text.encode(errors="replace")
    if len(whole) <= room:
        return whole
    cut = _CUT.encode()
    kept = whole[: max(0, room - len(cut))]
    return kept[: kept.rfind(b"\n") + 1].rstrip(b"\n") + cut if room >= len(cut) else b""
