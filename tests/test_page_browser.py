"""The page in a real browser."""

import re

import pytest

from tests.support import journals
from tests.support.browser import CHROMIUM
from tests.support.pages import FEW, HOSTILE, drawn, made
from timelift.axis_values import Mode, Status
from timelift.present.usage import Code, CodeToPaste, Inputs

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
    pytest.mark.usefixtures("silent"),
]
#: What the chooser shows: the values of its fields, what is selected, and the state in the address.
CHOSEN = "[...document.querySelectorAll('#chooser select')].map((one) => one.value)"
LEAD = "document.querySelector('#chooser .lead').textContent"
NOTE = "document.querySelector('#chooser .state').textContent"
DETAIL = "document.querySelector('#chooser .detail h3').textContent"
DRAWN = "[...document.querySelectorAll('.plot')].filter((one) => one.firstChild).length"
#: A file that looks as if it had a place to fill, its call, and what fills this.
CALL = "shape = {shape}\n{inner}model = build(layer, shape{dtype})  # <b>&"
CODE = Code("a = '{shape}'\n", CALL, "layer = build(layer, shape[1:]{dtype})\n")
INPUTS = Inputs("(16, 3)  # $& <b>", ", dtype='int32'", "step", "inputs")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of a small run: two workloads, of which one has a mode and a length less."""
    folder = tmp_path_factory.mktemp("page")
    names = (*FEW, "x" * 60)
    cases = journals.grid(names) + journals.grid(names, mode=Mode.XLA)
    cases += journals.grid(names, ("sensor",), seq_lens=(16,))
    records = journals.campaign(cases)
    inputs = {"sensor": INPUTS, "tokens": INPUTS._replace(lifts=2)}
    inputs_of = {case.setting: inputs[case.setting.workload] for case in cases}
    code = CodeToPaste({"native": CODE}, inputs_of)
    made(folder, journals.header(), *records, journals.END, code=code)
    return folder / "report" / "index.html"


def tab_to(tag, browser):
    """Press Tab until an element has the focus; a page that is broken has none."""
    for _ in range(60):
        if browser.ask("document.activeElement.tagName") == tag:
            return
        browser.press("Tab")
    pytest.fail(f"no {tag} has the focus")


def test_a_case_is_chosen_by_keyboard_and_is_in_the_address(browser, page):
    browser.open(page)
    assert browser.ask(CHOSEN) == ["tokens", "128", "forward", "graph"]
    assert "times as fast as TimeDistributed" in browser.ask(LEAD)
    title = "tokens, 128 steps, batch 8, forward, graph, float32, cpu, default threads, TensorFlow"
    assert browser.ask("document.querySelector('#chooser caption').textContent") == title
    tab_to("SELECT", browser)
    browser.press("Tab", "ArrowUp")
    assert browser.ask(CHOSEN) == ["tokens", "16", "forward", "graph"]
    assert "seq_len=16" in browser.ask("location.hash")
    assert browser.ask("document.activeElement.value") == "16"
    tab_to("BUTTON", browser)
    browser.press("Tab", "Enter")
    picked = browser.ask(DETAIL)
    assert browser.ask("document.activeElement.textContent") == picked
    assert f"strategy={picked}" in browser.ask("location.hash")
    browser.ask("history.back()")
    browser.wait(f"{DETAIL} !== {picked!r}")
    browser.ask("history.back()")
    browser.wait(f"{CHOSEN}[1] === '128'")


def test_the_page_opens_a_case_in_which_its_title_holds(browser, tmp_path):
    """Write native: it costs little at 128 steps, where fold_time is shown faster."""
    times = {"time_distributed": (4, 9), "native": (1, 2.2), "fold_time": (3, 2)}
    cases = journals.grid([*times], phases=["forward"])
    seconds = {of: 1e-3 * times[of.strategy][of.setting.seq_len > 16] for of in cases}
    browser.open(drawn(tmp_path, seconds, noise=0.003))
    assert browser.ask("document.querySelector('h1').textContent").startswith("Write native")
    assert browser.ask(CHOSEN) == ["16"]
    browser.open(tmp_path / "report" / "index.html", "#seq_len=128")
    assert browser.ask(LEAD).startswith("Write fold_time")


def test_the_chooser_calls_a_train_step_so_and_tells_it_beside_a_backward_call(browser, tmp_path):
    cases = journals.grid(FEW, phases=("backward", "train"))
    made(tmp_path, journals.header(), *journals.campaign(cases), journals.END)
    chooser = "document.querySelector('#chooser').textContent"
    browser.open(tmp_path / "report" / "index.html")
    assert "a train step" not in browser.ask(chooser)
    browser.open(tmp_path / "report" / "index.html", "#phase=train")
    assert browser.ask("document.querySelector('#chooser th.call').textContent") == "a train step"
    assert re.search(r"\] a train step, 1\.6 times a backward call", browser.ask(chooser))


@pytest.mark.parametrize(
    ("link", "chosen", "note"),
    [
        ("workload=sensor&phase=backward", ["sensor", "16", "backward", "graph"], ""),
        ("workload=tokens&seq_len=16&mode=xla", ["tokens", "16", "forward", "xla"], ""),
        ("workload=tokens&seq_len=100", ["tokens", "128", "forward", "graph"], "length 100"),
        ("workload=sensor&mode=xla", ["sensor", "16", "forward", "graph"], "mode xla"),
        ("workload=else&seq_len=<b>", ["tokens", "128", "forward", "graph"], "workload else"),
        ("seq_len=1e999", ["tokens", "128", "forward", "graph"], "length 1e999"),
        ("tables", ["tokens", "128", "forward", "graph"], ""),
    ],
)
def test_a_link_restores_a_case_or_the_nearest(browser, page, link, chosen, note):
    browser.open(page, f"#{link}&strategy=loop_slice" if "=" in link else f"#{link}")
    found = browser.ask(CHOSEN)
    assert found[0] == chosen[0]
    if "else" not in link:
        assert found == chosen
    assert browser.ask(NOTE).startswith(f"Not measured: {note}" if note else "")
    assert bool(browser.ask(NOTE)) == bool(note)
    assert browser.ask(DETAIL) == ("loop_slice" if "=" in link else "native")


def test_a_choice_that_was_not_measured_keeps_what_was_asked_and_picked_last(browser, page):
    browser.open(page, "#workload=tokens&seq_len=128&phase=forward&mode=xla&strategy=loop_slice")
    browser.ask(
        "(select => { select.value = 'sensor'; select.dispatchEvent(new Event('change')); })"
        "(document.querySelector('#chooser select'))"
    )
    browser.settle()
    assert browser.ask(CHOSEN) == ["sensor", "16", "forward", "graph"]
    assert "length 128, mode xla" in browser.ask(NOTE)
    assert browser.ask(DETAIL) == "loop_slice"


def test_a_name_in_the_table_of_the_fastest_leads_to_its_case(browser, page):
    browser.open(page)
    where = "document.querySelector('#chooser').getBoundingClientRect().top"
    browser.ask("document.querySelector('#winners').scrollIntoView()")
    link = "document.querySelector('#winners details:last-child a')"
    assert browser.ask(where) < 0
    browser.ask(f"{link}.click()")
    browser.wait(f"{where} > -2")
    assert browser.ask(CHOSEN)[:2] == ["tokens", "16"]
    browser.open(page, "#workload=sensor", width=390, height=400)
    assert -1 < browser.ask(where) < 300


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize(("workload", "lifts"), [("sensor", 1), ("tokens", 2)])
def test_the_code_to_paste_is_copied(browser, page, workload, lifts):
    browser.open(page, f"#workload={workload}")
    browser.ask("navigator.clipboard.writeText = (text) => { window.copied = text; }")
    browser.ask("document.querySelector('.copy').click()")
    browser.wait("document.querySelector('.copy').textContent === 'Copied'")
    assert browser.ask("window.copied") == CODE.filled(INPUTS._replace(lifts=lifts))
    browser.open(page, "#strategy=loop_slice")
    assert browser.ask(DETAIL) == "loop_slice"
    assert browser.ask("document.querySelectorAll('.copy').length") == 0


def test_a_page_without_prices_has_its_charts_in_their_sections(browser, tmp_path):
    browser.open(drawn(tmp_path, journals.grid(("time_distributed",))))
    charts = "[...document.querySelectorAll('[data-chart]')]"
    assert browser.ask(f"{charts}.map((one) => one.dataset.chart)")[0] == "time"
    assert browser.ask(f"{charts}.every((one) => one.querySelector('details'))")


def test_charts_are_drawn_when_they_come_into_view(browser, page):
    browser.open(page)
    browser.wait(f"{DRAWN} > 0")
    few = browser.ask(DRAWN)
    assert few < browser.ask("document.querySelectorAll('.plot').length")
    browser.ask("document.querySelector('#memory').scrollIntoView()")
    browser.wait(f"{DRAWN} > {few}")
    browser.ask("document.querySelector('#speed-up').scrollIntoView()")
    marks = "document.querySelectorAll('#speed-up .plot path').length"
    browser.wait("[...document.querySelectorAll('#speed-up .plot')].every((one) => one.firstChild)")
    before = browser.ask(marks)
    browser.ask("document.querySelector('#legend input').click()")
    assert browser.ask(marks) < before


def test_a_link_unfolds_a_table_whose_headings_sort_and_say_so_and_a_search_counts(browser, page):
    browser.open(page, "#table-measurements")
    opened = "[...document.querySelectorAll('.sheet[open]')].map((one) => one.id)"
    assert browser.ask(opened) == ["table-measurements"]
    sheet = "document.querySelector('#table-measurements')"
    heads = browser.ask(f"[...{sheet}.querySelectorAll('th')].map((head) => head.textContent)")
    time = next(place for place, head in enumerate(heads) if head.startswith("time"))
    column = f"[...{sheet}.querySelectorAll('tbody tr')].filter((row) => !row.hidden)"
    numbers = f"{column}.map((row) => Number(row.cells[{time}].textContent.replace(',', '')))"
    press = f"{sheet}.querySelectorAll('th button')[{time}].click()"
    for direction in ("ascending", "descending"):
        browser.ask(press)
        found = browser.ask(numbers)
        assert found == sorted(found, reverse=direction == "descending")
        sorts = f"{sheet}.querySelectorAll('th')[{time}].getAttribute('aria-sort')"
        assert browser.ask(sorts) == direction
    assert len(found) == 40
    for words, left in (("SLICE", 10), ("slice 16", 6), ("slice 17", 0), ("", 40)):
        browser.ask(
            f"(field => {{ field.value = {words!r}; field.dispatchEvent(new Event('input')); }})"
            f"({sheet}.querySelector('input'))"
        )
        assert browser.ask(f"{column}.length") == left
        said = browser.ask(f"{sheet}.querySelector('output').textContent")
        assert said == (f"{left} of 40 rows" if words else "")


#: Long timers are kept instead of started, so that a page does what it does later when a test says.
HELD = """{ const start = window.setTimeout; window.held = [];
window.setTimeout = (act, after, ...more) =>
  after < 1000 ? start(act, after, ...more) : held.push([act, after]); }"""


@pytest.fixture
def held(browser):
    """The pages of a test start no long timers."""
    end = browser.before_pages(HELD)
    yield
    end()


@pytest.mark.parametrize(
    ("dark", "paper"), [(False, "rgb(255, 255, 255)"), (True, "rgb(20, 23, 26)")]
)
def test_the_page_has_the_theme_of_the_reader(browser, page, dark, paper):
    browser.open(page, dark=dark)
    browser.wait("document.querySelector('.plot text') !== null")
    assert browser.ask("getComputedStyle(document.body).backgroundColor") == paper
    ink = browser.ask("getComputedStyle(document.querySelector('.plot text')).color")
    assert (sum(map(int, re.findall(r"\d+", ink))) > 400) is dark


def test_the_console_is_silent_and_smuggled_scripts_do_not_run(browser, page, tmp_path):
    hostile = drawn(tmp_path, journals.grid(HOSTILE, ("constructor", HOSTILE[1])))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in hostile.read_text()
    assert "{{ 7 * 7 }}" in hostile.read_text()
    browser.open(hostile)
    assert browser.said == []
    assert browser.ask("document.querySelectorAll('#chooser img').length") == 0
    evil = page.read_text().replace("</body>", "<script>document.title = 'owned'</script></body>")
    (tmp_path / "smuggled.html").write_text(evil)
    browser.open(tmp_path / "smuggled.html")
    assert "owned" not in browser.ask("document.title")
    assert any("Content Security Policy" in line for line in browser.said)
    browser.said.clear()


def test_without_a_script_the_answer_and_the_tables_are_whole(browser, page, tmp_path):
    bare = re.sub(r"<script.*?</script>", "", page.read_text(), flags=re.DOTALL)
    (tmp_path / "bare.html").write_text(bare)
    browser.open(tmp_path / "bare.html")
    assert browser.ask("document.querySelector('h1').offsetHeight") > 0
    assert browser.ask("document.querySelectorAll('#table-measurements tbody tr').length") == 40
    hidden = "[...document.querySelectorAll('.script')].every((one) => !one.offsetHeight)"
    assert browser.ask(hidden)


def test_paper_has_what_the_screen_folds(browser, page):
    browser.open(page)
    browser.ask(
        "window.opened = 0; addEventListener('beforeprint', () => {"
        "window.opened = document.querySelectorAll('details:not([open])').length;"
        f"window.drawn = {DRAWN}; }})"
    )
    folded = browser.ask("document.querySelectorAll('details:not([open])').length")
    assert browser.print().startswith(b"%PDF")
    assert browser.ask("window.opened") == 0 < folded
    assert browser.ask("window.drawn") == browser.ask("document.querySelectorAll('.plot').length")
    assert browser.ask("document.querySelectorAll('details:not([open])').length") == folded


#: What leaves its card, its cell or the window, but for what scrolls inside itself.
OUTSIDE = """[...document.querySelectorAll('main *')].filter((one) => {
  const card = one.closest('.card') ?? document.documentElement;
  if (one.matches('.bars td')) return one.scrollWidth > one.clientWidth + 1;
  return !one.closest('.scroll, pre, svg')
    && one.getBoundingClientRect().right > card.getBoundingClientRect().right + 1;
}).map((one) => one.outerHTML.slice(0, 80))"""


@pytest.fixture(scope="module")
def charts(tmp_path_factory):
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


def test_every_tick_of_a_logarithmic_axis_has_its_label(browser, charts):
    browser.open(charts)
    found = words(browser, "#time")
    assert {"8", "64", "512", "4,096"} <= set(found)
    assert {"500 µs", "5 ms"} <= set(found)


def test_a_panel_names_its_baseline_where_another_has_another(browser, charts, tmp_path):
    browser.open(charts)
    assert captions(browser, "#speed-up") == [
        "graph, beside loop_slice",
        "graph, beside TimeDistributed",
        "eager, beside TimeDistributed",
    ]
    assert not any("beside" in one for one in captions(browser, "#time"))
    browser.open(drawn(tmp_path, journals.grid(FEW)))
    assert captions(browser, "#speed-up") == ["forward", "backward"]


def test_modes_have_a_panel_where_a_size_was_measured_in_several(browser, charts):
    browser.open(charts)
    assert captions(browser, "#modes") == ["64 steps"]
    assert browser.ask("document.querySelectorAll('#modes details').length") == 1
    found = [one for one in words(browser, "#modes") if one in {*FEW, "graph", "eager", "xla"}]
    assert found == ["graph", "eager", "native", "native"]


def test_costs_are_in_order_and_the_advised_is_bold(browser, charts):
    browser.open(charts)
    found = words(browser, "#prices figure:last-child")
    costs = [float(re.match(r"[\d.]+", one)[0]) for one in found if "." in one]
    assert costs == sorted(costs)
    assert len(costs) == 8
    assert set(texts(browser, "#prices [font-weight=bold] text")) == {"native"}
    assert "time_distributed (baseline)" in found


def test_nothing_is_to_be_written_where_nothing_was_shown_faster(browser, tmp_path):
    cases = [*journals.grid(FEW[::2], seq_lens=(16,))]
    browser.open(drawn(tmp_path, cases, noise=0.1))
    assert re.match("Not decided: native looked best, .* not shown", browser.ask(LEAD))
    cases = [*journals.grid(("time_distributed", "loop_slice"), seq_lens=(16,))]
    browser.open(drawn(tmp_path, cases, noise=0.01))
    assert browser.ask(LEAD) == "Keep TimeDistributed: the best."


def test_all_strategies_are_drawn_and_the_button_stays_at_hand(browser, charts):
    browser.open(charts)
    browser.ask("document.querySelector('#legend button').focus()")
    for said in ("The 8 cheapest", "All 27"):
        browser.press("Enter")
        assert browser.ask("document.activeElement.textContent") == said


def test_charts_follow_the_width_of_the_window(browser, charts):
    browser.open(charts)
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
def test_nothing_is_wider_than_the_window_or_its_card(browser, charts, width):
    browser.open(charts, width=width)
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
    lines = journals.campaign({journals.case(name): one for name, one in seconds.items()})
    lost = journals.ended(journals.case("lstm"), Status.REFUSED, "it has no size.")
    made(tmp_path, head, *lines, lost, journals.END)
    browser.open(tmp_path / "report" / "index.html")
    said = browser.ask("document.querySelector('#chooser').innerText")
    assert lead in {None, browser.ask(LEAD)}
    assert words in said
    assert "times as fast as gru" not in said
    assert ".." not in said
