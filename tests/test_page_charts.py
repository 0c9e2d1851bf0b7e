"""The page's charts and the room they take, in a real browser: labels, captions, order, widths."""

import re

import pytest

from tests import journals
from tests.browser import CHROMIUM
from tests.pages import FEW, drawn, made
from timelift.case import Mode, Status

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
    pytest.mark.usefixtures("silent"),
]
LEAD = "document.querySelector('#chooser .lead').textContent"
#: What leaves its card, its cell or the window, but for what scrolls inside itself.
OUTSIDE = """[...document.querySelectorAll('main *')].filter((one) => {
  const card = one.closest('.card') ?? document.documentElement;
  if (one.matches('.bars td')) return one.scrollWidth > one.clientWidth + 1;
  return !one.closest('.scroll, pre, svg')
    && one.getBoundingClientRect().right > card.getBoundingClientRect().right + 1;
}).map((one) => one.outerHTML.slice(0, 80))"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Many strategies; four lengths, far apart; a workload in two modes, one without baseline."""
    names = (*FEW, *(f"strategy_with_a_long_name_{place}" for place in range(24)))
    cases = journals.grid(names, seq_lens=(8, 64, 512, 4096), phases=("forward",))
    cases += journals.grid(FEW, mode=Mode.EAGER, seq_lens=(64,), phases=("forward",))
    cases += journals.grid(FEW[:2], ("sensor",), seq_lens=(8, 64), phases=("forward",))
    return drawn(tmp_path_factory.mktemp("charts"), cases)


def words(browser, place):
    browser.ask(f"document.querySelector('{place}').scrollIntoView()")
    browser.wait(f"document.querySelector('{place} .plot text') !== null")
    return texts(browser, f"{place} .plot text")


def captions(browser, place):
    return texts(browser, f"{place} figcaption")


def texts(browser, which):
    return browser.ask(f"[...document.querySelectorAll('{which}')].map((one) => one.textContent)")


def test_every_tick_of_a_logarithmic_axis_has_its_label(browser, page):
    browser.open(page)
    found = words(browser, "#time")
    assert {"8", "64", "512", "4,096"} <= set(found)
    assert {"500 µs", "5 ms"} <= set(found)


def test_a_panel_names_its_baseline_where_another_has_another(browser, page, tmp_path):
    browser.open(page)
    assert captions(browser, "#speed-up") == [
        "graph, beside loop_slice",
        "graph, beside TimeDistributed",
        "eager, beside TimeDistributed",
    ]
    assert not any("beside" in one for one in captions(browser, "#time"))
    browser.open(drawn(tmp_path, journals.grid(FEW)))
    assert captions(browser, "#speed-up") == ["forward", "backward"]


def test_modes_have_a_panel_where_a_size_was_measured_in_several(browser, page):
    browser.open(page)
    assert captions(browser, "#modes") == ["64 steps"]
    assert browser.ask("document.querySelectorAll('#modes details').length") == 1
    found = [one for one in words(browser, "#modes") if one in {*FEW, "graph", "eager", "xla"}]
    assert found == ["graph", "eager", "native", "native"]


def test_costs_are_in_order_and_the_advised_is_bold(browser, page):
    browser.open(page)
    found = words(browser, "#prices figure:last-child")
    costs = [float(re.match(r"[\d.]+", one)[0]) for one in found if "." in one]
    assert costs == sorted(costs)
    assert len(costs) == 8
    assert set(texts(browser, "#prices [font-weight=bold] text")) == {"native"}
    assert "time_distributed (baseline)" in found


def test_nothing_is_to_be_written_where_nothing_was_shown_faster(browser, tmp_path):
    cases = [*journals.grid(FEW[::2], seq_lens=(16,))]
    browser.open(drawn(tmp_path, cases, noise=0.1))
    assert re.match("Write native: .* TimeDistributed, no verdict yet", browser.ask(LEAD))
    browser.open(drawn(tmp_path, cases, noise=0.8))
    assert browser.ask(LEAD) == "Keep TimeDistributed: nothing was shown faster."


def test_another_length_keeps_the_strategy_that_was_picked(browser, page):
    browser.open(page, "#workload=tokens&seq_len=64&strategy=loop_slice")
    change = "(one) => { one.selectedIndex = 0; one.dispatchEvent(new Event('change')); }"
    browser.ask(f"({change})(document.querySelectorAll('#chooser select')[1])")
    browser.settle()
    assert browser.ask("document.querySelectorAll('#chooser select')[1].value") == "8"
    assert browser.ask("document.querySelector('#chooser .detail h3').textContent") == "loop_slice"


def test_all_strategies_are_drawn_and_the_button_stays_at_hand(browser, page):
    browser.open(page)
    browser.ask("document.querySelector('#legend button').focus()")
    for said in ("The 8 cheapest", "All 27"):
        browser.press("Enter")
        assert browser.ask("document.activeElement.textContent") == said


def test_a_link_to_a_table_unfolds_it(browser, page):
    browser.open(page, "#table-measurements")
    opened = "[...document.querySelectorAll('.sheet[open]')].map((one) => one.id)"
    assert browser.ask(opened) == ["table-measurements"]


def test_charts_follow_the_width_of_the_window(browser, page):
    browser.open(page)
    words(browser, "#prices")
    words(browser, "#speed-up")
    browser.ask("document.querySelector('#speed-up details').open = false")
    width = "document.querySelector('{} .plot svg')?.getAttribute('width')"
    prices = width.format("#prices")
    wide = browser.ask(prices)
    browser.resize(700, 800)
    browser.wait(f"{prices} !== '{wide}'")
    assert browser.ask(f"{prices} <= 700")
    browser.ask("document.querySelector('#speed-up details').open = true")
    browser.ask("document.querySelector('#speed-up').scrollIntoView()")
    room = "document.querySelector('#speed-up .plot').clientWidth"
    browser.wait(f"{width.format('#speed-up')} == {room}")


@pytest.mark.parametrize("width", [390, 700, 960, 1024, 1280])
def test_nothing_is_wider_than_the_window_or_its_card(browser, page, width):
    browser.open(page, width=width)
    browser.ask("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert browser.ask("document.documentElement.scrollWidth") == width
    assert browser.ask(OUTSIDE) == []
    browser.ask("document.querySelector('.lead').style.width = '90rem'")
    assert browser.ask(OUTSIDE) != []


@pytest.mark.parametrize(
    ("seconds", "lead", "words"),
    [
        ({"native": 1e-3, "gru": 1e-3}, "Only one lift was measured here.", "gru"),
        ({"native": 1e-3, "einsum_letters": 2e-3, "gru": 5e-4}, None, "times as fast as native"),
    ],
)
def test_a_look_alike_is_no_lift_to_compare_with(browser, tmp_path, seconds, lead, words):
    head = journals.header(strategies={"gru": {"title": "G", "differs": "it has a state"}})
    lines = [
        journals.line(journals.case(name), launch, (one, one))
        for launch in (1, 2, 3)
        for name, one in seconds.items()
    ]
    lines.append(journals.ended(journals.case("lstm"), Status.REFUSED, "it has no size."))
    made(tmp_path, head, *lines, journals.END)
    browser.open(tmp_path / "report" / "index.html")
    said = browser.ask("document.querySelector('#chooser').innerText")
    assert lead in {None, browser.ask(LEAD)}
    assert words in said
    assert "times as fast as gru" not in said
    assert ".." not in said
