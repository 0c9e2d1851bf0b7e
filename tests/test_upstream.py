"""Every reproduction of docs/upstream.md does what the page says, and its patches apply."""

import shutil
import subprocess
from importlib import metadata, util

import pytest

from tests.support.projects import ROOT
from tests.support.reproductions import blocks_of, is_as_said, printed, printed_by
from timelift.axis_values import Backend

PAGE = (ROOT / "docs" / "upstream.md").read_text(encoding="utf-8")
BLOCKS = blocks_of(PAGE)
KERAS = metadata.distribution("keras")
of_its_keras = pytest.mark.skipif(f"Keras {KERAS.version}," not in PAGE, reason="another Keras")


@pytest.mark.whole
@of_its_keras
@pytest.mark.parametrize("backend", [*filter(util.find_spec, Backend)])
def test_reproductions_print_what_the_page_says(backend):
    told = printed_by(backend, BLOCKS)
    assert [(end, text) for end, text in told if not is_as_said(end, text)] == []


def test_all_blocks_are_found_and_what_they_print_is_compared():
    assert len(BLOCKS) == PAGE.count("```python")
    assert is_as_said("# 1\n# KeyError\n", printed("print(1)\nraise KeyError"))
    assert not is_as_said("# 1\n# KeyError\n", printed("print(1)"))


@of_its_keras
@pytest.mark.skipif(not shutil.which("patch"), reason="there is no `patch`")
@pytest.mark.parametrize("name", ["time_distributed", "remat_noise", "time_distributed_int8"])
def test_a_patch_applies_to_keras(name):
    words = ["patch", "-p1", "--dry-run", "--input", ROOT / "docs" / "upstream" / f"{name}.diff"]
    subprocess.run(words, cwd=KERAS.locate_file(""), check=True)
