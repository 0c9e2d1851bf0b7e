"""Progress: lines that stay, a line that changes, and how long it takes."""

import io
import math

import pytest

from timelift.measure.progress import Progress


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


def test_on_a_terminal_one_line_changes_and_leaves_nothing_behind():
    """Every stage overwrites the last, and is cut to the width."""
    stream = Terminal()
    progress = Progress(stream)
    progress.show("x" * 500, 1, at_most=False)
    progress.show("y", 1, at_most=False)
    progress.done()
    first, second, last = stream.getvalue().split("\r\x1b[K")[1:]
    assert len(first) < 500
    assert second.startswith("timelift: y")
    assert last == ""
    assert "\n" not in stream.getvalue()
