"""Every command whose words are kept, run in a project of its own as `timelift` is."""

import contextlib
import gc
import io
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from unittest import mock

from matplotlib.figure import Figure

from tests.support import advised, endings, gates
from timelift import cli

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
#: Name of a golden file: the words after `timelift`. OUT is a folder of the command's own.
COMMANDS = {
    "report": "report --output OUT",
    "report-against": "report results/golden/against --output OUT",
    "report-cut-short": "report cut_short --output OUT",
    # of which the screen alone is kept, which is all that is not in other reports
    "report-machines": "report machines/cpu.jsonl machines/gpu.jsonl --output machines/report",
    "report-train": "report trained --output OUT",
    "report-varying": "report varying tokens",
    "report-tables": "report ordinary sensor",
    "choose": "choose --workloads tokens --seq-lens 64 --batch-sizes 8",
    "choose-backward": "choose --workloads tokens --seq-lens 64 --phases backward "
    "--relative-to loop_slice",
    "choose-train": "choose --workloads tokens --seq-lens 128 --phases train --run trained",
    "choose-machine": "choose --workloads tokens --seq-lens 16 --machines grand_gpu "
    "--run machines/cpu.jsonl machines/gpu.jsonl",
    "choose-memory": "choose --workloads tokens --seq-lens 64 --goal memory",
    "choose-first-call": "choose --workloads tokens --seq-lens 64 --goal first-call",
    "choose-between": "choose --workloads tokens --seq-lens 100 --batch-sizes 8",
    "choose-beyond": "choose --workloads tokens --seq-lens 4000 --batch-sizes 8",
    "choose-json": "choose --workloads tokens --seq-lens 64 --batch-sizes 8 --json",
    "choose-unmeasured": "choose --workloads tokens --seq-lens 64 --dtypes bfloat16 "
    "--threads 2 --backends jax",
    "compare-strict": "compare night3 night4 --strict",
    "compare-facts": "compare night7 ordinary --all",
    "compare-cut-short": "compare cut_short ordinary",
    "history": "history --output OUT",
    "history-one-run": "history --machine elsewhere --case tokens-T16-B8-forward-graph "
    "--output OUT",
    "history-workload": "history --workloads sensor --output OUT",
    "history-case": "history --case tokens-T16-B8-forward-graph-loop_slice --output OUT",
    "help": "--help",
    "help-bench": "bench --help",
    "help-advise": "advise --help",
    # what the session around it has imported may be warned of
    "collect": "bench --collect-only -q --disable-warnings -p no:cacheprovider --workloads sensor "
    "--seq-lens 4 --batch-sizes 2 --phases forward --modes eager,graph --strategies all",
    "strategies": "strategies",
    "workloads": "workloads",
}
#: Name of the golden file of commands with a mistake, each with what is answered to it, and an exit
#: code that is not 1. To try one more, write its line there, `$ timelift WORDS`.
ANSWERS = "mistakes"
#: Golden files of what is told of runs that tests make, each by what is particular in it: what
#: `advise` prints, since the command itself measures, and the words at the end of a run.
TOLD = {
    "advise": advised.told,
    "answers": endings.answers,
    "notes": endings.notes,
    "machines": endings.machines,
    "gates": gates.told,
}
#: What would change the words or their colours.
_LEFT_OUT = ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "PY_COLORS", "KERAS_BACKEND")
#: Figures are drawings of matplotlib's, so their names are kept alone, and none is written.
_DRAWN = {".svg", ".png"}
#: The page has the words of the report in Markdown; it is tested in a browser.
_PAGE = ".html"

Said = dict[str, str]


def everything(home: Path) -> Said:
    """Return every golden text by its path under `said/`, as this checkout has it now."""
    _lay_out(home)
    found: Said = {}
    for name, words in COMMANDS.items():
        found |= _report(home, name, words)
    found[f"{ANSWERS}.txt"] = _answers(home)
    for name, told in TOLD.items():
        found[f"{name}.txt"] = "".join(f"{line}\n" for line in _told(told(home)))
    return {name: normal(text) for name, text in found.items()}


