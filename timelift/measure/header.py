"""The header of a run: what it is written with, and what lets an interrupted run be resumed."""

import hashlib
import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from timelift.case import COPY_SEPARATOR, Case
from timelift.errors import UserError, counted
from timelift.inner_layer import Factory
from timelift.journal.files import COPIES_FOLDERS, ResumedRun, find_run, read_resumed_run
from timelift.journal.lines import (
    Commit,
    Header,
    Machine,
    differences,
    short_commit,
    utc_now,
    what_all_share,
)
from timelift.measure.catalogue import Catalogue
from timelift.measure.options import option_flag
from timelift.project import Project, git, has_changes
from timelift.source import STEPS, module_files

#: An absolute path in a text, or what is left of one; the address of a page on the web is none.
_ABSOLUTE = re.compile(r"(?:(?<=file://)|(?<![\w.~/…-]))…?/(?!/)[^\s'\",;:()\[\]]+")
#: The address of a scheduler.
_HOST = re.compile(r"\b(tcp|tls|ucx|wss?)://[^\s'\",;()\[\]]+")
#: Options that a resumed run may have otherwise, since they do not change what is measured.
_MAY_CHANGE = frozenset({"budget", "cluster", "results"})


def new_header(
    project: Project,
    catalogue: Catalogue,
    cases: Collection[Case],
    seed: int,
    machines: Mapping[str, Machine],
) -> Header:
    """Return the header of a run of these cases that starts now, without its options.

    `machines` are the kinds that play it, by their names on the axis; one kind has ''.
    """
    started = utc_now()
    strategies = dict.fromkeys(case.strategy for case in cases)
    return Header(
        id=f"{started}-{seed:08x}",
        started=started,
        seed=seed,
        command=[program(), *sys.argv[1:]],
        commit=_commit(project.root),
        machine=what_all_share(machines),
        machines={name: machine for name, machine in machines.items() if name},
        cases=len(cases),
        sources=_sources(project, catalogue, cases),
        planned=[case.short_fields() for case in cases],
        strategies={name: catalogue.entry(name) for name in strategies},
        steps=_steps(catalogue, cases),
    )


def _steps(catalogue: Catalogue, cases: Iterable[Case]) -> dict[str, str]:
    words = {
        name: catalogue.workloads[name].steps for name in {it.setting.workload for it in cases}
    }
    return {name: word for name, word in sorted(words.items()) if word != STEPS}


def _commit(root: Path) -> Commit:
    """Return the commit of `root`, and whether tracked files differ from it; no id without git."""
    try:
        revision = git(root, "rev-parse", "HEAD")
        return Commit(revision, has_changes(root))
    except UserError:
        return Commit()


def shareable_header(header: Header, root: Path) -> Header:
    """Return a header that names no folder outside of the project at `root`."""
    return msgspec.convert(_without_folders(msgspec.to_builtins(header), root), Header)


def _without_folders(value: Any, root: Path) -> Any:
    if isinstance(value, dict):
        shown: dict[str, Any] = {}
        for name, part in value.items():
            key, number = without_folders(name, root), 2
            while key in shown:  # two files of one name, outside of the project
                key, number = f"{without_folders(name, root)} ({number})", number + 1
            shown[key] = _without_folders(part, root)
        return shown
    if isinstance(value, list):
        return [_without_folders(part, root) for part in value]
    return without_folders(value, root) if isinstance(value, str) else value


def without_folders(text: str, root: Path) -> str:
    """Return a text that names no folder outside of the project at `root`.

    So a journal can be shared. Paths in the project are written from its root on. Only the last
    part of other absolute paths is kept, and only the scheme of a scheduler's address. Half a
    surrogate becomes a question mark, as in the file: lines in memory equal those of the file.
    """
    for folder, name in ((str(root.resolve()), ""), (os.environ.get("HOME", ""), "…/")):
        if folder.strip("/"):
            text = re.sub(rf"(?<![\w./-]){re.escape(folder)}/", name, text)
            text = re.sub(rf"(?<![\w./-]){re.escape(folder)}(?![\w.-])", name or ".", text)
    text = _HOST.sub(r"\1://…", text)
    shown = _ABSOLUTE.sub(lambda path: f"…/{Path(path[0]).name}", text)
    return shown.encode(errors="replace").decode()


