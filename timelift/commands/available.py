"""`timelift strategies` and `timelift workloads`: the files of the project and timelift's own."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from timelift.commands import Options, write_lines
from timelift.errors import UserError, nearest
from timelift.measure.catalogue import read_variants, read_workload
from timelift.present import terminal
from timelift.present.document import Block, Document, Line
from timelift.project import Project
from timelift.source import read_source

#: When a file is measured, in the order of the list.
_HEADINGS = (
    "measured by default",
    "measured where they are named",
    "look-alikes, which compute something else",
)
#: Beside a file of the project that has the name of one of timelift's.
_INSTEAD = " (instead of timelift's)"


def strategies(options: Options, project: Project) -> int:
    """List the strategies, a line each: those of the project, then timelift's own.

    Example: timelift strategies show fold_time

    One of the project stands in the place of timelift's of the same name. `strategies show NAME`
    prints a file, to copy into strategies/ and change.
    """
    return _list_or_show("strategies", project.strategies, options, project)


def strategies_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "words", nargs="*", metavar="[show NAME]", help="print this file (default: list all)"
    )


workloads_options = strategies_options


def workloads(options: Options, project: Project) -> int:
    """List the workloads, a line each: those of the project, then timelift's own.

    Example: timelift workloads show tokens

    One of the project stands in the place of timelift's of the same name. `workloads show NAME`
    prints a file, to copy into workloads/ and change.
    """
    return _list_or_show("workloads", project.workloads, options, project)


def _list_or_show(kind: str, files: Mapping[str, Path], options: Options, project: Project) -> int:
    match options.words:
        case []:
            terminal.show(_list(kind, files, project))
        case ["show", name]:
            write_lines([_text(kind, files, name)])
        case words:
            raise UserError(
                f"expected nothing, or show NAME; received {' '.join(words)!r}; "
                f"write timelift {kind} show {words[-1] if words[-1] in files else 'NAME'}"
            )
    return 0


def _text(kind: str, files: Mapping[str, Path], name: str) -> str:
    path = files.get(name.partition("[")[0])
    if path is None:
        noun = "strategy" if kind == "strategies" else "workload"
        raise UserError(f"unknown {noun} {name!r}; {nearest(name, files)}")
    try:
        return path.read_text(encoding="utf-8").rstrip("\n")
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); check the file") from error


def _list(kind: str, files: Mapping[str, Path], project: Project) -> Document:
    """Return the titles by folder, the project's first, and by when they are measured."""
    brought = project.brought / kind
    groups: dict[tuple[bool, str, int], list[Line]] = {}
    for name, path in files.items():
        is_own = path.parent.resolve() != brought.resolve()
        replaces = is_own and (brought / path.name).exists()
        title = f"{read_source(path).title}{_INSTEAD if replaces else ''}"
        group = (not is_own, project.shown(path.parent), _heading_of(kind, path))
        groups.setdefault(group, []).append(Line(name, title))
    blocks = (
        Block(heading=f"{folder}/, {_HEADINGS[place]}", lines=tuple(titles))
        for (_, folder, place), titles in sorted(groups.items())
    )
    return Document(blocks=tuple(blocks))


def _heading_of(kind: str, path: Path) -> int:
    if kind == "workloads":
        return 0 if read_workload(path).default else 1
    strategy = next(iter(read_variants(path).values()))
    if strategy.differs:
        return 2
    return 0 if strategy.default else 1
