"""Workflows, ours and those that `init` writes: their rights, and the comment on a pull request."""

import io
import json
import re
import textwrap
import zipfile
from types import SimpleNamespace
from unittest import mock

import pytest
from markdown_it import MarkdownIt

from tests.support.projects import ROOT
from timelift.commands.init import TEMPLATES

OURS = sorted((ROOT / ".github/workflows").glob("*.yml"))
WORKFLOWS = {
    path.name: path.read_text(encoding="utf-8") for path in [*OURS, *TEMPLATES.glob("*.yml")]
}
GATE, COMMENT = WORKFLOWS["workflow.yml"], WORKFLOWS["comment.yml"]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_needs_no_secret_and_runs_no_action_that_may_change(name):
    text = WORKFLOWS[name]
    assert re.search(r"^permissions:(?: \{\}|\n  contents: read)\n", text, re.MULTILINE)
    assert "secrets." not in text
    assert "pull_request_target:" not in text
    assert text.count("persist-credentials: false") == text.count("actions/checkout@")
    assert all(re.match(r"\S+@[0-9a-f]{40} # v\d", one) for one in re.findall(r"uses: (.*)", text))
    assert "${{" not in "".join(re.findall(r"run: (.*)", text))


def test_only_the_workflow_that_comments_may_write_and_it_checks_nothing_out():
    assert "write" not in GATE
    assert re.findall(r"(\S+): write", COMMENT) == ["pull-requests"]
    assert "uses:" not in COMMENT
    assert "${{" not in COMMENT.partition("run: |")[2]
    assert "name: timelift\n" in GATE
    assert "workflows: [timelift]\n" in COMMENT


SCRIPT = compile(textwrap.dedent(COMMENT.partition("run: |\n")[2]), "comment.yml", "exec")
REPORT = (ROOT / "tests/golden/said/report-against/report.md").read_text(encoding="utf-8")
MARK = "<!-- timelift: the gate's report -->\n"
HEAD = f"{MARK}**timelift**: [failure](https://example.com/run) of abc\n\n"
BOT = {"login": "github-actions[bot]"}
FORK = {"id": 7, "owner": {"login": "stranger"}}
RUN = {
    "id": 11,
    "conclusion": "failure",
    "html_url": "https://example.com/run",
    "head_sha": "abc",
    "head_branch": "b & c",
    "head_repository": FORK,
}
PULL = {"number": 5, "head": {"sha": "abc", "repo": FORK}}


def markdown():
    return MarkdownIt("commonmark").enable("table")


def packed(text):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("report.md", text)
    return file.getvalue()


@pytest.fixture
def commented(tmp_path, monkeypatch):
    """Run the script where GitHub has these; return what it wrote: how, where, and the text."""

    def run(report=REPORT, comments=(), pulls=(PULL,), event=RUN, size=1):
        (tmp_path / "event.json").write_text(json.dumps({"workflow_run": event}))
        older = {"id": 2, "expired": True, "size_in_bytes": 1}
        one = {"id": 3, "expired": False, "size_in_bytes": size}
        has = {
            "pulls": list(pulls),
            "issues/5/comments": [[], list(comments)],
            "actions/runs/11/artifacts": {"artifacts": [] if report is None else [one, older]},
        }
        wrote = []

        def gh(words, *, input=None, **_):  # noqa: A002
            path = words[2].removeprefix("repos/us/ours/").partition("?")[0]
            if input:
                how = words[words.index("--method") + 1]
                wrote.append((how, path, json.loads(input)["body"]))
            zipped = path == "actions/artifacts/3/zip"
            return SimpleNamespace(stdout=packed(report) if zipped else json.dumps(has.get(path)))

        with mock.patch("subprocess.run", gh):
            exec(SCRIPT, {})  # noqa: S102
        return wrote

    monkeypatch.setenv("GITHUB_EVENT_PATH", str(tmp_path / "event.json"))
    monkeypatch.setenv("GITHUB_REPOSITORY", "us/ours")
    return run


