"""The answer on the page of a GitHub Actions run: Markdown appended to the step's summary file.

It needs no token: any step may write the file that GITHUB_STEP_SUMMARY names.
Source: https://docs.github.com/actions/using-workflows/workflow-commands-for-github-actions
#adding-a-job-summary; a summary of more than 1,024 KiB a step is not shown at all.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from timelift.errors import UserError
from timelift.escape import markdown
from timelift.present.report import Report, SettingTable
from timelift.present.tables import markdown_lines

VARIABLE = "GITHUB_STEP_SUMMARY"
#: Bytes that GitHub shows of one step's summary.
LIMIT = 1 << 20
#: Columns of a table beyond this rank are left to the report.
_RANK = 2
_CUT = (
    "\n\nThe summary ends here, since GitHub shows no more than 1 MiB; the report has the rest.\n"
)


def append(text: str, path: Path) -> str:
    """Append a text to the step's summary; return where it went, in words.

    Raises UserError where the file cannot be written.
    """
    try:
        before = path.stat().st_size if path.exists() else 0
        with path.open("ab") as file:
            file.write(shortened(text, LIMIT - before))
    except OSError as error:
        raise UserError(
            f"cannot write the summary {str(path)!r}: {error.strerror}; "
            f"make the file that {VARIABLE} names writable, or leave out --github-summary"
        ) from error
    return "the answer is in the summary of this GitHub Actions step"


def file_of(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the file of the step's summary; raises UserError where the variable is unset."""
    name = environment.get(VARIABLE)
    if not name:
        raise UserError(
            f"expected {VARIABLE} to name a file, found it unset; GitHub Actions sets it in every "
            "step, so use --github-summary there"
        )
    return Path(name)


def summary(answers: Sequence[str], trusted: str, report: Report | None) -> str:
    """Return the answers, how far to trust them, and a short table of every setting."""
    top = ["## timelift", "", *(f"- {markdown(one)}" for one in answers)]
    lines = [*top, "", f"**trust:** {markdown(trusted)}", ""]
    return "\n".join([*lines, *(_tables(report) if report else ()), ""])


def _tables(found: Report) -> Iterator[str]:
    for table in found.tables:
        yield from _table(table)


def _table(found: SettingTable) -> Iterator[str]:
    yield f"### {markdown(found.setting.label)}"
    yield ""
    if found.table:
        yield from markdown_lines(found.table.up_to(_RANK))
        yield ""


def shortened(text: str, room: int) -> bytes:
    """Return the text in so many bytes, cut at the end of a line, with a sentence on the cut."""
    whole = text.encode(errors="replace")
    if len(whole) <= room:
        return whole
    cut = _CUT.encode()
    kept = whole[: max(0, room - len(cut))]
    return kept[: kept.rfind(b"\n") + 1].rstrip(b"\n") + cut if room >= len(cut) else b""
