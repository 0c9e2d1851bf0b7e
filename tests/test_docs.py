"""README and docs: what they tell people to type exists, and their links lead somewhere."""

import re

import pytest

from tests.typed import BEGINS, ROOT, commands, is_pytest, options, parse, pytest_options
from timelift.commands.init import TEMPLATES

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TO_TYPE = {path.name: path.read_text(encoding="utf-8") for path in PAGES}
#: Behind a prompt, perhaps over several lines, or a step of a pipeline.
_TYPED = re.compile(rf"^(?:\$ | +(?:- run: |- ))({BEGINS}(?: .*|$)(?:(?<=\\)\n.*)*)", re.MULTILINE)
TYPED = [words for text in TO_TYPE.values() for words in commands(text, _TYPED)]


def broken_links(text, folder):
    """The relative links of a page to files that are not there."""
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    return [one for one in links if "://" not in one and not (folder / one).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_of_a_page_lead_to_a_file(page):
    assert broken_links(page.read_text(encoding="utf-8"), page.parent) == []


def test_a_broken_link_is_seen():
    text = "[a](README.md#b) ![c](docs/gone.png) [d](https://example.com)"
    assert broken_links(text, ROOT) == ["docs/gone.png"]


def test_options_of_pytest_in_the_docs_exist():
    asked = set().union(*map(options, filter(is_pytest, TYPED)))
    assert {"--layer", "--against", "--inputs"} <= asked
    assert asked - pytest_options() == set()


def test_commands_of_reading_in_the_docs_parse():
    named = {parse(words) for words in TYPED if not is_pytest(words)}
    assert {"choose", "bisect", "compare"} <= named


def test_a_mistyped_command_is_seen():
    text = "$ timelift bench --lengts skewed # why\n$ python report.py chose \\\n  -x\n"
    text += "$ timelift compare"
    first, second, third = commands(text, _TYPED)
    assert is_pytest(first)
    assert not options(first) <= pytest_options()
    assert first == ["timelift", "bench", "--lengts", "skewed"]
    assert second == ["python", "report.py", "chose", "-x"]
    for words in (second, third):
        with pytest.raises(SystemExit):
            parse(words)


def test_the_workflow_in_the_docs_is_the_one_that_init_writes_and_needs_no_secret():
    text = TO_TYPE["ci.md"]
    workflow = (TEMPLATES / "workflow.yml").read_text(encoding="utf-8")
    assert f"```yaml\n{workflow}```" in text
    assert "permissions:\n  contents: read\n" in workflow
    assert "secrets." not in text
    assert "pull_request_target:" not in workflow
    assert "write" not in workflow
    assert workflow.count("persist-credentials: false") == workflow.count("actions/checkout@")
    assert "${{ github.head_ref" not in workflow


def test_the_readme_fits_two_screens_and_opens_with_the_answer():
    text = TO_TYPE["README.md"]
    assert text.count("\n") <= 100
    places = [
        text.index(one) for one in ("docs/images/speed_up.png", "$ make bench", "$ make test")
    ]
    assert places == sorted(places)
    assert text[: places[-1]].count("\n") < 20
