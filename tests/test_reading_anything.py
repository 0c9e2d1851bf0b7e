"""Whatever a file holds, a command that reads it answers or says why not, and executes nothing."""

import contextlib
import csv
import io
import itertools
import json
import random
import re
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

import report
import timelift
from tests.support import journals
from tests.support.pages import HOSTILE, harm, loads
from tests.support.projects import run_python, write
from timelift.analyse import results
from timelift.analyse.findings import MOST_SETTINGS, find_out
from timelift.analyse.results import Run
from timelift.axis_values import Status
from timelift.errors import UserError
from timelift.journal.lines import Header
from timelift.measure.header import open_resumed
from timelift.measurement import Measurement
from timelift.present import figures

FEW = journals.grid(("native", "fold_time"), seq_lens=(8, 16), phases=("forward",))
#: Names that would do harm where they are not escaped: on a page, in a table, a terminal, a figure,
#: a path or a spreadsheet.
NAMES = (
    *HOSTILE[:3],
    *("[x](javascript:alert(1))", "a|b", "```", r"$\frac{1}{$", "_a", "a" * 300),
    *("[bold]x[/bold]", "[/]", "%s{}{0}", "\x1b[2J", "\x9b31m", "\x00", "\u202egnp", "a\nb"),
    *("../../etc/passwd", "/x", "..", "--help", "=1+1", "@a", "\uff1d1", "\ud800", " ", '"'),
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.sampled_from([0, -1, 2**31, 2**63, 10**400, 1e-320, 1e300])
    | st.sampled_from(NAMES)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)
#: What a damaged place of a file may hold.
PIECES = (
    *(b"", b"\n", b"\r\n", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"{", b"}", b"]", b'"', b","),
    *(b"NaN", b"-Infinity", b"1e999", b"-1", b"null", b'"\\ud800"', b"9" * 5000),
    *(b"[" * 3000, b'{"a":' * 3000, b'"kind":"end",', b'"schema":2,', b"\x80\x04]\x94."),
)
_WORD = re.compile(rb'(?<=[\[: ,])(-?\d[\d.e+-]*|"[^"\\]*"|null)')
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_FORMULA = re.compile(r"\s*[=@+\uff1d\uff20\uff0b]|-(?![\d.])")


def text(*records):
    """Lines of a file, with the numbers that no JSON has, too."""
    return "".join(f"{json.dumps(record)}\n" for record in records).encode()


@st.composite
def journals_with_other_values(draw):
    """A journal in which some fields of its header and of one line hold anything."""
    header, *lines = journals.header(), *journals.campaign(FEW, launches=3, rounds=2)
    line = draw(st.sampled_from(lines))
    for part in (header, line, line["case"], line["facts"]):
        part.update(draw(st.dictionaries(st.sampled_from(sorted(part)), values, max_size=1)))
    return text(header | {"kind": "run"}, *lines, journals.END)


@st.composite
def damaged_journals(draw):
    """A journal that was cut, overwritten in places, or shuffled."""
    data = text(journals.header(), *journals.campaign(FEW, launches=3, rounds=2), journals.END)
    for _ in range(draw(st.integers(1, 3))):
        words = list(_WORD.finditer(data))
        start, end = draw(st.sampled_from(words)).span() if words else (0, 0)
        if draw(st.booleans()):
            start = draw(st.integers(0, len(data)))
            end = start + draw(st.sampled_from([0, 1, 100, len(data)]))
        data = data[:start] + draw(st.sampled_from(PIECES) | st.binary(max_size=4)) + data[end:]
    if draw(st.booleans()):
        lines = data.split(b"\n")
        random.Random(draw(st.integers(0, 99))).shuffle(lines)
        data = b"\n".join(lines)
    return data


