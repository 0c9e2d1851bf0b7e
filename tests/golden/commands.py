"""Every command whose words are kept, run in a project of its own as `timelift` is."""

import contextlib
import gc
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from unittest import mock

from timelift import cli
from timelift.commands import table
from timelift.present import figures

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
#: Name of a golden file: the words after `timelift`. OUT is a folder of the command's own.
COMMANDS = {
    "baseline": "baseline night0 --name kept",
    "baseline-again": "baseline night0 --name kept",
    "baseline-replaced": "baseline night1 --name kept --replace",
    "baseline-usual": "baseline",
    "report": "report --output OUT",
    "report-of-a-history-night": "report night0 --output OUT",
    "report-against": "report results/golden/against --output OUT --github-summary",
    "report-cut-short": "report cut_short --output OUT --github-summary",
    "report-two": "report night0 night7 --output OUT",
    "report-relative-to": "report night0 --output OUT --relative-to loop_slice",
    "report-relative-to-nothing": "report night0 --output OUT --relative-to loop",
    "tables": "tables",
    "tables-of-a-workload": "tables ordinary sensor",
    "tables-of-nothing": "tables ordinary snsor",
    "tables-cut-short": "tables cut_short",
    "tables-of-a-baseline": "tables kept",
    "scaling": "scaling ordinary",
    "scaling-of-one-size": "scaling cut_short",
    "modes": "modes ordinary",
    "modes-of-one": "modes night0",
    "report-of-a-baseline": "report kept --output OUT",
    "report-of-pytest-json": "report run.json --output OUT",
    "choose": "choose --workload tokens --seq-len 64 --batch 8",
    "choose-backward": "choose --workload tokens --seq-len 64 --phase backward",
    "choose-memory": "choose --workload tokens --seq-len 64 --goal memory",
    "choose-first-call": "choose --workload tokens --seq-len 64 --goal first-call",
    "choose-between": "choose --workload tokens --seq-len 100 --batch 8",
    "choose-beyond": "choose --workload tokens --seq-len 4000 --batch 8",
    "choose-json": "choose --workload tokens --seq-len 100 --batch 8 --json",
    "choose-json-beyond": "choose --workload tokens --seq-len 4000 --batch 8 --json",
    "choose-code-elsewhere": "choose --workload tokens --seq-len 100 --batch 8 --code",
    "choose-eager": "choose --workload sensor --seq-len 16 --batch 32 --mode eager",
    "choose-of-a-run": "choose --workload tokens --seq-len 128 --run night3",
    "choose-against": "choose --workload tokens --seq-len 16 --run results/golden/against",
    "choose-nothing": "choose",
    "choose-unknown-workload": "choose --workload tokesn --seq-len 64",
    "choose-unknown-goal": "choose --workload tokens --goal speed",
    "choose-unmeasured": "choose --workload tokens --seq-len 64 --dtype bfloat16",
    "compare": "compare night3 night4",
    "compare-same": "compare night1 night2",
    "compare-all": "compare night3 night4 --all",
    "compare-strict": "compare night3 night4 --strict",
    "compare-gate": "compare night3 night4 --gate 30% --strict",
    "compare-facts": "compare night7 ordinary --all",
    "compare-baseline": "compare kept night7",
    "compare-other-machine": "compare elsewhere night0",
    "compare-across-machines": "compare elsewhere night0 --across-machines",
    "compare-against": "compare night0 results/golden/against",
    "compare-bad-gate": "compare night3 night4 --gate much",
    "history": "history --output OUT",
    "history-since": "history --since 2026-01-06 --output OUT",
    "history-workload": "history --workload tokens --gate 30% --output OUT",
    "history-case": "history --case tokens-T16-B8-forward-graph-loop_slice --output OUT",
    "history-machine": "history --machine elsewhere --output OUT",
    "history-unknown-machine": "history --machine nowhere --output OUT",
    "history-unknown-case": "history --case tokens --output OUT",
    "history-bad-date": "history --since yesterday --output OUT",
    "history-bad-option": "history --until 2026-01-06",
    "export-pytest-benchmark": "export pytest-benchmark night0",
    "export-github": "export github-action-benchmark night0",
    "export-bencher": "export bencher night0",
    "export-csv": "export csv",
    "export-to-a-file": "export csv night0 --output OUT/made/night0.csv",
    "export-parquet-printed": "export parquet",
    "export-of-another-format": "export excel",
    "missing-run": "report nothing-of-this-name",
    "missing-run-of-export": "export csv nigth0",
    "missing-run-of-baseline": "baseline nothing-of-this-name",
    "missing-run-of-choose": "choose --workload tokens --seq-len 16 --run 0000009",
    "missing-run-of-compare": "compare night3 results/golden/night9.jsonl",
    "bad-option": "report --outptu x",
    "bad-command": "cmopare night0 night1",
    "no-folder": "report night0 --output run.json",
    "watch-two": "report night0 night1 --watch",
    "watch-never": "report --watch --every 0",
    "no-words": "",
    "strategies": "strategies",
    "strategies-show-nothing": "strategies show fold_tmie",
    "workloads": "workloads",
    "init-no-layer": "init --layer nowhere.at_all:make_layer",
    "bisect-no-label": "bisect HEAD~1 HEAD --case native",
    "bisect-no-case": "bisect HEAD~1 HEAD",
}
#: Commands whose help is another's, but for the first lines.
_ALIKE = {"selftest", "scaling", "modes", "workloads"}
HELP = {f"help-{name}": f"{name} --help" for name in table.COMMANDS if name not in _ALIKE}
PYTEST = {
    "pytest-collect": "bench/ --collect-only -q -p no:cacheprovider",
    "pytest-collect-asked": "bench/ --collect-only -q -p no:cacheprovider --workloads sensor "
    "--seq-lens 4 --batch-sizes 2 --phases forward --modes eager,graph --strategies all",
    "pytest-bad-option": "bench/ --collect-only -q -p no:cacheprovider --strategies naitve",
    "pytest-help": "--help",
}
#: What would change the words or their colours.
_LEFT_OUT = ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "PY_COLORS", "GITHUB_STEP_SUMMARY")
#: Figures are drawings of matplotlib's, so their names are kept alone, and none is written.
_DRAWN = {".svg", ".png"}

