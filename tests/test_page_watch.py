"""Watching: the report is made again while a run goes on, and it ends when the run does."""

import time
from pathlib import Path
from typing import Any

import pytest

import report
from tests import journals
from timelift import live_report
from timelift.journal import is_closed

CASES = journals.grid(("native", "loop_slice"), seq_lens=(8, 64), phases=("forward",))
REFRESH = '<meta http-equiv="refresh" content="3">'


@pytest.fixture(autouse=True)
def _polite(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests that follow are as urgent as before."""
    monkeypatch.setattr(live_report.os, "nice", lambda _: None)


@pytest.mark.parametrize(
    ("records", "ended"),
    [
        ([journals.header(), journals.END], True),
        ([journals.header(), journals.END | {"exit": "interrupted"}], True),
        ([journals.header()], False),
        ([journals.header(), journals.line(journals.case())], False),
        ([journals.header(), journals.END, journals.line(journals.case())], False),
    ],
)
def test_a_journal_is_closed_by_its_last_line(
    tmp_path: Path, records: list[dict[str, Any]], *, ended: bool
) -> None:
    """However the run ended; a run that was resumed goes on."""
    head, *rest = records
    assert is_closed(journals.write(tmp_path / "run", head, *rest)) is ended


def test_an_empty_file_is_closed_by_nothing(tmp_path: Path) -> None:
    """The run may be about to write its header."""
    (tmp_path / "run").touch()
    assert not is_closed(tmp_path / "run")


def test_a_torn_line_closes_nothing(tmp_path: Path) -> None:
    """The run may be writing it."""
    path = journals.write(tmp_path / "run", journals.header())
    path.write_text(path.read_text() + '{"kind": "end", "exi')
    assert not is_closed(path)


def test_the_page_follows_a_run_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It looks again by itself until then; a look at a file that has not grown makes nothing."""
    path = journals.write(tmp_path / "run.jsonl", journals.header())
    index = tmp_path / "report" / "index.html"
    seen: list[bool] = []
    looks = iter(
        [
            list(journals.campaign(CASES, launches=1)),
            [],
            [journals.END],
        ]
    )

    def sleep(seconds: float) -> None:
        assert seconds == 3
        seen.append(index.exists() and REFRESH in index.read_text())
        journals.go_on(path, *next(looks))

    monkeypatch.setattr(time, "sleep", sleep)
    words = [str(path), "--watch", "--every", "3", "--output", str(index.parent)]
    assert report.main(words) == 0
    assert seen == [False, True, True]
    assert REFRESH not in index.read_text()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(maxsplit=1)[1].split(",")[0] for line in lines] == [
        "no measurement yet",
        "4 measurements",
        "4 measurements",
    ]
    assert ", ended: " in lines[-1]


def test_ctrl_c_leaves_a_page_that_stands_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With exit code 0."""
    path = journals.write(tmp_path / "run", journals.header(), *journals.campaign(CASES))

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupt)
    assert report.main([str(path), "--watch", "--output", str(tmp_path / "report")]) == 0
    assert ", left: " in capsys.readouterr().out.splitlines()[-1]
    assert 'http-equiv="refresh"' not in (tmp_path / "report" / "index.html").read_text()


@pytest.mark.parametrize("every", ["0", "-1", "soon", "1.5", "100000"])
def test_a_waiting_time_that_is_none_is_refused(
    every: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By argparse, with what was expected."""
    with pytest.raises(SystemExit) as end:
        report.main(["--watch", f"--every={every}"])
    assert end.value.code == 2
    assert "expected whole seconds" in capsys.readouterr().err


def test_one_run_is_watched_at_a_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two are a sentence."""
    path = journals.write(tmp_path / "run", journals.header())
    assert report.main([str(path), str(path), "--watch"]) == 1
    assert "expected one run to watch, received 2" in capsys.readouterr().err


def test_a_run_that_goes_away_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody tidied up meanwhile."""
    path = journals.write(tmp_path / "run", journals.header())
    monkeypatch.setattr(time, "sleep", lambda _: path.unlink())
    assert report.main([str(path), "--watch", "--output", str(tmp_path / "report")]) == 1
    assert "cannot watch" in capsys.readouterr().err
