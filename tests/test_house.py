"""The map of the code names what there is."""

import re

import pytest

from tests.projects import ROOT

MAP = (ROOT / "docs" / "house.md").read_text(encoding="utf-8")
#: Where a path may begin that the map writes without its folder.
ROOMS = ("", "timelift/")


def missing(text):
    """The paths in backticks, with a folder or an ending, that are not in the tree."""
    named = re.findall(r"`([\w/]+(?:/|\.py|\.md)[\w/]*)`", text)
    return [path for path in named if not any((ROOT / room / path).exists() for room in ROOMS)]


def drawn_names(drawing):
    """The names in the first column, which ends where the text beside it begins."""
    lines = [line.strip() for line in drawing.splitlines() if re.match(r"  \w", line)]
    columns = [re.split(" {3,}", line)[0] for line in lines]
    return set(re.findall(r"\w+", " ".join(columns)))


def test_every_path_of_the_map_is_there():
    assert missing(MAP) == []


@pytest.mark.parametrize("text", ["`measure/gone.py`", "`nowhere/`"])
def test_a_path_that_is_gone_is_found(text):
    assert missing(text)


def test_everything_beside_the_rooms_is_on_the_map():
    drawn = drawn_names(MAP.split("```")[1])
    names = {path.stem for path in (ROOT / "timelift").glob("[a-z]*")}
    assert names - drawn == set()
    assert drawn_names("  case  errors   about planted things\n       and rounds\n") == {
        "case",
        "errors",
    }
