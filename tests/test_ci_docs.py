"""docs/ci.md: what it tells people to paste exists, and asks for no more rights than it says."""

import re

import pytest

from tests.typed import BEGINS, ROOT, is_pytest, options, parse, pytest_options
from tests.typed import commands as typed
from timelift.commands.init import TEMPLATES
from timelift.commands.table import COMMANDS, parser

TEXT = (ROOT / "docs" / "ci.md").read_text()
BLOCKS = re.findall(r"^```(?:yaml|console)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(rf"(?:^\$ |run: |^ +- )({BEGINS} .*)$", re.MULTILINE)


def commands(text=None):
    """Every command of ours in the code blocks, as words."""
    return [words for block in ([text] if text else BLOCKS) for words in typed(block, _COMMAND)]


def test_every_option_of_pytest_exists():
    asked = set().union(*(options(words) for words in commands() if is_pytest(words)))
    assert {"--against", "--gate", "--junitxml", "--budget"} <= asked
    assert asked <= pytest_options()


def test_the_check_of_options_can_fail():
    (words,) = commands("$ timelift bench --agianst origin/main")
    assert not options(words) <= pytest_options()


def test_options_named_in_a_sentence_exist_too():
    named = set(re.findall(r"`(--[a-z-]+)", TEXT))
    parsers = " ".join(parser(name).format_help() for name in COMMANDS)
    assert named <= pytest_options() | set(re.findall(r"--[a-z-]+", parsers))


def test_every_command_of_reading_parses():
    named = {parse(words) for words in commands() if not is_pytest(words)}
    assert named == {"report", "compare"}


def test_a_command_that_does_not_parse_is_seen():
    (words,) = commands("      - run: timelift compare main --stricct")
    with pytest.raises(SystemExit):
        parse(words)


def test_the_workflow_is_the_one_that_init_writes():
    assert BLOCKS[1] == (TEMPLATES / "workflow.yml").read_text(encoding="utf-8")


def test_the_workflow_needs_no_secret():
    workflow = BLOCKS[1]
    assert "permissions:\n  contents: read\n" in workflow
    assert "secrets." not in TEXT
    assert "pull_request_target:" not in workflow
    assert "write" not in workflow
    assert workflow.count("persist-credentials: false") == workflow.count("actions/checkout@")
    assert "${{ github.head_ref" not in workflow
    assert "\t" not in TEXT