Said = dict[str, str]


def everything(home: Path) -> Said:
    """Return every golden text by its path under `said/`, as this checkout has it now."""
    _lay_out(home)
    found: Said = {}
    for name, words in (COMMANDS | HELP).items():
        found |= _report(home, name, words)
    for name, words in PYTEST.items():
        found[f"{name}.txt"] = _pytest(words)
    return {name: normal(text) for name, text in found.items()}


def _lay_out(home: Path) -> None:
    """Make the project that commands are run in: the stored runs and a foreign one."""
    (home / "pytest.ini").touch()
    shutil.copytree(HERE / "results", home / "results")
    _played(home, "", "export pytest-benchmark night0 --output run.json")


def _report(home: Path, name: str, words: str) -> Said:
    """Run `timelift`, and return what it printed and wrote."""
    out = home / name
    code, printed, complained = _played(home, name, words.replace("OUT", name))
    found = {f"{name}.txt": _together(f"timelift {words}".strip(), code, printed, complained)}
    if out.is_dir():
        drawn = [path for path in _files(out) if path.suffix in _DRAWN]
        found[f"{name}.txt"] += "".join(f"a figure: {path.relative_to(home)}\n" for path in drawn)
        texts = (path for path in _files(out) if path not in drawn)
        found |= {str(path.relative_to(home)): path.read_bytes().decode() for path in texts}
        shutil.rmtree(out)
    return found


def _played(home: Path, name: str, words: str) -> tuple[object, str, str]:
    """Run the command in this process and in its folder."""
    printed, complained, code = io.StringIO(), io.StringIO(), None
    with (
        mock.patch.dict(os.environ, _environment(home, name, words), clear=True),
        mock.patch.object(sys, "argv", ["timelift", *words.split()]),
        mock.patch.object(figures, "_save", lambda _, path: path.touch()),
        mock.patch.object(shutil, "get_terminal_size", return_value=os.terminal_size((80, 24))),
        contextlib.chdir(home),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(complained),
    ):
        try:
            code = cli.main()
        except SystemExit as end:
            code = end.code
        finally:
            gc.enable()  # which `timelift` leaves off
    return code, printed.getvalue(), complained.getvalue()


def _environment(home: Path, name: str, words: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _LEFT_OUT}
    if "--github-summary" in words:
        kept["GITHUB_STEP_SUMMARY"] = str(home / name / "summary.md")
    return kept


def _pytest(words: str) -> str:
    """Return what `pytest` prints in this checkout; of its help, timelift's options."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words.split()],
        cwd=ROOT,
        env=_environment(ROOT, "", words) | {"COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout
    if words == "--help":
        said = "".join(re.findall(r"^timelift:.*?(?=^\S)", said, re.MULTILINE | re.DOTALL))
    return _together(f"pytest {words}", done.returncode, said, done.stderr)


def _together(command: str, code: object, printed: str, complained: str) -> str:
    return f"$ {command}\nexit code {code}\n--- stdout\n{printed}--- stderr\n{complained}"


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def normal(text: str) -> str:
    """Return a text without scripts and what the machine or the moment decides: digests, times.

    Of long numbers ten digits are kept: processors sum in different orders, and round differently.
    The code to paste is left out too: it is what the files of strategies say.
    """
    text = re.sub(r"<script>.*?</script>", "<script/>", text, flags=re.DOTALL)
    text = re.sub(r"<style>.*?</style>", "<style/>", text, flags=re.DOTALL)
    text = re.sub(r"'sha256-[^']*'", "'sha256-HASH'", text)
    text = re.sub(r"\b[0-9a-f]{64}\b", "DIGEST", text)
    text = re.sub(r"\bin \d+\.\d\ds\b", "in SECONDS", text)
    text = re.sub(r'"code":( ?)"(?:\\.|[^"\\])+"', '"code":\1"CODE"', text)
    text = re.sub(r"\d+\.\d{7,}(?:e[-+]\d+)?", lambda found: f"{float(found[0]):.10g}", text)
    # Python 3.12 and later leave these quotes out.
    text = re.sub(r"\(choose from .*\)", lambda found: found[0].replace("'", ""), text)
    return text.replace(str(ROOT), "CHECKOUT")


def stored() -> Said:
    """Return the golden texts as they are kept."""
    said = HERE / "said"
    return {str(path.relative_to(said)): path.read_bytes().decode() for path in _files(said)}


def write(found: Mapping[str, str]) -> None:
    """Put these in the place of the golden texts that are kept."""
    shutil.rmtree(HERE / "said", ignore_errors=True)
    for name, text in found.items():
        path = HERE / "said" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
