"""A baseline: small, read by every reader, free of secrets, and never overwritten by accident."""

import gzip
import json
from pathlib import Path

import pytest

import report
from tests import journals
from tests.stored import STRATEGIES, other_machine, stored
from timelift.analyse.changes.two_runs import compare_runs, identity_differences
from timelift.analyse.runs import baseline, results
from timelift.analyse.stats.ranking import rank
from timelift.case import Status
from timelift.commands.stored import baseline as command
from timelift.commands.table import parser
from timelift.errors import UserError
from timelift.journal.writing import line_text
from timelift.project import Project

MACHINE = journals.MACHINE["name"]


def keep(root, *words):
    """Run the command in a project of its own."""
    return command(parser("baseline").parse_args(list(words)), Project(root))


@pytest.fixture
def root(tmp_path):
    """A project with one run."""
    folder = tmp_path / "results" / MACHINE
    folder.mkdir(parents=True)
    stored(folder / "20260102T030405Z_aaaa1111.jsonl", 1, sizes=3, rounds=60)
    return tmp_path


def run_and_baseline(root):
    """The run of a project and its baseline, as they are read."""
    keep(root)
    (run,) = (root / "results" / MACHINE).iterdir()
    return results.load(run), results.load(kept(root))


def text_of(run):
    """The baseline of a run as a file has it."""
    return "".join(map(line_text, baseline.baseline_lines(run)))


def kept(root, name="20260102T030405Z_aaaa1111"):
    """Where the baseline lies."""
    return root / "results" / "baselines" / MACHINE / f"{name}.jsonl"


def test_a_run_becomes_a_baseline_and_the_way_to_commit_it_is_printed(root, capsys, monkeypatch):
    monkeypatch.chdir(root)
    assert keep(root) == 0
    first, _, add = capsys.readouterr().out.splitlines()
    shown = f"results/baselines/{MACHINE}/20260102T030405Z_aaaa1111.jsonl"
    assert first.startswith(f"{shown}: 15 cases, 75 launches, ")
    assert add == f"  git add {shown}"
    assert keep(root, "aaaa1111", "--name", "main") == 0
    assert kept(root, "main").exists()


def test_git_does_not_ignore_it():
    ignored = Path(report.__file__).with_name(".gitignore").read_text().splitlines()
    assert "!results/baselines/" in ignored


def test_every_reader_reads_it_and_says_the_same(root):
    run, base = run_and_baseline(root)
    assert base.complete
    assert not base.warnings
    assert [one.case for one in base.measurements] == [one.case for one in run.measurements]
    assert base.measurements[0].launches[0].facts == run.measurements[0].launches[0].facts
    for whole, short in zip(rank(run.measurements), rank(base.measurements), strict=True):
        assert whole.not_shown_slower == short.not_shown_slower
        for row in whole.rows[1:]:
            assert short.row(row.case.strategy).ratio == pytest.approx(row.ratio, rel=0.01)
            assert row.low < short.row(row.case.strategy).ratio < row.high


def test_a_run_and_its_baseline_have_nothing_suspect_between_them(root):
    run, base = run_and_baseline(root)
    findings = compare_runs(base, run)
    assert not findings.any_suspect
    assert findings.facts == ()
    assert findings.drift == ()


def test_the_launches_of_a_baseline_pair_by_position(root):
    _, base = run_and_baseline(root)
    assert {
        launch.seconds_per_call.size for one in base.measurements for launch in one.launches
    } == {20}


def test_a_large_run_stays_small(tmp_path):
    path = stored(tmp_path / "run.jsonl", 1, sizes=58, launches=3, rounds=50)
    text = text_of(results.load(path)).encode()
    assert len(text) < 1 << 20
    assert len(gzip.compress(text)) < len(text) / 4


def test_nothing_of_a_person_or_a_path_is_kept(tmp_path):
    secrets = {
        "command": [
            *("pytest", "bench/test_forward.py", "--strategy-file", "/home/alice/mine.py"),
            *("--junitxml=/home/alice/j.xml", "--layer-file=../alice/layer.py", "~alice/x"),
            "C:\\Users\\alice",
        ],
        "options": {"results": "/home/a/alice", "seq_lens": "4,8", "strategy_file": "a/alice"},
        "machine": journals.MACHINE
        | {
            "drift": {"flags": {"XLA_FLAGS": "--xla_dump_to=/home/alice/dump --xla_on"}},
            "information": {"host": "alice-laptop"},
        },
        "strategies": {"mine": {"title": "See /home/alice/notes", "file": "/home/alice/mine.py"}},
        "user": "alice",
    }
    case = journals.case()
    facts = {"graph_nodes": 3, "note": "alice", "peak_bytes": "alice", "steady": True}
    lines = [
        journals.line(case, 1, [1e-3, 2e-3], facts=facts),
        journals.ended(journals.case("mine"), Status.FAILED, "alice@host: File '/home/alice/m.py'"),
    ]
    path = journals.write(tmp_path / "run.jsonl", journals.header(**secrets), *lines)
    text = text_of(results.load(path))
    assert "alice" not in text
    header = json.loads(text.splitlines()[0])
    assert header["command"][:3] == ["pytest", "bench/test_forward.py", "--strategy-file"]
    assert "--junitxml=PATH" in header["command"]
    assert header["options"]["seq_lens"] == "4,8"
    assert header["machine"]["drift"]["flags"] == {"XLA_FLAGS": "--xla_dump_to=PATH --xla_on"}
    assert json.loads(text.splitlines()[1])["facts"] == {"graph_nodes": 3, "steady": True}


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("bench/", "bench/"),
        ("bench/../../alice", "PATH"),
        ("--benchmark-json=out/now.json", "--benchmark-json=PATH"),
        ("mypkg.models:make", "mypkg.models:make"),
        ("fold_chunks[k=8]", "fold_chunks[k=8]"),
        ("see file:///home/a", "see PATH"),
        ("2 % of 3", "2 % of 3"),
    ],
)
def test_a_word_that_looks_like_a_path_is_replaced(text, clean):
    assert baseline.scrub(text).replace("file:", "") == clean