def _told(lines_by_name: Mapping[str, Iterable[str]]) -> Iterator[str]:
    for name, lines in lines_by_name.items():
        yield from (f"--- {name}", *lines)


def _lay_out(home: Path) -> None:
    (home / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider -p no:randomly\n")
    for runs in ("results", "trained", "varying", "machines"):
        shutil.copytree(HERE / runs, home / runs)


def _report(home: Path, name: str, words: str) -> Said:
    """Run `timelift`, and return what it printed and wrote."""
    out = home / name
    code, printed, complained = played(home, words.replace("OUT", name))
    found = {f"{name}.txt": _together(f"timelift {words}".strip(), code, printed, complained)}
    if out.is_dir():
        drawn = [path for path in _files(out) if path.suffix in _DRAWN]
        found[f"{name}.txt"] += "".join(f"a figure: {path.relative_to(home)}\n" for path in drawn)
        texts = (path for path in _files(out) if path.suffix not in {*_DRAWN, _PAGE})
        found |= {str(path.relative_to(home)): path.read_bytes().decode() for path in texts}
        shutil.rmtree(out)
    return found


def _answers(home: Path) -> str:
    """Return what is answered to each mistake, and which files all of them wrote."""
    before = {*_files(home)}
    mistakes = re.findall(r"^\$ timelift (.*)$", stored()[f"{ANSWERS}.txt"], re.MULTILINE)
    answers = [_together(f"timelift {words}", *played(home, words)) for words in mistakes]
    written = sorted(str(path.relative_to(home)) for path in {*_files(home)} - before)
    answers.append(f"files written: {', '.join(written) or 'none'}\n")
    usual = "exit code 1\n--- stdout\n--- stderr\n"
    return "\n".join(answers).replace(usual, "").replace("--- stdout\n--- stderr\n", "")


def played(home: Path, words: str) -> tuple[object, str, str]:
    """Run `timelift` in a folder, in this process; return its exit code, output and errors."""
    printed, complained, code = io.StringIO(), io.StringIO(), None
    with (
        mock.patch.dict(os.environ, _environment(), clear=True),
        mock.patch.object(sys, "argv", ["timelift", *words.split()]),
        mock.patch.object(sys, "path", [*sys.path]),
        mock.patch.object(Figure, "savefig", lambda _, file, **__: file.write(b"")),
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
            _forget_modules(home)
    return code, printed.getvalue(), complained.getvalue()


def _forget_modules(home: Path) -> None:
    """Drop what was imported from a folder: another project has files of the same names."""
    for name, module in [*sys.modules.items()]:
        if Path(getattr(module, "__file__", None) or "/").is_relative_to(home):
            del sys.modules[name]


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _LEFT_OUT}
    return kept | {"KERAS_HOME": "none"}


def _together(command: str, code: object, printed: str, complained: str) -> str:
    return f"$ {command}\nexit code {code}\n--- stdout\n{printed}--- stderr\n{complained}"


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def normal(text: str) -> str:
    """Return a text without what the machine or the moment decides: durations, last digits.

    Of long numbers ten digits are kept: processors sum in different orders, and round differently.
    The code to paste is left out too: it is what the files of strategies say.
    """
    text = re.sub(r"\bin \d+\.\d\ds\b( \(\d+:\d\d:\d\d\))?", "in SECONDS", text)
    text = re.sub(r'"code": "(?:\\.|[^"\\])+"', '"code": "CODE"', text)
    text = re.sub(r"\d+\.\d{7,}(?:e[-+]\d+)?", lambda found: f"{float(found[0]):.10g}", text)
    # Python 3.12 and later leave these quotes out.
    text = re.sub(r"\(choose from .*\)", lambda found: found[0].replace("'", ""), text)
    return text.replace(str(ROOT), "CHECKOUT")


def stored() -> Said:
    said = HERE / "said"
    return {str(path.relative_to(said)): path.read_bytes().decode() for path in _files(said)}


def write(found: Mapping[str, str]) -> None:
    """Put these in the place of the golden texts that are kept."""
    shutil.rmtree(HERE / "said", ignore_errors=True)
    for name, text in found.items():
        path = HERE / "said" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
