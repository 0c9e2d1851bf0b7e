"""Progress: lines that stay, a line that changes, and how long it takes."""

import io
import itertools
import math
import re

import pytest

from timelift.measure.display import CampaignDisplay, ProgressState
from timelift.measure.progress import CampaignBegun, StageBegun, StillUndecided


class Terminal(io.StringIO):
    def isatty(self):
        return True


BEGUN = CampaignBegun(cases=40, settings=8, fewest=3, most=12)
SETTING = "tokens-T128-B32-forward-graph"


def stage(launch=2, setting=SETTING, doing="warming up native", seconds=75.0, *, at_most=False):
    return StageBegun(launch, setting, doing, seconds, at_most)


@pytest.mark.parametrize(
    ("seconds", "at_most", "words"),
    [
        (9.4, False, "about 9 s left · "),
        (75, True, "at most 1 min 15 s left · "),
        (-3, True, "at most 0 s left · "),
        (math.inf, True, ""),
    ],
)
def test_the_time_left_is_in_minutes_and_seconds(monkeypatch, seconds, at_most, words):
    monkeypatch.setenv("TERM", "dumb")  # a terminal of this kind has plain lines, as a log
    stream = Terminal()
    CampaignDisplay(stream).show(stage(seconds=seconds, at_most=at_most))
    assert stream.getvalue() == (
        f"timelift: {words}launch 2 · setting 1 · {SETTING}: warming up native\n"
    )


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (BEGUN, "40 cases in 8 settings, 3 launches each, up to 12 where the answer is open"),
        (CampaignBegun(4, 2, 1, 1), "4 cases in 2 settings, 1 launch each"),
        (CampaignBegun(1, 1, 3, 3), "1 case in 1 setting, 3 launches each"),
        (
            CampaignBegun(4, 2, 5, 13, two_sided=True, budget_seconds=89.999),
            (
                "4 cases in 2 settings, 5 launches each, "
                "up to 13 where a change is suspected, all within 90 s"
            ),
        ),
    ],
)
def test_what_is_going_to_happen_is_one_line(event, words):
    assert event.words == words


def test_a_long_run_has_few_lines(monkeypatch):
    now, stream = [0.0], io.StringIO()
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    progress, counts = CampaignDisplay(stream), {}
    while now[0] <= 7_200:
        progress.show(stage())
        counts[now[0]] = stream.getvalue().count("\n")
        now[0] += 1
    assert (counts[60], counts[300], counts[3_600]) == (7, 15, 31)
    assert counts[7_200] - counts[3_600] == 12
    progress.show(StillUndecided(1, settings=8))
    progress.say("what stays")
    assert stream.getvalue().count("\n") == counts[7_200] + 1


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


def last_drawn(stream, *events, at=None):
    """The lines of the display after these were shown and a stage."""
    progress = CampaignDisplay(stream)
    for event in events:
        progress.show(event)
    start = len(stream.getvalue())
    progress.show(at or stage())
    drawn = plain(stream.getvalue()[start:])
    progress.done()
    return drawn.splitlines()


def test_a_terminal_shows_time_launch_setting_stage_and_what_is_undecided(terminal):
    (line,) = last_drawn(terminal, BEGUN)
    assert line.split("  ", 1)[1].strip() == (
        "about 1 min 15 s left · launch 2 of 3 · setting 1 of 8 · tokens-T…"
    )
    later = (BEGUN, StillUndecided(2, settings=8))
    assert last_drawn(terminal, *later, at=stage(launch=4, setting="x"))[-1].rstrip() == (
        "about 1 min 15 s left · launch 4 · setting 1 · 2 of 8 settings undecided · x: w…"
    )


@pytest.mark.parametrize("width", [10, 40, 200])
def test_a_narrow_terminal_cuts_lines_and_never_wraps_them(terminal, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    drawn = last_drawn(terminal, BEGUN, StillUndecided(2, settings=8))
    assert len(drawn) == 1
    assert max(map(len, drawn)) <= width


def test_the_display_leaves_nothing_behind_but_a_cursor(terminal):
    progress = CampaignDisplay(terminal)
    progress.show(stage(seconds=1))
    hidden, shown = (terminal.getvalue().rfind(f"\x1b[?25{end}") for end in "lh")
    assert shown > hidden
    progress.done()
    last_drawn, cleared = terminal.getvalue().rsplit("\x1b[?25h", 1)
    assert plain(last_drawn).endswith(f"{SETTING}: warming …\n")
    assert cleared.count("\x1b[1A\x1b[2K") == 1
    assert plain(cleared) == ""
    progress.done()
    assert terminal.getvalue().endswith(cleared)


def test_the_bar_counts_launches_of_settings():
    state = ProgressState()
    assert state.share is None
    state.take(BEGUN)
    shares = []
    for launch, setting in itertools.product(range(1, 5), range(8)):
        state.take(stage(launch, f"s{setting}"))
        shares.append(state.share)
    assert shares[0] == 0
    assert shares[:24] == sorted(shares[:24])
    assert shares[23] == pytest.approx(23 / 24)
    assert shares[24:] == [None] * 8


def test_what_stays_is_whole_and_moves_no_cursor(terminal):
    progress = CampaignDisplay(terminal)
    progress.show(stage(setting="\x1b]0;evil\x07-T1", doing="build\x1b[2J"))
    progress.say("x" * 300)
    progress.say("\x1b[2J")
    progress.done()
    assert f"timelift: {'x' * 300}\n" in plain(terminal.getvalue())
    assert "\x1b]" not in terminal.getvalue()
    assert "\x1b[2J" not in terminal.getvalue()
