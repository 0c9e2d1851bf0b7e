"""Watching: the report is made again while a run goes on, and it ends when the run does."""

import re
import time

import pytest

import report
from tests import journals
from timelift import live_report
from timelift.journal import is_closed

CASES = journals.grid(("native", "loop_slice"), seq_lens=(8, 64), phases=("forward",))
REFRESH = '<meta http-equiv="refresh" content="3">'


def dead_links(page):
    """The files beside a page that it links to and that are not there."""
    links = set(re.findall(r'href="([^"#:]+)"', page.read_text()))
    assert not links or any(link.endswith(".svg") for link in links)
    return {link for link in links if not (page.parent / link).exists()}


@pytest.fixture(autouse=True)
def _polite(monkeypatch):
    """The tests that follow are as urgent as before."""
    monkeypatch.setattr(live_report.os, "nice", lambda _: None)


@pytest.mark.parametrize(
    ("lines", "ended"),
    [
        ([journals.header(), journals.END], True),
        ([journals.header(), journals.END | {"exit": "interrupted"}], True),
        ([journals.header()], False),
        ([journals.header(), journals.line(journals.case())], False),
        ([journals.header(), journals.END, journals.line(journals.case())], False),
        ([], False),
    ],
)
@pytest.mark.parametrize("torn", ["", '{"kind": "end", "exi'])
def test_a_journal_is_closed_by_its_last_line(tmp_path, lines, ended, torn):
    (tmp_path / "run").write_text(journals.text(*lines) + torn)
    assert is_closed(tmp_path / "run") is (ended and not torn)


def test_the_page_follows_a_run_to_its_end(tmp_path, monkeypatch, capsys):
    path = journals.write(tmp_path / "run.jsonl", journals.header())
    index = tmp_path / "report" / "index.html"
    seen = []
    looks = iter(
        [
            list(journals.campaign(CASES, launches=1)),
            [],
            [journals.END],
        ]
    )

    def sleep(seconds):
        assert seconds == 3
        seen.append(index.exists() and REFRESH in index.read_text())
        assert not (index.exists() and dead_links(index))
        journals.go_on(path, *next(looks))

    monkeypatch.setattr(time, "sleep", sleep)
    words = [str(path), "--watch", "--every", "3", "--output", str(index.parent)]
    assert report.main(words) == 0
    assert seen == [False, True, True]
    assert REFRESH not in index.read_text()
    assert (index.parent / "figures" / "time_by_length.png").exists()
    assert not dead_links(index)
    assert "model = build(layer, shape)" in index.read_text()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(maxsplit=1)[1].split(",")[0] for line in lines] == [
        "no measurement yet",
        "4 measurements",
        "4 measurements",
    ]
    assert ", ended: " in lines[-1]


def test_a_run_is_watched_where_processes_have_no_niceness(tmp_path, monkeypatch):
    monkeypatch.delattr(live_report.os, "nice")
    lines = journals.campaign(CASES, launches=1)
    path = journals.write(tmp_path / "run", journals.header(), *lines, journals.END)
    assert report.main([str(path), "--watch", "--output", str(tmp_path / "report")]) == 0
    assert (tmp_path / "report" / "index.html").exists()


def test_ctrl_c_leaves_a_page_that_stands_still(tmp_path, monkeypatch, capsys):
    path = journals.write(tmp_path / "run", journals.header(), *journals.campaign(CASES))

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupt)
    assert report.main([str(path), "--watch", "--output", str(tmp_path / "report")]) == 0
    assert ", left: " in capsys.readouterr().out.splitlines()[-1]
    assert 'http-equiv="refresh"' not in (tmp_path / "report" / "index.html").read_text()


@pytest.mark.parametrize("every", ["0", "-1", "soon", "1.5", "100000"])
def test_a_waiting_time_that_is_none_is_refused(every, capsys):
    with pytest.raises(SystemExit) as end:
        report.main(["--watch", f"--every={every}"])
    assert end.value.code == 1
    assert "expected whole seconds" in capsys.readouterr().err


def test_a_run_that_goes_away_is_a_sentence(tmp_path, monkeypatch, capsys):
    path = journals.write(tmp_path / "run", journals.header())
    monkeypatch.setattr(time, "sleep", lambda _: path.unlink())
    assert report.main([str(path), "--watch", "--output", str(tmp_path / "report")]) == 1
    assert "cannot watch" in capsys.readouterr().err