files = st.one_of(
    journals_with_other_values(),
    journals_with_other_values(),
    damaged_journals(),
    damaged_journals(),
    st.binary(max_size=300),
    values.map(text),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    for day in (1, 2, 3):
        header = journals.header(id=f"day{day}", started=f"2026-01-0{day}T00:00:00+00:00")
        path = home / "results" / journals.MACHINE["name"] / f"day{day}.jsonl"
        journals.write(path, header, *journals.campaign(FEW, launches=3, rounds=3), journals.END)
    return home


ASK = ("choose", "--workloads", "tokens", "--seq-lens", "8", "--batch-sizes", "8", "--run", "FILE")
COMMANDS = (
    ("report", "FILE", "--output", "OUT"),
    ("report", "FILE", "tokens"),
    ASK,
    (*ASK, "--code"),
    (*ASK, "--json"),
    ("compare", "FILE", "day1", "--all"),
    ("compare", "day1", "FILE", "--strict"),
    ("history", "--output", "OUT"),
)


def played(home, words, path):
    """Run a command of a project without drawing; return what it printed, and its complaint."""
    filled = [str({"FILE": path, "OUT": home / "out"}.get(word, word)) for word in words]
    printed, complained = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in "ab")
    with (
        mock.patch.object(report, "ROOT", home),
        mock.patch.object(figures, "of_run", return_value={}),
        mock.patch.object(Figure, "savefig", lambda _, file, **__: file.write(b"")),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(complained),
    ):
        code = report.main(filled)
    printed.flush()
    complained.flush()
    said, complaint = (stream.buffer.getvalue().decode() for stream in (printed, complained))
    assert code in {0, 1, 2}
    if code == 1:
        assert re.fullmatch(r"timelift: .+\n", complaint), complaint
    return said, complaint


def harm_of(home, words, path):
    """What a command printed or wrote that does harm where it is shown."""
    said = "".join(played(home, words, path))
    harmful = [match.group() for match in _CONTROL.finditer(said)]
    for file in (home / "out").rglob("*"):
        if file.suffix == ".html":
            html = file.read_text("utf-8")
            harmful += [*harm(html), *loads(html)]
        if file.suffix == ".md":
            harmful += re.findall(r"<(?!sub>|/sub>|br>)\w", file.read_text("utf-8"))
        if file.suffix == ".csv":
            rows = csv.reader(io.StringIO(file.read_text("utf-8")))
            harmful += [cell for row in rows for cell in row if _FORMULA.match(cell)]
    return harmful


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=files)
def test_any_file_gives_an_answer_or_a_sentence_and_does_no_harm(home, words, content):
    path = home / "results" / journals.MACHINE["name"] / "foreign.jsonl"
    path.write_bytes(content)
    try:
        assert harm_of(home, words, path) == []
    finally:
        path.unlink()


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=files)
def test_any_file_is_a_table_a_run_to_resume_or_a_sentence(tmp_path, content):
    path = tmp_path / "run.jsonl"
    path.write_bytes(content)
    with contextlib.suppress(UserError):
        seconds = timelift.load(path, "round").seconds_per_call.dropna()
        assert seconds.between(0, 1e9, inclusive="neither").all()
    with contextlib.suppress(UserError):
        open_resumed(tmp_path, str(path))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_hostile_names_do_no_harm(home, words, tmp_path):
    evil = NAMES[0]
    cases = journals.grid(NAMES, [evil, "tokens"], seq_lens=(8,), phases=("forward",))
    strategies = {name: {"title": evil, "meaning": {evil: name}} for name in NAMES}
    header = journals.header(
        id=evil,
        command=list(NAMES),
        commit={"id": evil, "dirty": True},
        strategies=strategies,
        steps={evil: evil, "tokens": "\x1b[2J<b>=1"},
        machine={"name": evil, "identity": {evil: evil}, "drift": {"versions": {evil: evil}}},
    )
    lost = [journals.ended(journals.case(name), "crashed", name) for name in NAMES]
    lines = [*journals.campaign(cases, launches=2, rounds=2), *lost]
    for line in lines[: -len(lost)]:
        line["facts"] = line["facts"] | {"valid_steps": 64}
    path = journals.write(tmp_path / "run.jsonl", header, *lines, journals.END)
    assert harm_of(home, words, path) == []
    assert {path.name for path in home.iterdir()} <= {"results", "out"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("index.html", "<script>1</script><p onclick='1'>"),
        ("report.md", "<script>"),
        ("x.csv", 'a,"=1+1"\n'),
    ],
)
def test_harm_is_seen(home, name, content):
    file = write(home / "out", {name: content}) / name
    assert harm_of(home, ("report", "FILE", "tokens"), "day1")
    file.unlink()


