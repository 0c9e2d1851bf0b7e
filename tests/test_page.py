"""The page: the answer first, nothing loaded, nothing from a file run, small, with all tables."""

import base64
import csv
import hashlib
import io
import re

import pytest

from tests import journals
from tests.pages import FEW, HOSTILE, Elements, harm, loads, made, section
from timelift.case import Lengths, Mode, Status
from timelift.present.page.drawing import inline
from timelift.present.tables import Column, Table, csv_as_shown

CASES = journals.grid(FEW)


def test_a_step_s_time_is_left_out_where_valid_steps_were_not_counted(tmp_path):
    """Where lengths vary, those of a whole batch would be a false count."""
    cases = [journals.case(name, lengths=Lengths.SKEWED) for name in FEW]
    told = [({}, False), ({"valid_steps": 40}, True)]
    for facts, known in told:
        lines = [journals.line(case, launch, facts=facts) for case in cases for launch in (1, 2, 3)]
        made(tmp_path, journals.header(), *lines, journals.END)
        with (tmp_path / "report" / "tables" / "per_step.csv").open() as file:
            assert [bool(row["T = 16"]) for row in csv.DictReader(file)] == [known] * len(FEW)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of a small run in which native is the best everywhere but at few steps."""
    lost = journals.ended(journals.case("gru"), Status.REFUSED, "no gradient of this layer")
    folder = tmp_path_factory.mktemp("page")
    header = journals.header(
        strategies={"native": {"title": "The layer itself", "meaning": {"dropout": "independent"}}}
    )
    return made(folder, header, *journals.campaign(CASES), lost, journals.END)


def test_the_first_screen_is_the_answer(page):
    """The strategy, why, its price, the alternatives', where it changes, and how far to trust."""
    words = " ".join(Elements(section(page, "answers")).words)
    words = re.sub(r"\d+(?:[.,]\d+)*", "0", words)
    assert words == (
        "never shown slower than the best, in 0 settings: native tokens native "
        "never shown slower than the best, in all 0 settings; costs at most 0 % over the best "
        "instead of it, at worst, beside the best: "
        "time_distributed 0 times loop_slice 0 times "
        "length the same at 0 to 0 phase the same at forward and backward "
        "asked only batch 0, mode graph, device cpu "
        "first call 0 to 0 s "
        "0 launches; 0 % intervals of ±0 % in the median; 0 of 0 comparisons undecided "
        "trust not known for this machine; find out with: pytest bench/ --selftest"
    )


def test_every_question_has_its_section(page):
    """In this order; modes and devices only where there are several."""
    anchors = re.findall(r'<section id="([\w-]+)"', page)
    assert anchors == [
        "answers",
        "legend",
        "winners",
        "length",
        "phases",
        "first-call",
        "memory",
        "prices",
        "steps",
        "meanings",
        "measurements",
        "not-run",
        "machine",
    ]
    assert "no gradient of this layer" in section(page, "not-run")
    assert "independent" in section(page, "meanings")
    assert "pytest bench/ --seq-len 10,100" in section(page, "machine")


def test_modes_are_compared_where_there_are_several(tmp_path):
    """With the best of them, at the same sizes."""
    cases = CASES + journals.grid(FEW, mode=Mode.XLA)
    page = made(tmp_path, journals.header(), *journals.campaign(cases), journals.END)
    assert "times the best" in section(page, "execution")


def test_a_run_without_a_measurement_says_so(tmp_path):
    """The page has its losses all the same."""
    lost = journals.ended(journals.case(), Status.CRASHED, "signal 11")
    page = made(tmp_path, journals.header(), lost, journals.END)
    assert "nothing to compare yet" in page
    assert "signal 11" in section(page, "not-run")


def test_the_table_has_the_share_of_what_the_machine_attains(tmp_path):
    """A million operations in 1 ms, where a second holds ten thousand million of them."""
    facts = {
        "flops": 1e6,
        "least_bytes": 10,
        "attainable_flops_per_second": 1e10,
        "attainable_bytes_per_second": 1e10,
    }
    line = journals.line(journals.case(), 1, [1e-3] * 6, facts=facts)
    made(tmp_path, journals.header(), line, journals.END)
    (row,) = csv.DictReader((tmp_path / "report" / "tables" / "measurements.csv").open())
    assert float(row["of the limit (%)"]) == pytest.approx(10)


def test_two_launches_are_called_no_verdict(tmp_path):
    """Nobody was beaten by them."""
    page = made(tmp_path, journals.header(), *journals.campaign(CASES, launches=2), journals.END)
    first = section(page, "answers")
    assert "fewer than 3 launches are no verdict" in first
    assert "unbeaten" not in first


def test_one_launch_is_called_no_verdict(tmp_path):
    """Its prices are what was seen."""
    page = made(tmp_path, journals.header(), *journals.campaign(CASES, launches=1), journals.END)
    first = section(page, "answers")
    assert "one launch is no verdict" in first
    assert "(seen, no interval)" in first
    assert "no interval: play at least three" in first


