"""A run in other tools' formats: each read back as its tool reads it, whatever the names are."""

import csv
import io
import json
import subprocess
import sys

import numpy as np
import pytest

import report
from tests import journals
from tests.stored import stored
from timelift.analyse.runs import results
from timelift.analyse.stats.ranking import rank
from timelift.case import Status
from timelift.present import exports
from timelift.present.exports import BINARY, FORMATS

TEXTS = [name for name in FORMATS if name not in BINARY]
EVIL = ("=cmd|' /C calc'!A0", "a\n\x1b[31mb", "<b>|x", "\ud800", "../../up")


@pytest.fixture
def journal(tmp_path):
    """A run of 15 cases, with a rival that sat rounds out."""
    path = stored(tmp_path / "run.jsonl", 1, sizes=3, rounds=12)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[1]["seconds_per_call"][5:] = [None] * 7
    return journals.write(path, *lines)


def export(name, path, tmp_path, capsys):
    """What the command prints, or writes where it is no text."""
    if name not in BINARY:
        assert report.main(["export", name, str(path)]) == 0
        return capsys.readouterr().out
    output = tmp_path / "out" / "file"
    assert report.main(["export", name, str(path), "--output", str(output)]) == 0
    return output.read_bytes()


def test_pytest_benchmark_json_is_read_back_by_our_own_reader(journal, tmp_path, capsys):
    text = export("pytest-benchmark", journal, tmp_path, capsys)
    path = tmp_path / "run.json"
    path.write_text(text)
    run, again = results.load(journal), results.load(path)
    assert not again.warnings
    assert {one.case for one in again.measurements} == {one.case for one in run.measurements}
    before = {one.case: one for one in run.measurements}
    for one in again.measurements:
        samples = np.concatenate([x.seconds_per_call for x in before[one.case].launches])
        np.testing.assert_array_equal(
            one.launches[0].seconds_per_call, samples[np.isfinite(samples)]
        )
        assert one.launches[0].facts == before[one.case].launches[0].facts
    assert again.header.commit == run.header.commit


def test_pytest_benchmark_compares_two_of_them(journal, tmp_path, capsys):
    for name in ("one", "two"):
        (tmp_path / f"{name}.json").write_text(
            export("pytest-benchmark", journal, tmp_path, capsys)
        )
    words = ["compare", "one.json", "two.json", "--csv=out.csv"]
    program = "from pytest_benchmark.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *words], cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Failed to load" not in done.stderr
    assert done.stdout.count("tokens-T1-B8-forward-graph-native") == 2
    rows = list(csv.DictReader((tmp_path / "out.csv").open()))
    assert len(rows) == 30


def test_github_action_benchmark_gets_what_it_asks_for(journal, tmp_path, capsys):
    entries = json.loads(export("github-action-benchmark", journal, tmp_path, capsys))
    rows = [row for ranking in rank(results.load(journal).measurements) for row in ranking.rows]
    assert len(entries) == len(rows)
    for entry, row in zip(entries, rows, strict=True):
        assert entry.keys() == {"name", "unit", "value", "range", "extra"}
        assert entry["name"] == row.case.label
        assert entry["unit"] == "ms"
        assert entry["value"] == pytest.approx(row.seconds_per_call * 1e3)
        assert entry["range"].startswith("± ")


def test_a_look_alike_that_is_alone_has_no_ratio(tmp_path, capsys):
    entry = {"title": "A fake", "differs": "it computes something else"}
    header = journals.header(strategies={"fake": entry})
    lines = journals.campaign(journals.grid(("fake",), seq_lens=(8,), phases=("forward",)))
    path = journals.write(tmp_path / "run.jsonl", header, *lines, journals.END)
    (entry,) = json.loads(export("github-action-benchmark", path, tmp_path, capsys))
    assert "nan" not in entry["extra"]
    assert "launches: " in entry["extra"]


def test_bencher_gets_its_metric_format(journal, tmp_path, capsys):
    whole = json.loads(export("bencher", journal, tmp_path, capsys))
    assert len(whole) == 15
    for measures in whole.values():
        (metric,) = measures.values()
        assert measures.keys() == {"latency"}
        assert metric["lower_value"] < metric["value"] < metric["upper_value"]
        assert 1e5 < metric["value"] < 1e7


