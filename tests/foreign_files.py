"""Files from anywhere, as hypothesis makes them: whole, damaged and hostile; and all that is wrong.

A file is bytes. `journals` and `pytest_jsons` hold names, sizes, times and facts that no honest run
has, `damaged` breaks either as disks and editors do, `anything` is no file of ours at all.
"""

import json
import math
import re

from hypothesis import strategies as st

from tests import journals as honest
from timelift.case import AXES, Case, Phase, Setting, Status
from timelift.journal import FACT_RULES
from timelift.journal.writing import json_line

#: Names that would do harm where they are not escaped, by what they would harm.
NASTY = {
    "html": (
        "<script>alert(1)</script>",
        '"><img src=http://evil.example/x onerror=alert(1)>',
        "' onmouseover='alert(1)",
        "</title></style></script><script src=//evil.example></script>",
        "]]><svg onload=alert(1)>--><script>",
        "javascript:alert(1)",
        "{{ 7 * 7 }}{% raw %}",
        "&#60;script&#62;",
    ),
    "markdown": ("[x](javascript:alert(1))", "![](//evil.example/x)", "a|b", "```", "# a", "~~a_"),
    "figures": (
        "$x$",
        r"$\frac{1}{$",
        r"\frac{",
        "$",
        "$\\",
        "_a",
        "_",
        "a" * 300,
        "\U0001f389" * 9,
    ),
    "colours": ("[bold]x[/bold]", "[/]", "[link=file:///etc]x[/link]", "%s{}{0}%(a)s"),
    "control": (
        "\x1b[2J",
        "\x1b]0;a\x07",
        "\x9b31m",
        "a\x08b",
        "\x00",
        "\x7f",
        "\u202egnp",
        "\u2066",
    ),
    "newline": ("a\nb", "a\r\nb", "\n", "\u2028", "\x85", "\t", "\x0b"),
    "path": ("../../etc/passwd", "/x", "..", ".", "C:\\x", "con", "~", "a/b", "-rf", "--help"),
    "formula": ("=1+1", "+1", "-1", "@a", "\t=1", "=cmd|' /C calc'!A0", "\u200b=1", "\uff1d1"),
    "odd": ("\ud800", "e\u0301", "\uff57\uff49", " ", "0", "None", "T1", "a,b;c", '"', "'"),
}
USUAL = ("native", "fold_time", "loop_slice", "fold_chunks[k=8]")
_NASTY = [name for names in NASTY.values() for name in names]
names = st.sampled_from([*USUAL, *_NASTY]) | st.text(max_size=8)
#: Numbers at and beyond every edge that a reader could have; the last ones are no JSON.
_WHOLE = [0, 1, -1, 2, 7, 2**31 - 1, 2**31, 2**63, -(2**63), 10**40]
_REAL = [0.0, -0.0, 1e-320, 1e-12, 1e-9, 0.5, 1e9, 1e300, -1e300, math.nan, math.inf, -math.inf]
numbers = st.sampled_from([*_WHOLE, *_REAL]) | st.floats(width=32)
values = st.recursive(
    st.none() | st.booleans() | numbers | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=5,
)
#: Seconds per call that a reader takes, most of them of one size so that there is what to compare.
times = st.sampled_from([1e-3] * 8 + [1.02e-3] * 4 + [2e-3, 1.0000001e-3, 2e-12, 9e8, 1e-6, None])
_sizes = st.sampled_from([1, 2, 3, 8, 16, 100, 2**31 - 1])


@st.composite
def settings(draw):
    """A setting as a file names it, mostly usual."""
    fields = {"seq_len": draw(_sizes), "batch": draw(_sizes), "phase": draw(st.sampled_from(Phase))}
    fields["workload"] = draw(names.filter(bool))
    for name in draw(st.lists(st.sampled_from(sorted(AXES)), max_size=2)):
        kind = AXES[name]
        if name == "device":
            fields[name] = draw(names)
        elif name == "threads":
            fields[name] = draw(st.integers(0, 4))
        elif kind not in {int, str}:
            fields[name] = draw(st.sampled_from(list(kind)))
    return fields


@st.composite
def launch_lines(draw):
    """All launches of some rivals in some settings, each a line that a reader takes."""
    rivals = draw(st.lists(names.filter(bool), min_size=1, max_size=3, unique=True))
    lines = []
    for fields in draw(st.lists(settings(), min_size=1, max_size=3)):
        for rival in rivals:
            case = Case(Setting(**fields), rival)
            lines += [_launch(draw, case, number) for number in range(1, draw(_launches) + 1)]
    return lines


_launches = st.sampled_from([1, 1, 2, 3, 3])
_samples = st.lists(times, min_size=1, max_size=4)
_lost = st.sampled_from([status for status in Status if status is not Status.MEASURED])
_facts = st.dictionaries(st.sampled_from(sorted(FACT_RULES)), values | numbers, max_size=2)


def _launch(draw, case, number):
    if draw(st.integers(0, 7)) == 7:
        return honest.ended(case, draw(_lost), draw(names), number)
    seconds = draw(_samples)
    played = seconds if any(seconds) else [1e-3]
    return honest.line(case, number, played, facts=draw(_facts))


_HEADERS = sorted(honest.header())
_against = {
    "label": "origin/main",
    "commit": "aaaa1111",
    "gates": {"time": 0.03, "first call": 0.25, "peak memory": 0.25},
    "screening": 3,
    "undecided": "pass",
    "new": [],
    "removed": [],
    "unchanged": [],
    "renamed": {},
    "versions": {},
}


