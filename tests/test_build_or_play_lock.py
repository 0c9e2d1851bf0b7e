"""Whoever plays has the machine to itself, and nobody waits for ever."""

import threading
import time

import pytest

from timelift.measure.locks import BuildOrPlayLock


def work(turns, log, settings):
    """Build and play some settings, logging who is inside what."""
    for _ in range(settings):
        with turns.building():
            log.append("build")
            time.sleep(0.001)
            log.append("built")
        with turns.playing():
            log.append("play")
            time.sleep(0.001)
            log.append("played")


def test_no_launch_builds_or_plays_while_another_plays():
    """Between `play` and `played` nothing else happens, and every launch finishes."""
    turns, log = BuildOrPlayLock(), []
    threads = [threading.Thread(target=work, args=(turns, log, 20), daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert not any(thread.is_alive() for thread in threads)
    starts = [index for index, word in enumerate(log) if word == "play"]
    assert len(starts) == 60
    assert all(log[index + 1] == "played" for index in starts)


def test_launches_do_build_side_by_side():
    """Two can be inside `building` at once: the barrier below is passed only together."""
    turns, meet = BuildOrPlayLock(), threading.Barrier(2)

    def build():
        with turns.building():
            meet.wait(timeout=10)

    threads = [threading.Thread(target=build, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert not meet.broken
    assert not any(thread.is_alive() for thread in threads)


def test_a_launch_that_fails_while_playing_frees_the_others():
    """An exception gives the turn back."""
    turns = BuildOrPlayLock()
    with pytest.raises(KeyError), turns.playing():
        raise KeyError
    entered = threading.Event()

    def build():
        with turns.building():
            entered.set()

    threading.Thread(target=build, daemon=True).start()
    assert entered.wait(timeout=10)
