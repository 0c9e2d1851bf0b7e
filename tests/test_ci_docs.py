"""docs/ci.md: what it tells people to paste exists, and asks for no more rights than it says."""

import re
from pathlib import Path

import pytest

import report
from tests.typed import commands as typed
from tests.typed import options, pytest_options
from timelift import cli
from timelift.cli import COMMANDS, DEFAULT
from timelift.present.exports import FORMATS

ROOT = Path(report.__file__).parent
TEXT = (ROOT / "docs" / "ci.md").read_text()
BLOCKS = re.findall(r"^```(?:yaml|console)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(
    r"(?:^\$ |run: |^ +- )((?:pytest bench/|python report\.py) .*)$", re.MULTILINE
)


def commands(text=None):
    """Every command of ours in the code blocks, as words."""
    return [words for block in ([text] if text else BLOCKS) for words in typed(block, _COMMAND)]


def test_every_option_of_pytest_exists():
    """Of those that a workflow names."""
    asked = set().union(*(options(words) for words in commands() if words[0] == "pytest"))
    assert {"--against", "--gate", "--junitxml", "--budget"} <= asked
    assert asked <= pytest_options()


def test_the_check_of_options_can_fail():
    """A typo is seen."""
    (words,) = commands("$ pytest bench/ --agianst origin/main")
    assert not options(words) <= pytest_options()


def test_options_named_in_a_sentence_exist_too():
    """Whatever stands in backticks."""
    named = set(re.findall(r"`(--[a-z-]+)", TEXT))
    parsers = " ".join(cli.parser(name).format_help() for name in COMMANDS)
    assert named <= pytest_options() | set(re.findall(r"--[a-z-]+", parsers))


def test_every_command_of_report_parses():
    """With its arguments."""
    asked = [words[2:] for words in commands() if words[0] == "python"]
    assert {words[0] for words in asked if words[0] in COMMANDS} == {
        "compare",
        "baseline",
        "export",
    }
    assert ["latest", "--github-summary"] in asked
    for words in asked:
        name = words.pop(0) if words[0] in COMMANDS else DEFAULT
        cli.parser(name).parse_args(words)


def test_a_command_that_does_not_parse_is_seen():
    """By argparse."""
    (words,) = commands("      - run: python report.py compare main --stricct")
    with pytest.raises(SystemExit):
        cli.parser(words[2]).parse_args(words[3:])


def test_every_format_is_named():
    """So that nobody has to guess."""
    assert all(name in TEXT for name in FORMATS)


def test_the_workflow_needs_no_secret():
    """A pull request from a fork can neither read nor write anything with it."""
    workflow = BLOCKS[1]
    assert "permissions:\n  contents: read\n" in workflow
    assert "secrets." not in TEXT
    assert "pull_request_target:" not in workflow
    assert "write" not in workflow
    assert workflow.count("persist-credentials: false") == workflow.count("actions/checkout@")
    assert "${{ github.head_ref" not in workflow
    assert "\t" not in TEXT


def test_the_yaml_parses():
    """Where a parser is installed."""
    yaml = pytest.importorskip("yaml")
    workflow, pipeline = (
        yaml.safe_load(block) for block in BLOCKS if block.startswith(("name: ", "benchmarks:"))
    )
    assert workflow["jobs"]["gate"]["steps"][0]["with"]["fetch-depth"] == 0
    assert workflow["permissions"] == {"contents": "read"}
    assert pipeline["benchmarks"]["variables"]["GIT_DEPTH"] == "0"
