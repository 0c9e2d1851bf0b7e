"""What every command prints and writes stays as it is, word by word (see `tests/golden`)."""

import difflib
from collections.abc import Mapping

import pytest

from tests.golden import commands

NAMES = {*commands.COMMANDS, *commands.HELP, *commands.PYTEST, commands.ADVICE, commands.ANSWERS}


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What every command prints and writes now."""
    return commands.everything(tmp_path_factory.mktemp("golden"))


def differences(kept: Mapping[str, str], now: Mapping[str, str], name: str) -> str:
    """Return the difference of the texts of one command; empty where there is none."""
    names = sorted(one for one in {*kept, *now} if one.split("/")[0].removesuffix(".txt") == name)
    return "".join(
        line if line.endswith("\n") else f"{line}\n"
        for one in names
        for line in difflib.unified_diff(
            kept.get(one, "").splitlines(keepends=True),
            now.get(one, "").splitlines(keepends=True),
            f"golden/{one}",
            f"now/{one}",
        )
    )


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_command_says_what_it_said(said, name):
    assert not (found := differences(commands.stored(), said, name)), f"\n{found}"


def test_every_golden_file_belongs_to_a_command():
    assert {name.split("/")[0].removesuffix(".txt") for name in commands.stored()} == NAMES


def test_a_changed_word_a_lost_file_and_a_new_one_are_told():
    kept = {"a.txt": "one\ntwo\n", "a/b.csv": "x\n", "ab.txt": "y\n"}
    assert not differences(kept, dict(kept), "a")
    changed = differences(kept, kept | {"a.txt": "one\nthree\n"}, "a")
    assert "-two\n+three\n" in changed
    assert "-x\n" in differences(kept, {"a.txt": "one\ntwo\n"}, "a")
    assert "+z\n" in differences(kept, kept | {"a/c.csv": "z\n"}, "a")


def test_the_time_that_a_command_took_is_left_out_and_no_other_number():
    assert commands.normal("2 tests collected in 0.08s") == "2 tests collected in SECONDS"
    assert commands.normal("known to ±2.9 % in 2 launches") == "known to ±2.9 % in 2 launches"


def test_the_last_digits_of_a_number_are_the_processors():
    one, other, another = "0.8391953459732371", "0.8391953459732373", "0.8391953469732371"
    assert commands.normal(f"a,{one},b") == commands.normal(f"a,{other},b") == "a,0.839195346,b"
    assert commands.normal(one) != commands.normal(another)
