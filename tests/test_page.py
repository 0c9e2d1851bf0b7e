"""The page: the answer first, nothing loaded, nothing from a file run, small, with all tables."""

import base64
import hashlib
import json
import re

import pytest

from tests.support import journals, pages
from tests.support.gates import run_file
from tests.support.journals import AGAINST
from tests.support.pages import FEW, Elements, data, harm, made, reported, section
from tests.support.projects import STRATEGIES
from timelift.axis_values import Lengths, Status
from timelift.present.page import page_scripts, page_words
from timelift.present.page.data import inside_html, page_data
from timelift.present.usage import NO_CODE
from timelift.present.words import _DECLARED, meaning_in_words, moot
from timelift.source import MEANING

CASES = journals.grid(FEW)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of a small run in which native is the best everywhere but at few steps."""
    lost = journals.ended(journals.case("gru"), Status.REFUSED, "no gradient of this layer")
    folder = tmp_path_factory.mktemp("page")
    header = journals.header(
        strategies={"native": {"title": "The layer itself", "meaning": {"DROPOUT": "independent"}}}
    )
    return made(folder, header, *journals.campaign(CASES), lost, journals.END)


def words(html, anchor):
    return " ".join(Elements(section(html, anchor)).words)


def test_no_setting_is_left_out_of_what_charts_draw(tmp_path):
    cases = journals.grid(FEW, ("a", "b", "c"), (1, 2, 4, 8), (1, 2, 4, 8, 16, 32))
    lost = journals.ended(journals.case(workload="d"), Status.CRASHED, "signal 11")
    html = made(tmp_path, journals.header(), *journals.campaign(cases, 1, 2), lost, journals.END)
    drawn = data(html)
    assert len(drawn["settings"]["workload"]) == len(cases) // len(FEW) + 1
    assert len(drawn["rows"]["setting"]) == len(cases)
    assert "native for d crashed: signal 11" in words(html, "tables")


def test_a_row_of_the_data_is_that_of_the_ranking(page):
    drawn = data(page)
    columns = drawn["rows"].values()
    rows = [dict(zip(drawn["rows"], row, strict=True)) for row in zip(*columns, strict=True)]
    names = [one["name"] for one in drawn["strategies"]]
    assert len(rows) == len(CASES)
    for row in rows:
        name, base = names[row["strategy"]], drawn["settings"]["baseline"][row["setting"]]
        assert names[base] == "time_distributed"
        others = [one for one in rows if one["setting"] == row["setting"]]
        (baseline,) = [one for one in others if one["strategy"] == base]
        assert row["times"] == pytest.approx(baseline["time"] / row["time"], rel=2e-3)
        assert row["times_low"] <= row["times"] <= row["times_high"]
        shown = {"native": "shown faster", "loop_slice": "shown slower"}
        assert row["beside"] == shown.get(name, "baseline")


def test_a_bound_is_rounded_up(tmp_path):
    seen = pages.found(tmp_path / "run", journals.header(), *journals.campaign(CASES), journals.END)
    drawn = page_data(seen, NO_CODE)
    costs = [row.cost_over_best.high for one in seen.rankings for row in one.all_rows]
    (answer,), (prices,) = seen.answers.values(), drawn["prices"]
    bounds = [*costs, *(one.ratio for one in answer.prices)]
    written = [*drawn["rows"]["cost"], *prices["strategies"]["worst"]]
    assert all(bound <= text + 1e-9 for bound, text in zip(bounds, written, strict=True))
    assert written == pytest.approx(bounds, rel=1e-3)
    assert any(float(f"{bound:.4g}") < text for bound, text in zip(bounds, written, strict=True))


def test_two_baselines_are_named_beside_their_charts(tmp_path):
    others = journals.grid(("fold_time", "loop_slice"), ["walk"])
    for cases, baseline in ((CASES, "TimeDistributed"), (CASES + others, "the baseline")):
        html = made(tmp_path, journals.header(), *journals.campaign(cases), journals.END)
        assert f"Speed-up over {baseline} against length" in words(html, "speed-up")
        assert ("for its workload alone" in words(html, "answer")) == (len(cases) > len(CASES))
        assert "times as fast as TimeDistributed" in words(html, "answer")


def test_what_a_strategy_means_is_in_plain_words(page):
    (native,) = [one for one in data(page)["strategies"] if one["name"] == "native"]
    assert native["meaning"] == [["Dropout", "draws new noise for every step"]]
    assert native["colour"] == "#3c96ff"
    assert native["code"] is None


def test_what_means_nothing_for_a_layer_and_its_lengths_is_moot(tmp_path):
    full, skewed = (journals.case(lengths=Lengths(one)) for one in ("full", "skewed"))
    assert moot(full.setting, None) == []
    assert moot(full.setting, ["noise", "losses"]) == [
        "BatchNormalization",
        "Masks",
        "Masked steps",
    ]
    assert moot(skewed.setting, ["statistics", "losses"]) == ["Dropout"]
    html = made(tmp_path, journals.header(), journals.line(full, facts={"added": []}), journals.END)
    assert len(data(html)["settings"]["moot"][0]) == 5


def test_every_word_that_a_strategy_of_ours_declares_is_told_plainly():
    for strategy in STRATEGIES.values():
        for name in {*MEANING} & {*strategy.constants}:
            declared = strategy.constants[name]
            words = {*declared.values()} if isinstance(declared, dict) else {declared}
            assert words <= {"refused", *_DECLARED[name]}, (strategy.name, name)
    assert meaning_in_words({"NOISE": "all_new"}) == [("noise", "all new")]


def test_few_launches_are_called_no_verdict(tmp_path):
    lines = journals.campaign(CASES, launches=2)
    html = made(tmp_path, journals.header(), *lines, journals.END)
    (headline,) = re.findall(r'<h1 id="headline">(.*?)</h1>', html)
    assert "seen in 2 launches: no verdict" in headline
    assert "Write" not in headline
    assert 'id="prices"' not in html
    leads = data(html)["settings"]["lead"]
    assert {"seen in 2 launches: no verdict" in lead for lead in leads} == {True}


@pytest.mark.parametrize(
    ("check", "added"),
    [
        (pages.loads, '<img src="https://example.org/x.png">'),
        (pages.loads, '<link rel="stylesheet" href="style.css">'),
        (pages.loads, "<style>@import 'x.css'</style>"),
        (pages.loads, "<style>a{background:url(x.png)}</style>"),
        (pages.harm, "<script>1</script>"),
        (pages.harm, "<script type='application/json' id='data'>{}</script>"),
        (pages.harm, '<p onclick="1">'),
        (pages.harm, "\x1b"),
        (pages.harm, "<base href='x'>"),
        (pages.harm, f"<script>{page_scripts()[-1]}</script>"),
    ],
)
def test_the_checks_of_loading_and_harm_see_it(page, check, added):
    assert check(page) == []
    assert check(page + added) != []


def test_the_only_scripts_that_may_run_are_the_pages_own(page):
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert tuple(scripts) == page_scripts()
    (policy,) = re.findall("script-src (.*?);", page)
    assert policy.split() == [f"'sha256-{digest(one)}'" for one in scripts]
    assert "default-src 'none'" in page
    assert digest(f"{scripts[-1]} ") not in policy
    assert "<script" not in pages.without_scripts(page).replace("<script type", "")


def digest(text):
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_a_thousand_measurements_fit_in_three_megabytes(tmp_path):
    strategies = [f"strategy_{place}" for place in range(25)]
    cases = journals.grid(strategies, seq_lens=(8, 16, 32, 64, 128), batches=(1, 8, 32, 128))
    html = made(tmp_path, journals.header(), *journals.campaign(cases, rounds=5), journals.END)
    assert "1,000 cases in 40 settings" in html
    assert len(html.encode()) < 3_000_000


def test_ids_are_unique_and_what_is_referred_to_exists(page):
    tags = Elements(page).tags
    ids = [attributes["id"] for _, attributes in tags if attributes.get("id")]
    links = {attributes.get("href") for tag, attributes in tags if tag == "a"}
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in links if link and link.startswith("#")} <= set(ids)


def test_every_figure_and_table_is_a_file_beside_the_page(tmp_path):
    html = pages.reported(journals.synthetic(tmp_path / "run.jsonl", CASES))
    report = tmp_path / "report"
    files = {str(path.relative_to(report)) for path in report.glob("*/*")}
    linked = {attributes.get("href") for tag, attributes in Elements(html).tags if tag == "a"}
    assert files <= linked
    assert {"figures/first_call_and_memory.png", "tables/measurements.csv", "report.md"} <= linked


def test_the_script_says_what_it_is_sent():
    said = set(re.findall(r"\bwords\.(\w+)", page_scripts()[-1]))
    assert said == set(page_words.WORDS)


def test_data_inside_a_page_ends_no_script():
    for text in ("</script>", "<!--", "\u2028", '"'):
        inside = inside_html({"a": text})
        assert "<" not in inside
        assert "\u2028" not in inside
        assert json.loads(inside) == {"a": text}


@pytest.mark.parametrize(
    ("slow", "headline", "count"),
    [
        (1.06, "1 of 4 cases fails the gate against main: 1 slower.", "1 slower, 3 same"),
        (0.9, "None of 4 cases fails the gate against main.", "1 faster, 3 same"),
    ],
)
def test_a_gate_says_first_what_fails_it(tmp_path, slow, headline, count):
    html = reported(run_file(tmp_path, slow=slow))
    (said,) = re.findall(r'<h1 id="headline">(.*?)</h1>', html)
    assert re.sub("<.*?>", "", said) == headline
    words = " ".join(Elements(section(html, "answer")).words)
    assert f"gate 3 %, 1.5 % ignored: {count}." in words
    assert "Write" not in words
    assert not {"Your case", "Fastest by size"} & {*Elements(html).words}
    assert "over the best" not in section(html, "answer").partition("</details>")[2]
    assert html.index('class="answers"') < html.index('<dl class="trusted">')
    assert "new: mine" in {*Elements(html).words}


def test_hostile_names_of_sides_are_text(tmp_path):
    evil = "<script>alert(1)</script>\x1b"
    html = reported(run_file(tmp_path, slow=1.06, against=AGAINST | {"label": evil}))
    assert harm(html) == []
    assert "&lt;script&gt;alert(1)" in html
