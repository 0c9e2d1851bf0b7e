"""Read stored runs with one checkout and write every number and text: run by `old_against_new`.

`python old_against_new_reader.py CHECKOUT HOME OUTPUT PAGES` uses the public doors of the checkout
alone: `report.py`, `timelift.load`, `timelift.read_run` and `timelift.scaling`. HOME has a copy of
its `report.py` and, under results/, the runs in folders, each a history. One run in PAGES gets its
whole report. OUTPUT becomes JSON lines: a key, and its text or its numbers.
"""

import contextlib
import gc
import io
import json
import os
import re
import runpy
import sys
import warnings
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

Answer = tuple[str, str | list[float]]
SETTING = ("--workload", "tokens", "--seq-len", "16", "--phase", "forward")
GOALS = ("time", "memory", "first-call")
#: Their text is that of matplotlib or pyarrow, and the same texts stand in the page.
_BINARY = {".png", ".parquet"}
#: What matplotlib draws anew for each process.
_DRAWN_ANEW = re.compile(r"\b(?:[a-z]{1,4}[0-9a-f]{10}|[0-9a-f]{64})\b")


def main(words: Sequence[str]) -> None:
    """Read every run, and write what was found as it is found."""
    checkout, home, output, pages = Path(words[0]), Path(words[1]), Path(words[2]), int(words[3])
    sys.path[0] = str(checkout)
    found = find_spec("timelift")
    if found is None or not Path(str(found.origin)).is_relative_to(checkout):
        sys.exit(f"old_against_new_reader: expected the timelift of {checkout}, found another")
    warnings.simplefilter("ignore")
    with output.open("w", encoding="utf-8") as file, contextlib.chdir(home):
        for number, path in enumerate(sorted(Path("results").glob("*/*.jsonl"))):
            for key, value in _of_run(path, whole=number % pages == 0):
                said = value.replace(str(checkout), "CHECKOUT") if isinstance(value, str) else value
                file.write(json.dumps([f"{path.stem} {key}", said]) + "\n")
            gc.collect()
        for folder in sorted(Path("results").iterdir()):
            for key, value in _history(folder.name):
                file.write(json.dumps([f"{folder.name} {key}", value]) + "\n")


def _of_run(path: Path, *, whole: bool) -> Iterator[Answer]:
    yield from _library(path)
    for goal in GOALS:
        yield from _report("choose", "--run", str(path), "--goal", goal, *SETTING)
    for format_ in ("csv", "bencher", "pytest-benchmark", "github-action-benchmark"):
        yield from _report("export", format_, str(path))
    before = sorted(one for one in path.parent.glob("*.jsonl") if one < path)
    if before:
        yield from _report("compare", str(before[-1]), str(path), "--all")
    if whole:
        yield from _written("report", str(path), "--output", f"out-{path.stem}")
        yield from _report("baseline", str(path), "--name", "kept", "--replace")


def _history(machine: str) -> Iterator[Answer]:
    yield from _written("history", "--machine", machine, "--output", f"out-{machine}")


def _library(path: Path) -> Iterator[Answer]:
    """Return what a notebook sees: tables, the run's state, exponents and crossovers."""
    import timelift  # noqa: PLC0415 - the checkout's own, first on the path by now

    for level in ("measurement", "launch", "round"):
        try:
            table = timelift.load(str(path), level)
        except Exception as error:  # noqa: BLE001 - what is raised is an answer as well
            yield f"load {level}", f"{type(error).__name__}: {error}"
            continue
        units = sorted(table.attrs.pop("units").items())
        yield f"load {level}", f"{table.shape} {units} {sorted(table.attrs.items())}"
        for name, column in table.items():
            yield _column(f"load {level} {name}", column.tolist())
    try:
        run = timelift.read_run(str(path))
        grown = timelift.scaling.exponents(run)
        turns = timelift.scaling.crossovers(run)
    except Exception as error:  # noqa: BLE001
        yield "read_run", f"{type(error).__name__}: {error}"
        return
    yield "read_run", f"{run.complete} {run.warnings}"
    yield "exponents", str([(one.case.label, one.axis, str(one.kind)) for one in grown])
    yield _column("exponents p", [n for one in grown for n in (one.p, one.low, one.high)])
    yield "crossovers", str([(one.first, one.then, one.axis) for one in turns])
    yield _column("crossovers low", [n for one in turns for n in (one.size, one.low, one.high)])


def _column(key: str, values: list[Any]) -> Answer:
    if all(isinstance(one, int | float) for one in values):
        return key, [float(one) for one in values]
    return key, "\n".join(map(str, values))


def _report(*words: str) -> Iterator[Answer]:
    said = _said(words)
    yield " ".join(words), _in_order(said) if "pytest-benchmark" in words else said


def _in_order(said: str) -> str:
    """Put the names in a printed JSON object in order: theirs means nothing."""
    code, _, rest = said.partition("\n")
    try:
        found, end = json.JSONDecoder().raw_decode(rest)
    except ValueError:
        return said
    return f"{code}\n{json.dumps(found, sort_keys=True, indent=1)}{rest[end:]}"


def _written(command: str, *words: str) -> Iterator[Answer]:
    """Return what a command prints, and every file that it writes into its last word."""
    named = () if command == "report" else (command,)
    yield command, _said((*named, *words))
    for path in sorted(Path(words[-1]).rglob("*")):
        if path.is_file() and path.suffix not in _BINARY:
            text = path.read_text("utf-8")
            yield f"{command} {path}", _DRAWN_ANEW.sub("DRAWN", text)


def _said(words: Sequence[str]) -> str:
    """Run `report.py` in this process and return its exit code, output and complaints."""
    printed, complained, code = io.StringIO(), io.StringIO(), cast("object", None)
    sys.argv = ["report.py", *words]
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complained):
        try:
            runpy.run_path("report.py", run_name="__main__")
        except SystemExit as end:
            code = end.code
        except Exception as error:  # noqa: BLE001
            code = f"{type(error).__name__}: {error}"
    return f"{code}\n{printed.getvalue()}\n{complained.getvalue()}"


if __name__ == "__main__":
    os.environ["COLUMNS"] = "120"
    main(sys.argv[1:])