@pytest.mark.parametrize("name", ["bencher", "github-action-benchmark"])
def test_one_launch_has_no_bounds(name, tmp_path, capsys):
    path = stored(tmp_path / "run.jsonl", 1, sizes=1, launches=1, rounds=3)
    text = export(name, path, tmp_path, capsys)
    assert "NaN" not in text
    assert json.loads(text)


def test_parquet_has_a_row_for_every_round(journal, tmp_path, capsys):
    import pandas as pd

    found = pd.read_parquet(io.BytesIO(export("parquet", journal, tmp_path, capsys)))
    expected = results.frame(results.load(journal))
    assert list(found.columns) == list(expected.columns)
    assert len(found) == 15 * 5 * 12
    np.testing.assert_array_equal(found["seconds_per_call"], expected["seconds_per_call"])
    assert set(found["phase"]) == {"forward"}


def test_parquet_without_pyarrow_is_a_sentence(journal, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(exports.importlib.util, "find_spec", lambda _: None)
    output = tmp_path / "x.parquet"
    assert report.main(["export", "parquet", str(journal), "--output", str(output)]) == 1
    assert "python -m pip install 'pyarrow>=22'" in capsys.readouterr().err
    assert not output.exists()


def test_parquet_is_not_printed(journal, capsys):
    assert report.main(["export", "parquet", str(journal)]) == 1
    assert "expected --output FILE" in capsys.readouterr().err


def test_csv_is_the_report_s(journal, tmp_path, capsys):
    rows = list(csv.DictReader(io.StringIO(export("csv", journal, tmp_path, capsys))))
    assert len(rows) == 15
    assert {row["status"] for row in rows} == {"measured"}


@pytest.mark.parametrize("name", FORMATS)
def test_names_that_are_hostile_stay_names(name, tmp_path, capsys):
    cases = [journals.case(strategy, "@work") for strategy in (*EVIL, "a\n\x1b[31mb ")]
    lines = [journals.line(case, launch) for case in cases for launch in (1, 2, 3)]
    lost = journals.ended(journals.case("lost"), Status.CRASHED, "=1+1")
    path = journals.write(tmp_path / "run.jsonl", journals.header(), *lines, lost)
    found = export(name, path, tmp_path, capsys)
    if name == "csv":
        cells = [cell for row in csv.reader(io.StringIO(found)) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "@", "+"))]
        assert "\x1b" not in found
    elif name == "pytest-benchmark":
        assert [one["params"]["strategy"] for one in json.loads(found)["benchmarks"]] == [
            case.strategy for case in cases
        ]
    elif name not in BINARY:
        assert len(json.loads(found)) == len(cases)
        assert "\\u001b" not in found


@pytest.mark.parametrize("name", TEXTS)
def test_a_damaged_header_is_no_obstacle(name, tmp_path, capsys):
    head = journals.header(machine={"identity": 3, "drift": [7]}, commit={"id": [7]}, started="no")
    path = journals.write(tmp_path / "run.jsonl", head, journals.line(journals.case()))
    path.write_text(path.read_text().replace("[7]", "1e999"))
    assert export(name, path, tmp_path, capsys)


@pytest.mark.parametrize("name", TEXTS)
def test_a_run_without_measurements_is_refused(name, tmp_path, capsys):
    path = journals.write(tmp_path / "run.jsonl", journals.header())
    assert report.main(["export", name, str(path)]) == 1
    assert "expected measurements in" in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_a_sentence(journal, tmp_path, capsys):
    assert report.main(["export", "csv", str(journal), "--output", str(tmp_path)]) == 1
    assert "name another file with --output" in capsys.readouterr().err


def test_an_unknown_format_is_answered_with_the_known_ones(capsys):
    with pytest.raises(SystemExit):
        report.main(["export", "xml"])
    assert "github-action-benchmark" in capsys.readouterr().err


def test_names_that_are_numbered_are_apart_from_those_that_end_in_numbers():
    cases = map(journals.case, ("a\x01", "a\x02", "a\ufffd (2)"))
    assert len(set(exports.unique_names(cases))) == 3
