"""Draw the README's pictures: `.venv/bin/python docs/images/draw.py` after `make bench`.

`advise.svg` is what `timelift advise` prints of an example; `page.png` is the top of the report's
page of the last run, by Chromium, and `speed_up.png` a figure beside it.
"""

import re
import shutil
import subprocess
import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME
from rich.text import Text

IMAGES = Path(__file__).resolve().parent
ROOT = IMAGES.parents[1]
REPORT = ROOT / "results" / "report"
#: What the README tells to type.
ADVISE = ["timelift", "advise", "examples/letters.py:make_model"]


def draw_terminal(typed: list[str], printed: str, path: Path) -> None:
    """Write a terminal as an SVG that loads nothing."""
    lines = [f"$ {' '.join(typed)}", *printed.split("\n")]
    console = Console(record=True, width=max(map(len, lines)) + 1, file=StringIO())
    for line in lines:
        console.print(Text(line, style="bold" if line == lines[0] else ""), soft_wrap=True)
    svg = console.export_svg(title="", theme=DEFAULT_TERMINAL_THEME)
    path.write_text(re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL), encoding="utf-8")


def draw_page(path: Path) -> None:
    browser = shutil.which("chromium") or "chromium-browser"
    flags = ["--headless", "--no-sandbox", "--hide-scrollbars", "--window-size=1100,900"]
    page = (REPORT / "index.html").as_uri()
    subprocess.run([browser, *flags, f"--screenshot={path}", page], check=True)


if __name__ == "__main__":
    told = subprocess.run(
        [sys.executable, "-m", *ADVISE], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    answer = told.stdout.partition("\n--code")[0]  # hints come after it
    draw_terminal(ADVISE, answer.rstrip(), IMAGES / "advise.svg")
    draw_page(IMAGES / "page.png")
    shutil.copy(REPORT / "figures" / "speed_up.png", IMAGES)
