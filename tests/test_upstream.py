"""Every reproduction of docs/upstream.md does what the page says, and its patches apply."""

import contextlib
import importlib.metadata
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.projects import ROOT
from timelift.case import Backend

PAGE = (ROOT / "docs" / "upstream.md").read_text(encoding="utf-8")
BLOCK = re.compile(
    r"```python\n# (?P<backends>.+)\n(?P<code>(?s:.*?))(?P<end>(?:^# .*\n)+)```", re.MULTILINE
)
BLOCKS = [match.groupdict() for match in BLOCK.finditer(PAGE)]

is_its_keras = f"Keras {importlib.metadata.version('keras')}," in PAGE
of_its_keras = pytest.mark.skipif(not is_its_keras, reason="the page is of another Keras")


def printed(code):
    """What a block prints, and its error's message."""
    with contextlib.redirect_stdout(io.StringIO()) as lines:
        try:
            exec(code, {})  # noqa: S102
        except Exception as error:  # noqa: BLE001
            return f"{lines.getvalue()}{type(error).__name__} {error}"
    return lines.getvalue()


def is_as_said(block, text):
    """True if the lines at the end of a block come one after another in what it printed."""
    lines = (re.escape(line.removeprefix("# ")) for line in block["end"].splitlines())
    return re.search(".*".join(lines), text, re.DOTALL) is not None


@pytest.mark.whole
@of_its_keras
@pytest.mark.parametrize("backend", Backend)
def test_reproductions_print_what_the_page_says(backend):
    pytest.importorskip(backend)
    blocks = [one for one in BLOCKS if backend in one["backends"] or one["backends"] == "all"]
    program = "import json, sys; from tests.test_upstream import printed\n"
    program += "print(json.dumps([*map(printed, json.load(sys.stdin))]))"
    asked = json.dumps([one["code"] for one in blocks])
    words, environment = [sys.executable, "-c", program], os.environ | {"KERAS_BACKEND": backend}
    done = subprocess.run(  # noqa: PLW1510
        words, input=asked, env=environment, capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    texts = json.loads(done.stdout.splitlines()[-1])
    pairs = zip(blocks, texts, strict=True)
    assert [(one["code"], text) for one, text in pairs if not is_as_said(one, text)] == []


def test_what_a_block_prints_is_compared():
    block = {"end": "# 1\n# UnexpectedTracerError\n"}
    assert is_as_said(block, printed("print(1)\nraise ValueError('UnexpectedTracerError: x')"))
    assert not is_as_said(block, printed("print(1)"))


def test_reproductions_are_short_and_all_are_found():
    assert len(BLOCKS) == PAGE.count("```python")
    assert max(one["code"].count("\n") + 1 for one in BLOCKS) <= 10


@of_its_keras
@pytest.mark.skipif(not shutil.which("patch"), reason="there is no `patch`")
@pytest.mark.parametrize("name", ["time_distributed", "remat_noise"])
def test_a_patch_applies_to_keras(name):
    folder = Path(str(importlib.metadata.distribution("keras").locate_file("")))
    diff = ROOT / "docs" / "upstream" / f"{name}.diff"
    words = ["patch", "-p1", "--dry-run", "--directory", folder, "--input", diff]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
