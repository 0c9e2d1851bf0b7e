"""Every reproduction of docs/upstream.md does what the page says, and its patches apply."""

import contextlib
import io
import json
import re
import shutil
import subprocess
import sys
from importlib import metadata, util

import pytest

from tests.support.projects import ROOT
from timelift.axis_values import Backend

PAGE = (ROOT / "docs" / "upstream.md").read_text(encoding="utf-8")
#: Backends, code, and what comes of it.
BLOCKS = re.findall(r"(?m)^```python\n# (.+)\n((?s:.*?))((?:^# .*\n)+)```", PAGE)
KERAS = metadata.distribution("keras")
of_its_keras = pytest.mark.skipif(f"Keras {KERAS.version}," not in PAGE, reason="another Keras")


def printed(code):
    with contextlib.redirect_stdout(io.StringIO()) as lines:
        try:
            exec(code, {})  # noqa: S102
        except Exception as error:  # noqa: BLE001
            return f"{lines.getvalue()}{type(error).__name__} {error}"
    return lines.getvalue()


def is_as_said(end, text):
    return re.search("(?s)" + ".*".join(map(re.escape, re.findall("(?m)^# (.*)", end))), text)


@pytest.mark.whole
@of_its_keras
@pytest.mark.parametrize("backend", [*filter(util.find_spec, Backend)])
def test_reproductions_print_what_the_page_says(backend):
    codes, ends = zip(*(rest for on, *rest in BLOCKS if on == "all" or backend in on), strict=True)
    program = "import json, sys; from tests.test_upstream import printed\n"
    program += "json.dump([*map(printed, json.loads(sys.argv[1]))], sys.stdout)"
    words = ["env", f"KERAS_BACKEND={backend}", sys.executable, "-c", program, json.dumps(codes)]
    texts = json.loads(subprocess.check_output(words, cwd=ROOT))
    assert all(map(is_as_said, ends, texts)), texts


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
