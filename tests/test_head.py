"""The head of a report, and nothing in it that the file did not say."""

from pathlib import Path
from typing import Any

import pytest

from tests import journals
from timelift.analyse.findings import RunFindings
from timelift.analyse.runs import results
from timelift.analyse.runs.measurement import Run
from timelift.present.report import report


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"machine": {}}, "machine"),
        ({"machine": {"identity": {"cpu": {"deep": []}}}}, "machine"),
        ({"commit": {"id": None, "dirty": True}}, "commit"),
        ({"command": []}, "command"),
    ],
)
def test_the_head_leaves_out_what_the_file_does_not_tell(
    tmp_path: Path, changes: dict[str, Any], missing: str
) -> None:
    """Nothing reads None, and nesting is no error."""
    whole = dict(report(RunFindings(_with_header(tmp_path), given=[])).head)
    poor = dict(report(RunFindings(_with_header(tmp_path, **changes), given=[])).head)
    assert missing in whole
    assert missing not in poor


def _with_header(folder: Path, **changes: Any) -> Run:
    header = journals.header(**changes)
    return results.load(journals.write(folder / "run", header, journals.line(journals.case())))


def test_the_head_says_when_a_run_is_incomplete_and_a_commit_dirty(tmp_path: Path) -> None:
    """Two things that a reader must know first."""
    run = _with_header(tmp_path, commit={"id": "ab", "dirty": True})
    head = dict(report(RunFindings(run, given=[])).head)
    assert head["state"].startswith("incomplete")
    assert head["commit"] == "ab with uncommitted changes"
