"""Code of a page that shows a fault, and what comes of it.

A block begins with its backends, and ends with what it prints or raises.
"""

import contextlib
import io
import json
import re
import subprocess
import sys

from tests.support.projects import ROOT

_BLOCK = re.compile(r"(?m)^```python\n# (.+)\n((?s:.*?))((?:^# .*\n)+)```")


def blocks_of(page):
    """Backends, code and end of each block of a page."""
    return _BLOCK.findall(page)


def printed(code):
    with contextlib.redirect_stdout(io.StringIO()) as lines:
        try:
            exec(code, {})  # noqa: S102
        except Exception as error:  # noqa: BLE001
            return f"{lines.getvalue()}{type(error).__name__} {error}"
    return lines.getvalue()


def printed_by(backend, blocks):
    """What the blocks of a backend print in one process, each with its end."""
    codes, ends = zip(*(rest for on, *rest in blocks if on == "all" or backend in on), strict=True)
    program = "import json, sys; from tests.support.reproductions import printed\n"
    program += "sys.path.append('strategies')\n"  # as if pages were pasted beside the code
    program += "json.dump([*map(printed, json.loads(sys.argv[1]))], sys.stdout)"
    words = ["env", f"KERAS_BACKEND={backend}", sys.executable, "-c", program, json.dumps(codes)]
    return [*zip(ends, json.loads(subprocess.check_output(words, cwd=ROOT)), strict=True)]


def is_as_said(end, text):
    return re.search("(?s)" + ".*".join(map(re.escape, re.findall("(?m)^# (.*)", end))), text)