def program() -> str:
    """Return the command that was typed, `timelift` or `pytest`."""
    path = Path(sys.argv[0])  # timelift/__main__.py for `python -m timelift`
    name = path.parent.name if path.stem == "__main__" else path.stem
    return name if name == "timelift" else "pytest"


def _sources(project: Project, catalogue: Catalogue, cases: Iterable[Case]) -> dict[str, str]:
    """Return a digest of each measured file by its path, after the label of another side."""
    files: dict[str, Path] = {}

    def add(path: Path | None, home: Project | None, label: str) -> None:
        if path and path.is_file():
            shown = (home or project).shown(path)
            files[f"{label}: {shown}" if home else shown] = path

    for case in cases:
        strategy, rival = catalogue.strategies[case.strategy], catalogue.rival(case, 1)
        if strategy.planted is not None:  # a twin runs the file of its strategy
            continue
        label = case.strategy.partition(COPY_SEPARATOR)[2]
        add(strategy.path, strategy.home, label)
        home = strategy.home if rival.factory else None
        factory = rival.factory or catalogue.workloads[case.setting.workload].factory
        add(_layer_file(factory, home or project), home, label)
    return {name: _digest(path) for name, path in sorted(files.items())}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _layer_file(factory: str, home: Project) -> Path | None:
    """Return the file of an inner layer's factory; None for a module that is not the project's."""
    parsed = Factory.of(factory)
    if parsed.is_file or parsed.is_stored:
        return Path(parsed.where)
    return next(module_files(parsed.where, home.import_folders), None)


def journal_path(folder: Path, header: Header) -> Path:
    stamp = str(header.started).replace(":", "").replace("-", "").removesuffix("+0000")
    commit = short_commit(header.commit.id or "nogit")
    return folder / f"{stamp}Z_{commit}.jsonl"


def open_resumed(folder: Path, word: str) -> ResumedRun:
    """Read the run that `word` names in the `folder` of all machines; raises UserError if none."""
    try:
        path = find_run(folder, word, resumable=True)
    except UserError as error:
        raise UserError(f"--resume: {error}") from None
    try:
        resumed = read_resumed_run(path)
    except (OSError, MemoryError) as error:
        why = f"cannot be read ({getattr(error, 'strerror', 'out of memory')})"
        raise UserError(f"--resume: {str(path)!r} {why}; measure it anew") from None
    except ValueError as error:
        why = f"holds a damaged line ({str(error)[:80]})"
        raise UserError(f"--resume: {str(path)!r} {why}; measure it anew") from None
    if resumed is None:
        raise UserError(f"--resume: expected a journal of this timelift, received {str(path)!r}")
    of_copies = resumed.header.races_copies or path.resolve().parent.name in COPIES_FOLDERS
    if of_copies or resumed.header.planned is None or resumed.header.asked is None:
        raise UserError(
            f"--resume: {str(path)!r} cannot be resumed: it is a self-test, a gate run, or has no "
            "list of cases; measure it anew"
        )
    return resumed


