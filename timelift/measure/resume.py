"""Resuming a run that was cut off: whether it can be, with these cases, on this machine."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from timelift.case import Case
from timelift.errors import UserError
from timelift.journal import (
    BAD_RECORD,
    TWINS_FOLDERS,
    Header,
    Past,
    as_object,
    differences,
    find_run,
    read_past,
)

#: Options that may be given anew, since they do not change what is measured.
FREE = frozenset({"budget", "results"})


def open_past(folder: Path, word: str) -> Past:
    """Read the run that `word` names, `latest` being the newest; raises UserError if there is none.

    `folder` is where the journals of all machines are.
    """
    path = _find(folder, word)
    past = _read(path)
    if past is None:
        raise UserError(f"--resume: expected a journal of this timelift, received {str(path)!r}")
    twins = path.resolve().parent.name in TWINS_FOLDERS
    if twins or past.header.planned is None or past.header.asked is None:
        raise UserError(
            f"--resume: {str(path)!r} is no run that can be gone on with; measure it anew"
        )
    return past


def _find(folder: Path, word: str) -> Path:
    try:
        return find_run(folder, word)
    except UserError:
        raise UserError(
            f"--resume: expected a run under {str(folder)!r}, found none for {word!r}; "
            "measure one with: pytest bench/"
        ) from None


def _read(path: Path) -> Past | None:
    try:
        return read_past(path)
    except OSError as error:
        raise UserError(
            f"--resume: {str(path)!r} cannot be read ({error.strerror}); measure it anew"
        ) from None
    except BAD_RECORD as error:
        raise UserError(
            f"--resume: {str(path)!r} holds a damaged measurement ({str(error)[:80]}); "
            "measure it anew"
        ) from None


def refuse_other_cases(past: Past, chosen: Iterable[Case]) -> None:
    """Raise UserError where cases of the run are not selected now: it would never be complete."""
    missing = sorted(past.cases - {case.label for case in chosen})
    if missing:
        raise UserError(
            f"--resume: {len(missing)} cases of the run are not selected, such as {missing[0]!r}; "
            "go on with: pytest bench/ --resume"
        )


def refuse_other_machine(past: Past, now: Header) -> None:
    """Raise UserError naming what differs between a run and the header that it would have now."""
    then = _parts(past.header)
    differ = [
        f"{one.name} {one.old!r:.60}, now {one.new!r:.60}"
        for before, after in zip(then, _parts(now), strict=True)
        for one in differences(before, after)
    ]
    if differ:
        raise UserError(
            "--resume: the run is of another machine, other versions or other code "
            f"({'; '.join(differ)}); measure it anew"
        )


def _parts(header: Header) -> Iterator[Mapping[str, Any]]:
    """Yield what has to be the same: the machine's identity, versions and flags, and the files."""
    machine = header.machine
    yield machine.identity
    yield {**machine.versions, "python": machine.drift.get("python")}
    yield as_object(machine.drift.get("flags"))
    yield header.sources


def options(past: Past, asked: Mapping[str, str]) -> dict[str, str]:
    """Return the run's own options; raises UserError where other ones are asked for now."""
    own = {str(name): str(text) for name, text in (past.header.asked or {}).items()}
    for name, text in asked.items():
        if text and name not in FREE and text != own.get(name, ""):
            flag = "--" + name.replace("_", "-")
            raise UserError(
                f"--resume: the run had {flag} {own.get(name, '')!r}, received {text!r}; leave it "
                "out, or measure anew without --resume"
            )
    free = {name: asked[name] for name in FREE if asked.get(name)}
    return {name: own.get(name, "") for name in asked} | free
