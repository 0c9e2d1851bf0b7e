"""Going on with a run that was cut off: what its journal holds, and whether this is its machine.

The journal is input like any file: a torn last line is cut off, and so are the lines of a setting
whose rivals are not all there, since they were played together and only together mean something.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from timelift.case import Case, Setting, Status
from timelift.errors import UserError
from timelift.journal import SCHEMA, TWINS_FOLDERS, latest, runs_under

#: Options that may be given anew, since they do not change what is measured.
FREE = frozenset({"budget", "results"})
#: What was played by number of launch and setting, as the journal's lines.
Played = Mapping[tuple[int, Setting], Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Past:
    """A run to go on with: its header, what was played, and how many bytes of its file to keep."""

    path: Path
    header: Mapping[str, Any]
    kept_bytes: int = 0
    played: Played = field(default_factory=dict)

    @property
    def cases(self) -> frozenset[str]:
        """The labels of the cases that it was going to measure."""
        return frozenset(map(str, self.header["planned"]))


def open_past(folder: Path, word: str) -> Past:
    """Read the run that `word` names, `latest` being the newest; raises UserError if there is none.

    `folder` is where the journals of all machines are.
    """
    try:
        path = Path(word) if Path(word).is_file() else _find(folder, word)
    except OSError:  # no file has so long a name
        path = _find(folder, word)
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UserError(
            f"--resume: {str(path)!r} cannot be read ({error.strerror}); measure it anew"
        ) from None
    header = _object(lines[0])
    if header.get("kind") != "run" or header.get("schema") != SCHEMA:
        raise UserError(f"--resume: expected a journal of this timelift, received {str(path)!r}")
    twins = path.resolve().parent.name in TWINS_FOLDERS
    known = isinstance(header.get("planned"), list) and isinstance(header.get("asked"), dict)
    if twins or not known:
        raise UserError(
            f"--resume: {str(path)!r} is no run that can be gone on with; measure it anew"
        )
    return _read(path, header, lines)


def _find(folder: Path, word: str) -> Path:
    runs = [one for one in runs_under(folder) if word in {"latest", one.stem, one.name}]
    if not runs:
        raise UserError(
            f"--resume: expected a run under {str(folder)!r}, found none for {word!r}; "
            "measure one with: pytest bench/"
        )
    return latest(runs)


def _object(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _read(path: Path, header: Mapping[str, Any], lines: Sequence[bytes]) -> Past:
    """Keep what is whole: lines that end, up to the last group of rivals that are all there."""
    kept = at = len(lines[0]) + 1
    played: dict[tuple[int, Setting], list[Mapping[str, Any]]] = {}
    group: list[Mapping[str, Any]] = []
    for line in lines[1:-1]:
        at += len(line) + 1
        found = _object(line)
        if found.get("kind") == "launch":
            group.append(found)
        if not group or len(group) >= _rivals(group[-1]):
            for one in group:
                played.setdefault(_key(path, one), []).append(one)
            group, kept = [], at
    return Past(path, header, kept, played)


def _rivals(line: Mapping[str, Any]) -> int:
    """How many lines were written with this one."""
    rivals = line.get("rivals", 1)
    return rivals if isinstance(rivals, int) else 1


def _key(path: Path, line: Mapping[str, Any]) -> tuple[int, Setting]:
    """Give a line's launch and setting; raises UserError where the line is damaged."""
    try:
        _check(line)
        return int(line["launch"]), Case.from_fields(line["case"]).setting
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"--resume: {str(path)!r} holds a damaged measurement ({error!r:.80}); measure it anew"
        ) from None


def _check(line: Mapping[str, Any]) -> None:
    """Raise ValueError, KeyError or TypeError where a line lacks what the campaign needs of it."""
    if Status(line["status"]) is not Status.MEASURED:
        str(line["reason"])
        return
    samples = line["seconds_per_call"]
    whole = isinstance(samples, list) and isinstance(line["facts"], dict)
    if not whole or not isinstance(line["calls_per_sample"], int):
        raise ValueError("a measurement without its samples")
    if not all(one is None or isinstance(one, int | float) for one in samples):
        raise ValueError("a sample that is no number")


def refuse_other_cases(past: Past, chosen: Iterable[Case]) -> None:
    """Raise UserError where cases of the run are not selected now: it would never be complete."""
    missing = sorted(past.cases - {case.label for case in chosen})
    if missing:
        raise UserError(
            f"--resume: {len(missing)} cases of the run are not selected, such as {missing[0]!r}; "
            "go on with: pytest bench/ --resume"
        )


def refuse_other_machine(past: Past, now: Mapping[str, Any]) -> None:
    """Raise UserError naming what differs between a run and the header that it would have now."""
    then = _parts(past.header)
    differ = [text for name, part in _parts(now).items() for text in _differences(then[name], part)]
    if differ:
        raise UserError(
            "--resume: the run is of another machine, other versions or other code "
            f"({'; '.join(differ)}); measure it anew"
        )


def _parts(header: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What has to be the same: the machine's identity, versions and flags, and the files."""
    machine = _mapping(header.get("machine"))
    drift = _mapping(machine.get("drift"))
    return {
        "identity": _mapping(machine.get("identity")),
        "versions": _mapping(drift.get("versions")) | {"python": drift.get("python")},
        "flags": _mapping(drift.get("flags")),
        "sources": _mapping(header.get("sources")),
    }


def _mapping(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterable[str]:
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            yield f"{name} {old.get(name)!r:.60}, now {new.get(name)!r:.60}"


def options(past: Past, asked: Mapping[str, str]) -> dict[str, str]:
    """Give the run's own options; raises UserError where other ones are asked for now."""
    own = {str(name): str(text) for name, text in dict(past.header["asked"]).items()}
    for name, text in asked.items():
        if text and name not in FREE and text != own.get(name, ""):
            flag = "--" + name.replace("_", "-")
            raise UserError(
                f"--resume: the run had {flag} {own.get(name, '')!r}, received {text!r}; leave it "
                "out, or measure anew without --resume"
            )
    free = {name: asked[name] for name in FREE if asked.get(name)}
    return {name: own.get(name, "") for name in asked} | free