@st.composite
def headers(draw, rivals):
    """A header whose names are anyone's and whose fields may be anything."""
    header = honest.header(
        id=draw(names),
        started=draw(st.just(honest.header()["started"]) | names),
        command=draw(st.lists(names, max_size=3)),
        commit={"id": draw(names), "dirty": draw(st.booleans())},
        machine=draw(st.just(honest.MACHINE) | machines()),
        strategies=draw(st.dictionaries(st.sampled_from(rivals) | names, told(rivals), max_size=3)),
    )
    if draw(st.integers(0, 4)) == 4:
        changes = st.dictionaries(st.sampled_from(sorted(_against)), values, max_size=2)
        header["against"] = _against | draw(changes) | {"label": draw(names), "new": [draw(names)]}
    return header | draw(st.dictionaries(st.sampled_from(_HEADERS), values, max_size=1))


@st.composite
def machines(draw):
    """A machine as a header describes it."""
    texts = st.dictionaries(names, names | values, max_size=2)
    return {
        "name": draw(names),
        "identity": draw(st.just(honest.MACHINE["identity"]) | texts),
        "drift": {"versions": draw(texts | values), "python": draw(names)},
        "information": draw(texts | st.just({"canary_seconds": 5e-5})),
    }


@st.composite
def told(draw, rivals):
    """What a header tells of a strategy: a title, what it means, of whom it is a twin."""
    of = draw(st.sampled_from(rivals) | names)
    plant = honest.planted(of, draw(st.just(0.05) | numbers))["planted"]
    every = {
        "title": draw(names),
        "differs": draw(st.lists(names, max_size=2) | values),
        "meaning": draw(st.dictionaries(names, names, max_size=2) | values),
        "planted": plant
        | draw(st.dictionaries(st.sampled_from(sorted(plant)), values, max_size=1)),
        "against": {"of": of},
    }
    kept = draw(st.sets(st.sampled_from(sorted(every))))
    return draw(values) if draw(st.integers(0, 9)) == 9 else {name: every[name] for name in kept}


@st.composite
def journals(draw):
    """A journal, of which at most one line is not as a reader expects."""
    lines = draw(launch_lines())
    rivals = sorted({line["case"]["strategy"] for line in lines})
    header = draw(headers(rivals))
    if draw(st.booleans()):
        line = lines[draw(st.integers(0, len(lines) - 1))]
        part = draw(st.sampled_from([line, line["case"]]))
        part[draw(st.sampled_from([*sorted(line), *AXES]))] = draw(values)
    end = [honest.END] if draw(st.booleans()) else []
    return b"".join(as_line(one).encode() for one in [header, *lines, *end])


def as_line(record):
    """A record as it is in a file, even where the writer refuses a number that is no JSON."""
    try:
        return json_line(record)
    except ValueError:
        return json.dumps(record, separators=(",", ":")) + "\n"


_AXIS_WORDS = "strategy way method seq_len length n batch batch_size phase mode device".split()
_params = st.none() | st.dictionaries(st.sampled_from(_AXIS_WORDS) | names, values, max_size=4)
_data = st.lists(times.filter(bool) | numbers, max_size=5) | values


@st.composite
def pytest_jsons(draw):
    """The JSON of pytest-benchmark, ours or anyone's."""
    some = [
        honest.benchmark(
            name=draw(names),
            group=draw(st.none() | names),
            fullname=draw(names),
            params=draw(_params),
            extra_info=draw(st.just({}) | _facts | values),
            stats={"data": draw(_data), "median": draw(times)},
        )
        for _ in range(draw(st.integers(0, 4)))
    ]
    whole = honest.foreign(*some, *draw(st.lists(values, max_size=1)))
    places = st.sampled_from(["machine_info", "commit_info", "datetime", "version"])
    return json.dumps(whole | draw(st.dictionaries(places, values, max_size=2))).encode()


#: What a damaged place of a file may hold.
_PIECES = [
    *(b"", b"\n", b"\r\n", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"{", b"}", b"]", b'"', b","),
    *(b"NaN", b"-Infinity", b"1e999", b"-1", b"null", b"9" * 5000, b"[" * 3000, b'{"a":' * 3000),
    *(
        b'"kind":"end",',
        b'"kind":"launch","kind":"run",',
        b'"schema":2,',
        b'"launch":1,"launch":2,',
    ),
    *(b'"case":{},', b'"seconds_per_call":[],', b'{"kind":"run","schema":9}\n', b"\x80\x04]\x94."),
]
#: Where a number or a word begins in JSON: damage that leaves the rest of the line whole.
_WORD = re.compile(rb'(?<=[\[: ,])(-?\d[\d.e+-]*|"[^"\\]*"|null)')


@st.composite
def damaged(draw):
    """A file that was cut, overwritten in places, shuffled or written in another encoding."""
    data = draw(journals() | pytest_jsons())
    for _ in range(draw(st.integers(1, 3))):
        start, end = _place(draw, data)
        data = data[:start] + draw(st.sampled_from(_PIECES) | st.binary(max_size=4)) + data[end:]
    if draw(st.integers(0, 3)) == 3:
        data = b"\n".join(draw(st.permutations(data.split(b"\n"))))
    other = draw(st.integers(0, 19)) == 19
    return data.decode(errors="replace").encode("utf-16") if other else data


def _place(draw, data):
    """Choose where damage begins and ends: around a word, or anywhere."""
    words = list(_WORD.finditer(data))
    if words and draw(st.booleans()):
        return words[draw(st.integers(0, len(words) - 1))].span()
    start = draw(st.integers(0, len(data)))
    return start, start + draw(st.sampled_from([0, 0, 1, 4, 100, len(data)]))


anything = st.binary(max_size=300) | values.map(lambda one: json.dumps(one).encode())
#: Most files are nearly whole, since those go furthest.
files = st.one_of(
    journals(), journals(), journals(), pytest_jsons(), damaged(), damaged(), anything
)