@pytest.mark.parametrize("cpu", ["Xeon(R) CPU @ 2.20GHz", "Ryzen 5 w/ Graphics"])
def test_a_baseline_is_of_the_machine_of_its_run(tmp_path, cpu):
    path = stored(tmp_path / "run.jsonl", 1, sizes=1, machine=other_machine(cpu=cpu))
    run = results.load(path)
    (tmp_path / "base.jsonl").write_text(text_of(run))
    kept = results.load(tmp_path / "base.jsonl")
    assert identity_differences(run, kept) == ()


def test_numbers_that_are_none_are_left_out(tmp_path):
    head = journals.header(machine=journals.MACHINE | {"identity": {"cores": 7}})
    line = journals.line(journals.case(), facts={"peak_bytes": 7, "traces": 1})
    path = tmp_path / "run.jsonl"
    whole = journals.text(head, line)
    path.write_text(whole.replace('"cores":7', '"cores":1e999').replace('s":7', 's":1e999'))
    text = text_of(results.load(path))
    assert '"identity":{"cores":null}' in text
    assert '"facts":{"traces":1}' in text


def test_a_baseline_is_never_overwritten_silently(root):
    keep(root, "--name", "main")
    before = kept(root, "main").read_bytes()
    stored(root / "results" / MACHINE / "later.jsonl", 2, started="2027-01-01T00:00:00+00:00")
    with pytest.raises(UserError, match=r"received that of the baseline .* --replace"):
        keep(root, "--name", "main")
    assert kept(root, "main").read_bytes() == before
    assert keep(root, "--name", "main", "--replace") == 0
    assert kept(root, "main").read_bytes() != before


def test_a_baseline_is_written_whole_or_not_at_all(root, monkeypatch):
    keep(root, "--name", "main")
    before = kept(root, "main").read_bytes()

    def full(self, *_, **__):
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(UserError, match="No space left on device"):
        keep(root, "--name", "main", "--replace")
    assert kept(root, "main").read_bytes() == before
    assert [path.name for path in kept(root).parent.iterdir()] == ["main.jsonl"]


@pytest.mark.parametrize("name", ["../../evil", "/etc/passwd", "a\nb", "", "..", "-rf"])
def test_a_name_never_climbs_out_of_its_folder(root, name):
    assert keep(root, f"--name={name}") == 0
    (path,) = kept(root).parent.iterdir()
    assert path.suffix == ".jsonl"
    assert not path.name.startswith("-")
    assert sorted(one.name for one in root.iterdir()) == ["results"]


def test_a_machine_s_name_never_climbs_out_either(tmp_path):
    machine = journals.MACHINE | {"name": "../../evil"}
    run = stored(tmp_path / "run.jsonl", 1, sizes=1, machine=machine)
    assert keep(tmp_path, str(run)) == 0
    assert sorted(one.name for one in tmp_path.iterdir()) == ["results", "run.jsonl"]


def unmeasured(path):
    """A run that ended before its first launch."""
    return journals.write(path, journals.header(), journals.END)


@pytest.mark.parametrize(
    ("make", "how", "sentence"),
    [
        (
            stored,
            {"seed": 1, "sizes": 1, "machine": {}},
            "expected a run with its machine recorded",
        ),
        (stored, {"seed": 1, "sizes": 1, "against": {"label": "main"}}, "one against twins"),
        (journals.selftest, {"sizes": 1, "launches": 1}, "received one against twins"),
        (unmeasured, {}, "expected measurements in"),
    ],
    ids=["no machine", "another side", "a self-test", "nothing measured"],
)
def test_a_run_that_could_never_be_compared_is_refused(tmp_path, make, how, sentence):
    run = make(tmp_path / "run.jsonl", **how)
    with pytest.raises(UserError, match=sentence):
        keep(tmp_path, str(run))
    assert list(tmp_path.iterdir()) == [run]


def test_a_run_that_is_not_over_says_so(tmp_path, capsys):
    case = journals.case(STRATEGIES[0])
    run = journals.write(tmp_path / "run.jsonl", journals.header(), journals.line(case))
    assert keep(tmp_path, str(run)) == 0
    assert "\nprovisional: the run is going on" in capsys.readouterr().out
    (path,) = (tmp_path / "results" / "baselines" / MACHINE).iterdir()
    assert not results.load(path).complete