def test_the_gate_s_report_becomes_a_comment(commented):
    [(how, where, body)] = commented()
    assert (how, where) == ("POST", "issues/5/comments")
    assert body.startswith(f"{HEAD}- `2 of 4 cases fail")
    html = markdown().render(body)
    assert "7.9 % slower than main [+7.2 %, +8.5 %], 5 launches" in html
    assert html.count("<td><code>native@main</code></td>") == 1
    assert html.count("<tr>") == REPORT.count("\n|") - 1
    assert body.count("<details>") == body.count("</details>") == 1


@pytest.mark.parametrize(("report", "says"), [(REPORT, "every case"), (None, "it left no report")])
def test_a_later_run_edits_the_comment_of_the_first(commented, report, says):
    others = [
        {"id": 1, "user": {"login": "stranger"}, "body": MARK},
        {"id": 2, "user": BOT, "body": f"coverage\n{MARK}"},
        {"id": 4, "user": None, "body": ""},
    ]
    comments = [*others, {"id": 8, "user": BOT, "body": MARK}]
    [(how, where, body)] = commented(report, comments)
    assert (how, where) == ("PATCH", "issues/comments/8")
    assert says in body.lower()


@pytest.mark.parametrize(
    "changed",
    [
        {"pulls": []},
        {"pulls": [PULL | {"head": {"sha": "later", "repo": FORK}}]},
        {"pulls": [PULL | {"head": {"sha": "abc", "repo": {"id": 8}}}]},
        {"pulls": [PULL | {"head": {"sha": "abc", "repo": None}}]},
        {"event": RUN | {"head_repository": None}},
        {"report": None},
        {"size": 1_000_001},
    ],
)
def test_only_the_pull_request_of_the_run_is_commented_and_only_with_a_report(commented, changed):
    assert commented(**changed) == []


HOSTILE = (
    "@everyone #1 https://evil.example ![x](//evil.example/x.png) [x](javascript:x) <img src=x>"
    "</details><!-- --> `` ` ``` \\` \\\\` \\| &#64;all \u202e\u200b\x1b[31m $`x`$ :tada:"
)


@pytest.mark.parametrize(
    "report",
    [
        f"# timelift report\n\n{HOSTILE}\n\n- {HOSTILE}\n",
        f"# timelift report\n\n`{HOSTILE}\n\n- `{HOSTILE}\n- \n\n- **trust:** {HOSTILE}\n",
        f"| {HOSTILE} | b |\n| --- | --- |\n| <b> | {HOSTILE} |\n|{HOSTILE}",
        f"## a-b {HOSTILE}\n\n|{HOSTILE}|\n|---|\n|{HOSTILE}|\n## <c> -{HOSTILE}\n| <i>|",
        HOSTILE,
        f"\n<img src=x>\n```\n{HOSTILE}\n~~~\n    code\n|--- <img> |\n|\\|`|`|\n|:-:",
    ],
)
def test_nothing_in_a_report_is_more_than_code(commented, report):
    [(_, _, body)] = commented(report)
    assert body.startswith(HEAD)
    tokens = markdown().parse(body.removeprefix(HEAD))
    inline = [one for token in tokens for one in token.children or ()]
    tags = "".join(one.content for one in tokens + inline if one.type.startswith("html"))
    assert tags == "<details><summary>Every case</summary>\n</details>\n"
    assert {one.type for one in inline} <= {"code_inline", "text", "softbreak"}
    assert set("".join(one.content for one in inline if one.type == "text")) <= set("|:- ")
    assert all(one.isprintable() or one == "\n" for one in body)


def test_a_long_report_is_cut_short_at_a_line_s_end(commented):
    [(_, _, body)] = commented("## a-b\n" + "|a|b\\|c|\n" * 1_000_000)
    assert 50_000 < len(body) < 65_536
    assert body.endswith("|`a`|`b¦c`|\n\ncut short\n\n</details>\n")
