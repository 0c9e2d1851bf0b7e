"""Percentages: one spelling means one thing, wherever it is written."""

import pytest

import report
from tests import journals
from tests.stored import stored
from timelift.errors import UserError, read_share
from timelift.measure.options import OPTIONS

PERCENTAGES = [one for one in OPTIONS if one.default.endswith("%")]


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Two runs of one machine, of which the later has a rival that is 12 % slower."""
    folder = tmp_path / "results" / journals.MACHINE["name"]
    folder.mkdir(parents=True)
    monkeypatch.setattr(report, "ROOT", tmp_path)
    started = [f"2026-01-0{day}T00:00:00+00:00" for day in (1, 2)]
    slower = {("loop_slice", 1): 1.12}
    return [
        str(stored(folder / "1.jsonl", 1, started=started[0], session_sd=0)),
        str(stored(folder / "2.jsonl", 2, slower, started=started[1], session_sd=0)),
    ]


@pytest.mark.parametrize("option", PERCENTAGES, ids=lambda one: one.name)
def test_pytest_reads_both_spellings_alike(option):
    assert option.value("7%") == option.value("0.07") == option.value("7 %") == pytest.approx(0.07)


@pytest.mark.parametrize(("three", "fifty"), [("3%", "50%"), ("0.03", "0.5")])
def test_compare_reads_both_spellings_alike(runs, three, fifty):
    assert report.main(["compare", *runs, "--strict", "--gate", three]) == 2
    assert report.main(["compare", *runs, "--strict", "--gate", fifty]) == 0


@pytest.mark.parametrize("word", ["7%", "0.07"])
def test_history_reads_both_spellings_alike(runs, capsys, word):
    assert runs
    folder = str(report.ROOT / "results" / "out")
    assert report.main(["history", "--gate", word, "--output", folder]) == 0
    assert "too few runs" in capsys.readouterr().out


@pytest.mark.parametrize("word", ["0", "-3%", "nan", "inf", "inf%", "x", "", "100%", "200%", "%"])
@pytest.mark.parametrize(
    "command", [["compare", "a", "b"], ["history"], ["bisect", "a", "b", "--case", "c"]]
)
def test_what_is_no_share_is_refused_with_both_spellings(command, word, capsys):
    with pytest.raises(SystemExit):
        report.main([*command, f"--gate={word}"])
    said = capsys.readouterr().err
    assert "argument --gate: expected a share between 0 and 100%" in said
    assert "write it like 3% or 0.03, which are the same" in said


@pytest.mark.parametrize(
    ("word", "instead"), [("3", "3% or 0.03"), ("1.", "1% or 0.01"), ("300", "3% or 0.03")]
)
def test_a_bare_number_from_one_on_is_refused(word, instead):
    with pytest.raises(UserError, match=f"write it like {instead}, which are the same"):
        read_share(word)
