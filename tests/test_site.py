"""The site that `make docs` builds of docs/."""

import subprocess
import sys

import pytest

from tests.support.projects import ROOT
from tests.support.wheels import succeed


def built(top, out):
    """Build the pages below `top` as `make docs` does, without its sample of a report."""
    pytest.importorskip("sphinx")
    words = [sys.executable, "-m", "sphinx", "-q", "-W", "-n", "-D", "html_extra_path="]
    return subprocess.run(
        [*words, "-c", ROOT / "docs", top, out],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.whole
def test_the_site_is_built_with_every_command_and_symptom(tmp_path):
    assert built(ROOT, tmp_path).stderr == ""
    commands = (tmp_path / "docs" / "reference" / "commands.html").read_text(encoding="utf-8")
    for words in ("--first-call-limit", "--undecided", "exit codes:</p>", "  0  answered\n"):
        assert words in commands
    functions = (tmp_path / "docs" / "reference" / "functions.html").read_text(encoding="utf-8")
    assert "timelift.advise.notebook.advise" in functions
    assert len([*(tmp_path / "docs" / "symptoms").glob("*.html")]) == 11


@pytest.mark.whole
@pytest.mark.parametrize("link", ["gone.md", "#gone"])
def test_a_link_that_leads_nowhere_fails_the_site(tmp_path, link):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(f"# Pages\n\n[A link]({link})\n", encoding="utf-8")
    done = built(tmp_path, tmp_path / "site")
    assert done.returncode != 0
    assert "gone" in done.stderr


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no checkout of git")
def test_git_holds_no_page_but_templates():
    pages = succeed(["git", "ls-files", "*.html"], ROOT).splitlines()
    assert pages
    assert {page.split("/")[-2] for page in pages} == {"templates"}
