"""Each page of docs/symptoms shows its fault and what to write instead, and both are true.

The model of docs/tutorial.md runs beside them.
"""

from importlib import util

import pytest

from tests.support.projects import ROOT
from tests.support.reproductions import blocks_of, is_as_said, printed_by
from timelift.axis_values import Backend

FOLDER = ROOT / "docs" / "symptoms"
INDEX = (FOLDER / "index.md").read_text("utf-8")
PAGES = {
    path.stem: path.read_text("utf-8")
    for path in sorted(FOLDER.glob("*.md"))
    if path.stem != "index"
}
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text("utf-8")
BLOCKS = [block for page in (*PAGES.values(), TUTORIAL) for block in blocks_of(page)]


@pytest.mark.parametrize(
    "backend",
    [
        pytest.param(one, marks=[] if one is Backend.TENSORFLOW else [pytest.mark.whole])
        for one in filter(util.find_spec, Backend)
    ],
)
def test_what_a_page_shows_is_so(backend):
    told = printed_by(backend, BLOCKS)
    assert [(end, text) for end, text in told if not is_as_said(end, text)] == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_a_symptom_a_reason_what_to_write_and_a_command(name):
    page = PAGES[name]
    assert page.count("```python") == len(blocks_of(page)) >= 1
    assert page.index("# ") < page.index("Why: ") < page.index("Write ") < page.index("`timelift ")
    assert f"]({name}.md)" in INDEX