def test_a_journal_cut_at_any_byte_keeps_its_whole_lines(tmp_path):
    cases = journals.grid(("native", "<b>\u2028"), seq_lens=(8,), phases=("forward",))
    path = journals.synthetic(tmp_path / "whole.jsonl", cases, launches=1, rounds=2)
    data = path.read_bytes()
    ends = [place for place, byte in enumerate(data) if byte == ord("\n")]
    for cut in range(ends[0], len(data)):
        path.write_bytes(data[:cut])
        run = results.load(path)
        whole = sum(end <= cut for end in ends[1:-1])
        assert len(run.measurements) == whole
        assert bool(run.warnings) == (cut not in ends and cut - 1 not in ends)


def test_more_settings_than_a_report_can_show_are_a_sentence():
    many = tuple(
        Measurement(journals.case(seq_len=size + 1), Status.CRASHED)
        for size in range(MOST_SETTINGS + 1)
    )
    with pytest.raises(UserError, match="ask about one with"):
        find_out(Run(Header(), many, complete=True))


#: A module that leaves a file when it is executed.
TRAP = "'A trap.'\nopen({0!r}, 'a').write(__name__)\n"
NAME = "trap"
#: Commands in a process whose first place for modules is the project with the traps.
PROBE = """
import json, sys
from pathlib import Path
import report
report.ROOT = Path.cwd()
sys.path.insert(0, str(report.ROOT))
{spring}
print("CODES", *map(report.main, json.loads(sys.argv[1])))
"""


@pytest.fixture
def sprung(tmp_path):
    """A project in which whatever a run names is a trap; the file that a trap leaves."""
    left = tmp_path / "sprung"
    places = itertools.product(("strategies", "workloads", "."), (NAME, "native"))
    write(tmp_path, {f"{folder}/{name}.py": TRAP.format(str(left)) for folder, name in places})
    return left


def _journal(project):
    """A run that names traps wherever a name, a file or a command can stand."""
    cases = journals.grid((NAME, "native"), (NAME,), seq_lens=(8, 16), device=NAME)
    entry = {"title": NAME, "module": NAME, "meaning": {NAME: "trap:build"}}
    header = journals.header(
        command=["python", f"{NAME}.py"],
        options={"layer": "trap:make_layer", "__class__": NAME},
        sources={f"strategies/{NAME}.py": "0"},
        strategies={NAME: entry, f"{NAME}:build": entry},
        commit={"id": "$(touch sprung)", "dirty": False},
    )
    lines = list(journals.campaign(cases, rounds=3))
    for line in lines:
        line["facts"]["__reduce__"] = ["os.system", "touch sprung"]
    path = project / "results" / "machine" / "run.jsonl"
    return journals.write(path, header, *lines, journals.END)


def _codes(project, *commands, spring=""):
    """Run commands in one process; return their exit codes, none if it broke off."""
    words = json.dumps([[*map(str, command)] for command in commands])
    done = run_python(project, "-c", PROBE.format(spring=spring), words)
    codes = [line for line in done.stdout.splitlines() if line.startswith("CODES")]
    return codes[0].split()[1:] if codes else []


def test_no_command_executes_what_a_journal_names(sprung):
    project = sprung.parent
    path = _journal(project)
    ask = ("choose", "--workloads", NAME, "--seq-lens", 8, "--batch-sizes", 8)
    others = [("compare", path, path), ("history",), ("report", path, NAME)]
    codes = _codes(project, (), ask, *others, (*ask, "--json"), (*ask, "--code"))
    assert codes == ["0"] * (4 + len(others))
    assert not sprung.exists()


@pytest.mark.parametrize(
    "spring",
    [
        f"import {NAME}",
        f"from timelift.worker import user_code; user_code.load_module('strategies/{NAME}.py')",
    ],
)
def test_a_trap_springs_where_it_is_executed(sprung, spring):
    project = sprung.parent
    _codes(project, ("report", _journal(project), NAME), spring=spring)
    assert sprung.exists()
