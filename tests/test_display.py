"""How a run tells its progress: a line that changes, or plain ones where none can."""

import io
import math
import re
from dataclasses import replace

import pytest

from timelift.measure.display import CampaignDisplay
from timelift.measure.options import LaunchRange, RunOptions
from timelift.measure.progress import StageBegun, plan_in_words


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


BEGUN = StageBegun("", "starting the first launches", 0.0, math.inf)


DOING = "warming up native · tokens-T128-B32-forward-graph"


def stage(doing=DOING, gone=25.0, left=75.0):
    return StageBegun("launch 2 of 3 · setting 1 of 8", doing, gone, left)


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (9.4, "up to 9 s left · "),
        (110, "up to 2 min left · "),
        (0, "up to 0 s left · "),
        (math.inf, ""),
    ],
)
@pytest.mark.parametrize(
    ("variable", "value", "encoding"),
    [("TERM", "dumb", "utf-8"), ("CI", "true", "utf-8"), ("LANG", "", "ascii")],
)
def test_where_no_line_can_change_there_are_plain_ones_with_the_time_left(  # noqa: PLR0913, PLR0917
    terminal, monkeypatch, variable, value, encoding, left, words
):
    monkeypatch.setenv(variable, value)
    terminal.encoding = encoding
    CampaignDisplay(terminal).show(stage(left=left))
    line = f"timelift: {words}launch 2 of 3 · setting 1 of 8 · {DOING}\n"
    assert terminal.getvalue() == line.encode(encoding, "replace").decode()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "3 launches each, up to 12 where the answer is open"),
        ({"launches": LaunchRange(1, 1)}, "1 launch each"),
        (
            {"two_sided": True, "budget": 89.999},
            "3 launches each, up to 12 where a change is suspected, all within 90 s",
        ),
    ],
)
def test_what_is_going_to_happen_is_one_line(options, words):
    asked = replace(RunOptions.read({}), **options)
    assert plan_in_words(40, 1, asked) == f"40 cases in 1 setting, {words}"


def test_there_is_a_plain_line_every_ten_seconds_and_fewer_of_a_long_run(monkeypatch):
    now, stream = [0.0], io.StringIO()
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    progress = CampaignDisplay(stream)
    while now[0] <= 60:
        progress.show(stage())
        now[0] += 1
    progress.say("what stays")
    assert stream.getvalue().count("\n") == 7 + 1
    while now[0] <= 7_200:  # two hours
        progress.show(stage(gone=now[0]))
        now[0] += 1
    assert stream.getvalue().count("\n") < 50


@pytest.fixture
def terminal(monkeypatch):
    """A terminal of 80 columns that can do everything."""
    for name in ("CI", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    return Terminal()


def plain(written):
    """What was written, without the codes that colour and move."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written).replace("\r", "")


def last_drawn(stream, *events):
    progress = CampaignDisplay(stream)
    for event in events:
        progress.show(event)
    *_, line = plain(stream.getvalue().rsplit("\x1b[2K", 1)[-1]).splitlines()
    progress.done()
    return line.rstrip()


@pytest.mark.parametrize("no_colours", ["", "1"])
@pytest.mark.parametrize(
    ("seconds", "line"),
    [
        ((25, 75), "━━━─────────  up to 75 s left · launch 2 of 3"),
        ((30, 30), "━━━━━━──────  up to 30 s left · launch 2 of 3"),
        ((30, 0), "━━━━━━━━━━━━  up to 0 s left · launch 2 of 3"),
        ((30, math.inf), "────────────  launch 2 of 3"),
    ],
)
def test_a_terminal_shows_a_bar_the_time_left_and_where_the_run_is(
    terminal, monkeypatch, no_colours, seconds, line
):
    monkeypatch.setenv("NO_COLOR", no_colours)
    drawn = last_drawn(terminal, BEGUN, stage(), stage("warming up", *seconds))
    assert drawn == f"{line} · setting 1 of 8 · warming up"


def test_until_the_first_launch_has_begun_a_terminal_says_so(terminal):
    assert last_drawn(terminal, BEGUN) == "────────────  starting the first launches"


@pytest.mark.parametrize("width", [10, 40, 200])
def test_a_narrow_terminal_cuts_lines_and_never_wraps_them(terminal, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    line = last_drawn(terminal, stage(), stage())
    assert len(line) <= width
    assert line.endswith("graph" if width == 200 else "…")


def test_the_display_leaves_nothing_behind_but_a_cursor(terminal):
    progress = CampaignDisplay(terminal)
    progress.show(stage())
    hidden, shown = (terminal.getvalue().rfind(f"\x1b[?25{end}") for end in "lh")
    assert shown > hidden
    progress.done()
    last_drawn, cleared = terminal.getvalue().rsplit("\x1b[?25h", 1)
    assert plain(last_drawn).endswith(" · launch 2 of 3 · setting 1 of 8 · warming up nat…\n")
    assert cleared.count("\x1b[1A\x1b[2K") == 1
    assert plain(cleared) == ""
    progress.done()
    assert terminal.getvalue().endswith(cleared)


def test_what_stays_is_whole_and_moves_no_cursor(terminal):
    progress = CampaignDisplay(terminal)
    progress.show(stage("build\x1b[2J · \x1b]0;evil\x07-T1"))
    progress.say("x" * 300)
    progress.say("\x1b[2J")
    progress.done()
    assert f"timelift: {'x' * 300}\n" in plain(terminal.getvalue())
    assert "\x1b]" not in terminal.getvalue()
    assert "\x1b[2J" not in terminal.getvalue()
