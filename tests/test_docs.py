"""What README and docs tell people to type exists; commands say what `tests/golden` keeps."""

import ast
import functools
import re
import shlex
import subprocess
import sys

import pytest

from tests.golden import commands
from tests.support.projects import ROOT
from timelift.cli import COMMANDS, parser
from timelift.commands.init import TEMPLATES
from timelift.errors import UserError

BEGINS = r"(?:pytest bench/|python report\.py|timelift)"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
WORKFLOW = TEMPLATES / "workflow.yml"
TO_TYPE = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in [*PAGES, WORKFLOW]
}
#: Behind a prompt, perhaps over several lines, or a step of a pipeline.
_TYPED = re.compile(rf"^(?:\$ | +(?:- run: |- ))({BEGINS}(?: .*|$)(?:(?<=\\)\n.*)*)", re.MULTILINE)


@functools.cache
def pytest_options():
    words = [sys.executable, "-m", "pytest", "--help"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    # pytest's help spells it --junit-xml and takes both.
    return set(re.findall(r"--[a-z][a-z-]*", done.stdout)) | {"--junitxml"}


def typed(text):
    found = (one.replace("\\\n", " ") for one in _TYPED.findall(text))
    return [shlex.split(one, comments=True) for one in found]


def options(words):
    return {word.partition("=")[0] for word in words if word.startswith("--")}


def is_pytest(words):
    return words[0] == "pytest" or (words[0] == "timelift" and COMMANDS[words[1]].measures)


def parse(words):
    """Parse the words of a command as `timelift` or `report.py` does; return its name."""
    name, *rest = words[1:] if words[0] == "timelift" else words[2:] or [""]
    if words[0] != "timelift" and name not in COMMANDS:
        name, rest = "report", words[2:]
    parser(name).parse_args(rest)
    return name


TYPED = [words for text in TO_TYPE.values() for words in typed(text)]


def broken_links(text, folder):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    return [one for one in links if "://" not in one and not (folder / one).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_a_page_lead_to_a_file(page):
    assert broken_links(page.read_text(encoding="utf-8"), page.parent) == []


def test_a_broken_link_is_seen():
    text = "[a](README.md#b) ![c](docs/gone.png) [d](https://example.com)"
    assert broken_links(text, ROOT) == ["docs/gone.png"]


def test_options_of_pytest_in_the_docs_exist():
    asked = set().union(*map(options, filter(is_pytest, TYPED)))
    assert {"--layer", "--against", "--inputs"} <= asked
    assert asked - pytest_options() == set()


def test_commands_of_reading_in_the_docs_parse():
    named = {parse(words) for words in TYPED if not is_pytest(words)}
    assert {"choose", "bisect"} <= named


def test_a_mistyped_command_is_seen():
    text = "$ timelift bench --lengts skewed # why\n$ python report.py chose \\\n  -x\n"
    text += "$ timelift bisect"
    first, second, third = typed(text)
    assert is_pytest(first)
    assert not options(first) <= pytest_options()
    assert first == ["timelift", "bench", "--lengts", "skewed"]
    assert second == ["python", "report.py", "chose", "-x"]
    for words in (second, third):
        with pytest.raises(UserError):
            parse(words)


def test_the_readme_fits_two_screens_and_opens_with_what_to_type():
    text = TO_TYPE["README.md"]
    assert len(text.split()) <= 700
    shown = "speed_up.png", "$ pip install .", "$ timelift advise", "`make bench`", "`make test`"
    places = [text.index(words) for words in shown]
    assert places == sorted(places)
    assert text[: places[2]].count("\n") < 30


MAP = (ROOT / "docs" / "house.md").read_text(encoding="utf-8")
#: Where a path may begin that the map writes without its folder.
ROOMS = ("", "timelift/")


def missing(text):
    """The paths in backticks, with a folder or an ending, that are not in the tree."""
    named = re.findall(r"`([\w/]+(?:/|\.py\b|\.md\b)[\w/]*)`", text)
    return [path for path in named if not any((ROOT / room / path).exists() for room in ROOMS)]


def drawn_names(drawing):
    """The names in the first column, which ends where the text beside it begins."""
    lines = [line.strip() for line in drawing.splitlines() if re.match(r"  \w", line)]
    columns = [re.split(" {3,}", line)[0] for line in lines]
    return set(re.findall(r"\w+", " ".join(columns)))


def test_every_path_of_the_map_is_there():
    assert missing(MAP) == []


def defines(path, name):
    """True if a module of timelift defines a function, a class, or a method of it."""
    nodes = ast.parse((ROOT / "timelift" / path).read_text(encoding="utf-8")).body
    for part in name.split("."):
        nodes = next((node.body for node in nodes if getattr(node, "name", "") == part), None)
        if nodes is None:
            return False
    return True


def test_every_name_of_the_walk_is_where_the_map_says():
    steps = re.findall(r"^\| `([\w/]+\.py)` \| `([\w.]+)` \|", MAP, re.MULTILINE)
    assert len(steps) > 20
    assert [step for step in steps if not defines(*step)] == []


def test_what_moved_from_its_place_on_the_map_is_found():
    assert not defines("rounds.py", "play.round")
    assert not defines("measure/session.py", "Session.play")
    assert missing("`measure/gone.py` `case.py` `nowhere/`") == ["measure/gone.py", "nowhere/"]


def test_everything_beside_the_rooms_is_on_the_map():
    drawn = drawn_names(MAP.split("```")[1])
    names = {path.stem for path in (ROOT / "timelift").glob("[a-z]*") if path.suffix != ".typed"}
    assert names - drawn == set()
    drawing = "  case  errors   about planted things\n       and rounds\n"
    assert drawn_names(drawing) == {"case", "errors"}


NAMES = {*commands.COMMANDS, *commands.TOLD, commands.ANSWERS}


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    return commands.everything(tmp_path_factory.mktemp("golden"))


def of_command(texts, name):
    return {one: texts[one] for one in texts if one.split("/")[0].removesuffix(".txt") == name}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_command_says_what_it_said(said, name):
    assert of_command(said, name) == of_command(commands.stored(), name)


def test_every_golden_file_belongs_to_a_command():
    assert {name.split("/")[0].removesuffix(".txt") for name in commands.stored()} == NAMES


def test_the_time_that_a_command_took_is_left_out_and_no_other_number():
    assert commands.normal("2 tests collected in 0.08s") == "2 tests collected in SECONDS"
    assert commands.normal("known to ±2.9 % in 2 launches") == "known to ±2.9 % in 2 launches"


def test_the_last_digits_of_a_number_are_the_processors():
    one, other, another = "0.8391953459732371", "0.8391953459732373", "0.8391953469732371"
    assert commands.normal(f"a,{one},b") == commands.normal(f"a,{other},b") == "a,0.839195346,b"
    assert commands.normal(one) != commands.normal(another)