def test_the_page_loads_nothing(page):
    """No network, and no file either."""
    assert loads(page) == []
    assert "default-src 'none'" in page


@pytest.mark.parametrize(
    "loaded",
    [
        '<img src="https://example.org/x.png">',
        '<link rel="stylesheet" href="style.css">',
        "<style>@import 'x.css'</style>",
        "<style>a{background:url(x.png)}</style>",
    ],
)
def test_the_check_of_loading_sees_what_is_loaded(page, loaded):
    """So that an empty list means something."""
    assert loads(page + loaded) != []


def test_hostile_names_are_text(tmp_path):
    """As strategy, workload, device, reason, title, meaning, command and version."""
    evil = HOSTILE[1]
    cases = journals.grid(HOSTILE, [evil, "tokens"], device=HOSTILE[0])
    header = journals.header(
        strategies={name: {"title": evil, "meaning": {evil: HOSTILE[0]}} for name in HOSTILE},
        command=[evil],
        started=HOSTILE[2],
        machine={"name": evil, "identity": {"cpu": evil}, "drift": {"versions": {evil: evil}}},
    )
    lost = journals.ended(journals.case(evil), Status.CRASHED, HOSTILE[0])
    page = made(tmp_path, header, *journals.campaign(cases), lost, journals.END)
    assert harm(page) == []
    assert loads(page) == []
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "{{ 7 * 7 }}" in page


@pytest.mark.parametrize(
    "added", ["<script>1</script>", "<img>", '<p onclick="1">', "\x1b", "<base href='x'>"]
)
def test_the_check_of_harm_sees_it(page, added):
    """So that an empty list means something."""
    assert harm(page) == []
    assert harm(page + added) != []


def test_the_only_script_that_may_run_is_the_pages_own(page):
    """The policy names it by its hash; another script has another."""
    script = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)[0]
    hashes = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (script, f"{script} ")
    ]
    assert [f"script-src 'sha256-{one}'" in page for one in hashes] == [True, False]


def test_a_thousand_measurements_fit_in_three_megabytes(tmp_path):
    """Figures, tables and all."""
    strategies = [f"strategy_{place}" for place in range(25)]
    cases = journals.grid(strategies, seq_lens=(8, 16, 32, 64, 128), batches=(1, 8, 32, 128))
    page = made(tmp_path, journals.header(), *journals.campaign(cases, rounds=5), journals.END)
    assert "1,000 measurements in 40 settings" in page
    assert len(page.encode()) < 3_000_000


def test_ids_are_unique_and_what_is_referred_to_exists(page):
    """Across all figures, whose own ids would clash."""
    tags = Elements(page).tags
    ids = [attributes["id"] for _, attributes in tags if attributes.get("id")]
    links = {attributes.get("href") for tag, attributes in tags if tag in ("a", "use")}
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in links if link and link.startswith("#")} <= set(ids)


def test_every_figure_and_table_is_a_file_beside_the_page(page, tmp_path):
    """Each is linked."""
    made(tmp_path, journals.header(), *journals.campaign(CASES), journals.END)
    files = {
        str(path.relative_to(tmp_path / "report"))
        for folder in ("figures", "tables")
        for path in (tmp_path / "report" / folder).iterdir()
    }
    linked = {attributes.get("href") for tag, attributes in Elements(page).tags if tag == "a"}
    assert files <= linked
    assert {"figures/forward_backward.png", "tables/measurements.csv"} <= files


def test_a_table_as_csv_has_numbers_for_programs_and_no_formula():
    """Commas of thousands go, a formula becomes text."""
    columns = (
        Column("who", value=lambda row: row[0]),
        Column("n", value=lambda row: row[1], format="{:,.1f}".format, number=True),
    )
    text = csv_as_shown(Table("t", "T", columns, [("=1+1", 1234.5)]))
    assert list(csv.reader(io.StringIO(text))) == [["who", "n"], ["'=1+1", "1234.5"]]


def test_a_filter_offers_the_values_of_a_column_in_their_order():
    """Sizes by size; nothing where there is no choice."""
    columns = (
        Column("size", value=lambda row: row[0], format="{:,}".format, number=True, filtered=True),
        Column("one", value=lambda row: row[1], filtered=True),
        Column("x", value=lambda row: row[2]),
    )
    rows = [(1024, "a", "x"), (8, "a", "y"), (16, "a", "z")]
    assert Table("t", "T", columns, rows).choices == {0: ("8", "16", "1,024")}


def test_a_figure_becomes_small_and_themed_but_its_text_stays():
    """Numbers are rounded in tags alone, colours of the theme follow the page's."""
    svg = (
        '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><metadata>x</metadata>'
        '<g id="unused"><path id="p1" d="M 1.23456 2.98765" style="fill: #1b1f24"/></g>'
        '<use xlink:href="#p1"/><text>1.23456 #1b1f24</text></svg>'
    )
    assert inline(svg, "f0-") == (
        '<svg><g><path id="f0-0" d="M 1.2 3" style="fill: var(--ink)"/></g>'
        '<use href="#f0-0"/><text>1.23456 #1b1f24</text></svg>'
    )