def resumed_options(resumed: ResumedRun, asked: Mapping[str, str], root: Path) -> dict[str, str]:
    """Return the run's own options; raises UserError if others are asked for now.

    `asked` has every option, empty if it is not given; `root` is the top of the project.
    """
    own = resumed.header.asked or {}
    _refuse_unknown_options(own, asked)
    options = {}
    for name, text in asked.items():
        before = "" if name == "cluster" else own.get(name, "")  # with or without one, as asked
        options[name] = text or _from_folder(root, name, before)
        if name in _MAY_CHANGE:
            continue
        if not text and "…/" in before:
            raise UserError(
                f"--resume: the run had {option_flag(name)} {before!r}, which is outside of the "
                "project; name it again"
            )
        shared = _shareable(name, before, root, root)
        if text and _shareable(name, text, Path.cwd(), root) != shared:
            raise UserError(
                f"--resume: the run had {option_flag(name)} {before!r}, received "
                f"{text!r}; leave it out, or measure anew without --resume"
            )
    return options


def refuse_foreign_layer(resumed: ResumedRun, layer: str, project: Project) -> None:
    """Raise UserError unless a layer is the project's, and its file as the journal has it.

    It was named by the journal, which may be anybody's, and has not been imported yet.
    """
    path = _layer_file(layer, project)
    is_own = path and path.is_file() and path.resolve().is_relative_to(project.root.resolve())
    if not (path and is_own and resumed.header.sources.get(project.shown(path)) == _digest(path)):
        raise UserError(
            f"--resume: expected --layer {layer!r} in the project and as it was measured, received "
            "another place or other code; name it again, or measure anew without --resume"
        )


def _refuse_unknown_options(own: Mapping[str, str], asked: Mapping[str, str]) -> None:
    """Raise UserError if a run was begun with options that this version does not have."""
    unknown = [
        f"{option_flag(name)} {text!r:.60}"
        for name, text in own.items()
        # relative_to, of older versions, changed reports alone
        if text and name not in {*asked, "relative_to"}
    ]
    if unknown:
        raise UserError(
            f"--resume: expected a run of this version's options, received one begun with "
            f"{', '.join(unknown)}; start a new run, without --resume"
        )


def asked_from_root(asked: Mapping[str, str], root: Path) -> dict[str, str]:
    """Return options as a header holds them: a layer's file by its path from `root`."""
    return {name: _shareable(name, text, Path.cwd(), root) for name, text in asked.items()}


def _shareable(name: str, text: str, folder: Path, root: Path) -> str:
    return without_folders(_from_folder(folder, name, text), root)


def _from_folder(folder: Path, name: str, text: str) -> str:
    """Return the text of an option; a layer's file, typed in `folder`, with its whole path."""
    factory = Factory.of(text)
    if name != "layer" or not factory.is_file:
        return text
    return str(replace(factory, where=os.path.normpath(folder.resolve() / factory.where)))


def refuse_other_cases(resumed: ResumedRun, chosen: Iterable[Case]) -> None:
    missing = sorted(resumed.cases - {case.label for case in chosen})
    if missing:
        where = " --cluster ADDRESS, of all its kinds" if resumed.header.machines else ""
        raise UserError(
            f"--resume: expected all cases of the run, {counted(len(missing), 'case')} not "
            f"selected, such as {missing[0]!r}; resume with: timelift bench --resume{where}"
        )


def refuse_other_machine(resumed: ResumedRun, now: Header) -> None:
    """Raise UserError with all that differs between a run and the header that it would have now."""
    pairs = zip(_parts(resumed.header), _parts(now), strict=False)  # kinds differ in the first
    differ = [
        f"{difference.name} {difference.old!r:.60}, now {difference.new!r:.60}"
        for before, after in pairs
        for difference in differences(before, after)
    ]
    if differ:
        raise UserError(
            "--resume: the run is of another machine, other versions or other code "
            f"({'; '.join(differ)}); resume it where it was begun (--cluster), or measure it anew"
        )


def _parts(header: Header) -> Iterator[Mapping[str, Any]]:
    """Yield what has to be equal: kinds of machines, files, and what each kind is and runs."""
    yield {"machines": ", ".join(sorted(header.kinds))}
    yield header.sources
    for _, machine in sorted(header.kinds.items()):
        yield machine.identity
        yield machine.software
