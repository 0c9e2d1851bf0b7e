"""Real files of a real run, cut at every byte: what is left is still read, and the rest named."""

import json
import tempfile
from pathlib import Path

from tests.projects import SMALL, bench, project
from tests.watched import Readers, measured

#: Whole commands are tried on one cut in so many; a reader, on every one.
_COMMANDS = 40


def real(folder):
    """Run `pytest bench/` once; give its journal, and its JSON of pytest-benchmark."""
    made = project(folder, ("native", "fold_time"))
    done = bench(made, "bench/test_forward.py", *SMALL, "--benchmark-json", "run.json")
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = made.glob("results/*/*.jsonl")
    return path.read_bytes(), (made / "run.json").read_bytes()


def everywhere():
    """Cut a real file of each kind at every byte; give a name, the number of cuts, and the harm."""
    with tempfile.TemporaryDirectory(prefix="timelift-cut-") as name:
        folder = Path(name)
        (folder / "project").mkdir()
        journal, whole = real(folder / "project")
        readers = Readers(folder / "home")
        for kind, data in (("journal, cuts", journal), ("pytest-benchmark, cuts", whole)):
            yield (
                kind,
                len(data),
                [one for at in range(len(data)) for one in cut(readers, data, at)],
            )


def cut(readers, data, at):
    """Read the first bytes of a file; give the harm that is done, and what is lost in silence."""
    harm = readers.read(data[:at], every=False) if at % _COMMANDS == 0 else []
    try:
        found, warnings = measured(data[:at], readers.path)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the reader's fault
        return [*harm, ("traceback", f"cut at {at}: {error!r}")]
    expected = whole_lines(data[:at])
    if expected is not None and found != expected:
        harm.append(("lost", f"cut at {at}: {sorted(found ^ expected)}"))
    if expected is not None and found and torn(data[:at]) and not warnings:
        harm.append(("lost", f"cut at {at}: the torn line is not named"))
    return harm


def whole_lines(data):
    """What a journal's whole lines measured; None for what is no journal, or has no whole line."""
    if not data.startswith(b'{"kind"'):
        return None
    found = set()
    for line in data.split(b"\n"):
        try:
            one = json.loads(line)
        except ValueError:
            continue
        if one["kind"] == "launch" and one["status"] == "measured":
            found.add(_label(one))
    return found


def _label(line):
    from timelift.case import Case

    return f"{Case.from_fields(line['case']).label} {line['launch']}"


def torn(data):
    """Whether the last line is no whole one."""
    try:
        json.loads(data.rpartition(b"\n")[2] or b"0")
    except ValueError:
        return True
    return False
