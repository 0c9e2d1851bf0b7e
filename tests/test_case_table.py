"""Tables of cases: the numbers that a reader sees, and those that a program reads."""

import pytest

from tests import journals
from tests.pages import found
from tests.simulated import raced
from timelift.analyse.findings import RunFindings
from timelift.analyse.results import Run
from timelift.journal.lines import Header
from timelift.present import terminal
from timelift.present.case_table import for_programs
from timelift.present.full_report import in_markdown, report


def shown(seen):
    """The report as a wide terminal shows it, with its colours where it has some."""
    console = terminal.console()
    console.width = 160
    with console.capture() as capture:
        terminal.show_report(report(seen), console)
    return capture.get()


def test_one_launch_has_no_interval_and_says_so(tmp_path):
    cases = journals.grid(("native", "fold_time"), seq_lens=(16,), phases=("forward",))
    for launches in (1, 3):
        said = shown(
            found(tmp_path / "run", journals.header(), *journals.campaign(cases, launches=launches))
        )
        assert ("within one launch: no interval" in said) is (launches == 1)
        assert ("95 % interval" in said) is (launches == 3)
        assert "nan" not in said


def test_what_a_strategy_means_is_said_beside_its_time(tmp_path):
    meaning = {"DROPOUT": {"static": "independent", "dynamic": "shared"}, "MASKS": "passed"}
    declared = {"native": {"title": "It.", "meaning": meaning}}
    header = journals.header(strategies=declared)
    seen = found(tmp_path / "run", header, journals.line(journals.case("native")))
    said = (
        "Dropout: new noise for every step (static time axis); the same noise for all steps of a "
        "call (dynamic time axis); Masks: passed on to the next layer"
    )
    assert said in shown(seen)
    assert said in in_markdown(report(seen))
    assert [name for name, _ in report(seen).meanings] == ["native"]


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_colour_is_honoured(tmp_path, monkeypatch, name, value):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1")
    cases = journals.grid(("native", "fold_time"))
    seen = found(tmp_path / "run", journals.header(), *journals.campaign(cases))
    assert "\x1b[32m" in shown(seen)
    monkeypatch.setenv(name, value)
    assert "\x1b[32m" not in shown(seen)


def test_without_a_baseline_there_is_no_speed_up():
    seen = RunFindings(Run(Header(), tuple(raced({"native": 1, "gru": 6})), complete=True))
    assert set(for_programs(seen).data["speed_up"]) == {None}
    assert "speed-up" not in dict(report(seen).head)
