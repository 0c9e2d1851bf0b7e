"""The page in a real browser: it sorts, filters, fits a phone, and runs no script but its own."""

import json
import re
import shutil
import subprocess
from html import escape

import pytest

from tests import journals
from tests.pages import FEW, HOSTILE, made

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update --hide-scrollbars "
    "--enable-logging=stderr --virtual-time-budget=5000"
).split()
DARK = "--blink-settings=preferredColorScheme=0"

#: What the tests do on the page; it writes what it saw into the page's title.
ASK = """
const seen = {};
const sheet = document.querySelector("#table-measurements");
const shown = (place) => [...sheet.querySelectorAll("tbody tr")]
  .filter((row) => !row.hidden).map((row) => row.cells[place].textContent.trim());
const heads = [...sheet.querySelectorAll("th")];
const titles = heads.map((head) => head.textContent);
const time = titles.findIndex((title) => title.startsWith("time"));
const press = (place) => heads[place].querySelector("button").click();
const sorts = () => heads.map((head) => head.getAttribute("aria-sort"));
const numbers = () => shown(time).map((text) => Number(text.replace(/,/g, "")));
press(time); seen.up = numbers(); seen.sorts = sorts();
press(time); seen.down = numbers(); seen.again = sorts();
press(0); seen.names = shown(0);
const field = sheet.querySelector("input[type=search]");
field.value = "SLICE"; field.dispatchEvent(new Event("input"));
seen.filtered = shown(0); seen.count = sheet.querySelector("output").textContent;
const phase = sheet.querySelectorAll("select");
const chosen = [...phase].find((one) => [...one.options].some((o) => o.text === "backward"));
chosen.value = "backward"; chosen.dispatchEvent(new Event("input"));
seen.both = sheet.querySelector("output").textContent;
seen.labels = [...document.querySelectorAll("input,select")].every((one) => one.labels.length);
seen.hidden = getComputedStyle(sheet.querySelector(".filters")).display;
seen.wide = [innerWidth, document.documentElement.scrollWidth];
seen.paper = getComputedStyle(document.body).backgroundColor;
seen.line = getComputedStyle(document.querySelector("#winners svg text")).fill;
const focusable = [...document.querySelectorAll("button,a[href],input,select,[tabindex]")];
seen.reachable = focusable.every((one) => one.tabIndex >= 0);
top.document.title = JSON.stringify(seen);
"""


def browse(html, folder, *flags):
    """The page after its scripts ran, as HTML, and what the console said."""
    path = folder / "browsed.html"
    path.write_text(html)
    profile = folder / "profile"
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", *flags, "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, "\n".join(console)


def asked(html, folder, *flags, width=1200):
    """What `ASK` saw on a copy of the page whose policy allows that one more script.

    The copy is in a frame of this width, since a window has a least one.
    """
    copy = re.sub(r"script-src '[^']*'", "script-src 'unsafe-inline'", html)
    copy = copy.replace("</body>", f"<script>{ASK}</script></body>")
    frame = f'<iframe width="{width}" height="844" style="border:0" srcdoc="{escape(copy)}">'
    dom, console = browse(f"<!doctype html><title></title>{frame}</iframe>", folder, *flags)
    assert console == ""
    title = re.findall(r"<title>(.*?)</title>", dom)[0]
    return json.loads(title.replace("&amp;", "&"))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of a small run."""
    folder = tmp_path_factory.mktemp("page")
    records = journals.campaign(journals.grid((*FEW, "x" * 60)))
    return made(folder, journals.header(), *records, journals.END)


def test_a_heading_sorts_and_says_so_and_filters_count(page, tmp_path):
    """Up, then down; by name; by a part of a name in any case, and by an axis as well."""
    seen = asked(page, tmp_path)
    assert seen["up"] == sorted(seen["up"])
    assert len(seen["up"]) == 16
    assert seen["down"] == seen["up"][::-1] != seen["up"]
    assert (seen["sorts"].count("ascending"), seen["again"].count("descending")) == (1, 1)
    assert seen["names"] == sorted(seen["names"])
    assert seen["filtered"] == ["loop_slice"] * 4
    assert seen["count"] == "4 of 16 rows"
    assert seen["both"] == "2 of 16 rows"
    assert seen["labels"]
    assert seen["reachable"]
    assert seen["hidden"] == "flex"


def test_a_phone_scrolls_the_page_in_one_direction_only(page, tmp_path):
    """Wide figures and tables scroll inside themselves; a wide element is noticed."""
    width, needed = asked(page, tmp_path, width=390)["wide"]
    assert (width, needed) == (390, 390)
    wide = page.replace("<main>", '<main><div style="width:50rem">x</div>')
    width, needed = asked(wide, tmp_path, width=390)["wide"]
    assert needed > width


def test_figures_and_page_are_dark_where_the_reader_is(page, tmp_path):
    """The text of a figure is light on dark, and dark on light."""
    light = asked(page, tmp_path, "--blink-settings=preferredColorScheme=1")
    dark = asked(page, tmp_path, DARK)
    assert (light["paper"], light["line"]) == ("rgb(255, 255, 255)", "rgb(87, 96, 106)")
    assert (dark["paper"], dark["line"]) == ("rgb(20, 23, 26)", "rgb(163, 172, 181)")


def test_the_console_is_silent_and_smuggled_scripts_do_not_run(page, tmp_path):
    """Hostile names do nothing; a script that got in somehow is refused by the policy, and said."""
    cases = journals.grid(HOSTILE)
    hostile = made(tmp_path, journals.header(), *journals.campaign(cases), journals.END)
    assert browse(hostile, tmp_path)[1] == ""
    smuggled = page.replace("</body>", "<script>document.title = 'owned'</script></body>")
    dom, console = browse(smuggled, tmp_path)
    assert "<title>owned" not in dom
    assert "Content Security Policy" in console


def test_without_a_script_the_tables_are_whole(page, tmp_path):
    """And no filter that does nothing is shown."""
    bare = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    dom, _ = browse(bare, tmp_path)
    assert dom.count("<tr>") >= 16
    assert 'class="filters" role="group"' in dom
    assert not re.findall(r'<div class="filters"[^>]*(?<!hidden="")>', dom)
