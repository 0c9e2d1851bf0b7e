"""Progress: lines that stay, a line that changes, and how long it takes."""

import io
import itertools
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from timelift.measure.campaign_options import CampaignOptions
from timelift.measure.launch import Limits
from timelift.measure.progress import Progress, State

ROOT = Path(__file__).parent.parent


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("seconds", "at_most", "words"),
    [
        (9.4, False, "x, about 9 s left\n"),
        (75, True, "x, at most 1 min 15 s left\n"),
        (-3, True, "x, at most 0 s left\n"),
        (math.inf, True, "x\n"),
    ],
)
def test_the_time_left_is_in_minutes_and_seconds(seconds, at_most, words):
    """And absent where it is not known."""
    stream = io.StringIO()
    Progress(stream).show("x", seconds, at_most=at_most)
    assert stream.getvalue() == f"timelift: {words}"


def test_a_log_is_not_flooded():
    """Elsewhere than on a terminal a stage is a line, and only now and then."""
    stream = io.StringIO()
    progress = Progress(stream)
    for _ in range(5):
        progress.show("x", 1, at_most=False)
    progress.say("what stays")
    assert stream.getvalue().count("\n") == 2
    assert stream.getvalue().endswith("timelift: what stays\n")


PLAN = CampaignOptions(3, 12, 0.1, 1, Limits(60, 120)).in_words(cases=40, settings=8)
STAGE = "launch 2: tokens-T128-B32-forward-graph: warming up native"


@pytest.fixture
def terminal(monkeypatch):
    """A terminal of 80 columns that can do everything."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    return Terminal()


def plain(written):
    """What was written, without the codes that colour and move."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written).replace("\r", "")


def last_drawn(stream, *said, seconds=75.0):
    """The lines of the display after these were said and one stage was shown."""
    progress = Progress(stream)
    for text in said:
        progress.say(text)
    start = len(stream.getvalue())
    progress.show(STAGE, seconds, at_most=False)
    drawn = plain(stream.getvalue()[start:])
    progress.done()
    return drawn.splitlines()


def test_a_terminal_shows_launch_setting_stage_time_and_what_is_undecided(terminal):
    """In three lines, whose numbers are those of the plan."""
    doubt = "undecided after 3 launches: 2 of 8 settings (a, b)"
    first, second, third = last_drawn(terminal, PLAN, doubt)
    assert first.endswith("launch 2 of 3, up to 12 where open · setting 1 of 8")
    assert second == "tokens-T128-B32-forward-graph  warming up native"
    assert third == "about 1 min 15 s left  undecided: 2 of 8 settings"


def test_what_stays_is_printed_above_the_display(terminal):
    """Whole, however long."""
    progress = Progress(terminal)
    progress.show(STAGE, 1, at_most=False)
    progress.say("x" * 300)
    assert f"timelift: {'x' * 300}\n" in plain(terminal.getvalue())
    progress.done()


@pytest.mark.parametrize("width", [10, 20, 40, 80, 200])
def test_a_narrow_terminal_cuts_lines_and_never_wraps_them(terminal, monkeypatch, width):
    """Each line of the display is one line of the terminal, so that it can be taken away."""
    monkeypatch.setenv("COLUMNS", str(width))
    drawn = last_drawn(terminal, PLAN, "undecided after 3 launches: 2 of 8 settings (a)")
    assert len(drawn) == 3
    assert max(map(len, drawn)) <= width


def test_the_display_leaves_nothing_behind_but_a_cursor(terminal):
    """As many lines are taken away as were drawn, and the cursor is there all the time."""
    progress = Progress(terminal)
    progress.show(STAGE, 1, at_most=False)
    hidden, shown = (terminal.getvalue().rfind(f"\x1b[?25{end}") for end in "lh")
    assert shown > hidden
    progress.done()
    last_drawn, cleared = terminal.getvalue().rsplit("\x1b[?25h", 1)
    assert plain(last_drawn).endswith("warming up native\nabout 1 s left\n")
    assert cleared.count("\x1b[1A\x1b[2K") == 3
    assert plain(cleared) == ""
    progress.done()
    assert terminal.getvalue().endswith(cleared)


def test_no_color_is_honoured(terminal, monkeypatch):
    """Nothing is coloured; with colours, the probe sees them."""
    last_drawn(terminal, PLAN)
    assert re.search(r"\x1b\[[0-9;]*3[0-7]m", terminal.getvalue())
    monkeypatch.setenv("NO_COLOR", "1")
    uncoloured = Terminal()
    last_drawn(uncoloured, PLAN)
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", uncoloured.getvalue())


def test_a_dumb_terminal_has_plain_lines(monkeypatch):
    """As a file has."""
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    Progress(stream).show("x", 1, at_most=False)
    assert stream.getvalue() == "timelift: x, about 1 s left\n"


def test_the_bar_counts_launches_of_settings():
    """From nothing to all of the fewest launches; beyond them there is nothing to count."""
    state = State()
    assert state.share is None
    state.hear(PLAN)
    shares = []
    for launch, setting in itertools.product(range(1, 5), range(8)):
        state.see(f"launch {launch}: s{setting}: playing rounds", "")
        shares.append(state.share)
    assert shares[0] == 0
    assert shares[:24] == sorted(shares[:24])
    assert shares[23] == pytest.approx(23 / 24)
    assert shares[24:] == [None] * 8


def test_other_words_are_shown_as_they_are(terminal):
    """A plan that is worded otherwise costs the numbers and nothing else."""
    progress = Progress(terminal)
    progress.say("something else")
    progress.show("starting: the backend", math.inf, at_most=False)
    assert plain(terminal.getvalue()).endswith("starting: the backend")
    progress.done()


def test_names_cannot_move_the_cursor(terminal):
    """A file may have any name."""
    progress = Progress(terminal)
    progress.show("launch 1: \x1b]0;evil\x07-T1: build\x1b[2J", 1, at_most=False)
    progress.say("\x1b[2J")
    assert "\x1b]" not in terminal.getvalue()
    assert "\x1b[2J" not in terminal.getvalue()
    progress.done()


PROBE = """
import sys, pytest
class Look:
    def pytest_collection_finish(self, session):
        print("LOADED", [name for name in ("rich",) if name in sys.modules])
%s
pytest.main(["bench/", "--collect-only", "-q"], plugins=[Look()])
"""


@pytest.mark.parametrize(("extra", "loaded"), [("", "[]"), ("import rich", "['rich']")])
def test_collecting_imports_no_rich(extra, loaded):
    """The display costs nothing where nothing is measured; the probe does see what is loaded."""
    probe = [sys.executable, "-c", PROBE % extra]
    done = subprocess.run(probe, cwd=ROOT, capture_output=True, text=True, check=False)
    assert f"LOADED {loaded}" in done.stdout
