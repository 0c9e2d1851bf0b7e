"""Several runs as one: shards of a grid, further launches, and kinds of machines.

Launches of a setting that an earlier run has, too, are numbered on: none overwrites another, and
rivals share a number only if they met. Machines whose identity differs become values of the axis
`machine`. What has one name in two runs and is not the same is refused.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

from msgspec import structs

from timelift.analyse.results import Run
from timelift.case import Case, Setting, Status, workload_name
from timelift.errors import UserError
from timelift.inner_layer import Factory
from timelift.journal.lines import Header, Identity, Machine, identity_of, machine_names
from timelift.measurement import CaseInLaunch, Measurement


def merge_runs(words: Sequence[str], runs: Sequence[Run]) -> Run:
    """Return one run of several usual ones, which `words` name; raises UserError."""
    headers = [run.header for run in runs]
    ids = [header.id or str(header) for header in headers]
    if twice := [repr(word) for word, own in zip(words, ids, strict=True) if ids.count(own) > 1]:
        raise UserError(f"expected several runs, received one as {' and '.join(twice)}")
    _refuse_differences(zip(words, headers, strict=True))
    kinds = defaultdict[Identity, list[Run]](list)
    for run in runs:
        for name, machine in _machines(run.header).items():
            own = (each for each in run.measurements if each.case.setting.machine == name)
            header = structs.replace(run.header, machine=machine)
            kinds[identity_of(machine)] += [replace(run, header=header, measurements=tuple(own))]
    names = machine_names([parts[0].header.machine for parts in kinds.values()])
    by_name = dict(zip(names if len(names) > 1 else [""], kinds.values(), strict=True))
    complete, named = all(run.complete for run in runs), zip(words, runs, strict=True)
    return Run(
        _header(headers, by_name),
        tuple(each for name, parts in by_name.items() for each in _together(parts, name)),
        complete,
        tuple(f"{word}: {text}" for word, run in named for text in run.warnings),
        cut_short=not complete and not any(run.is_provisional for run in runs),
    )


def _machines(header: Header) -> Mapping[str, Machine]:
    return header.machines or {"": header.machine}


def _refuse_differences(headers: Iterable[tuple[str, Header]]) -> None:
    """Raise UserError where a file, a layer or a version of a machine is another in a later run."""
    known: dict[tuple[str, object], tuple[str, object]] = {}
    for word, header in headers:
        for key, value in _facts(header):
            where, before = known.setdefault(key, (word, value))
            if before != value:
                raise UserError(
                    f"expected runs of the same files and versions, received {key[0]} "
                    f"{before!r:.60} in {where!r} and {value!r:.60} in {word!r}; report them apart"
                )


def _facts(header: Header) -> Iterator[tuple[tuple[str, object], object]]:
    for path, digest in header.sources.items():
        yield (path.removeprefix("timelift/"), "file"), digest
    if layer := header.layer_options["layer"]:
        name = workload_name(Factory.of(layer).lift or Factory.of(layer).name)
        yield (f"the layer of {name}", "layer"), " ".join(header.layer_options.values())
    for machine in _machines(header).values():
        always = {name: machine.drift.get(name, {}) for name in ("python", "flags")}
        for name, version in {**always, **machine.versions}.items():
            yield (name, identity_of(machine)), version


def _together(parts: Iterable[Run], machine: str) -> Iterable[Measurement]:
    """Return the measurements of one kind of machine, with this value of the axis."""
    merged: dict[Case, Measurement] = {}
    played = defaultdict[Setting, int](int)  # the highest number of a launch
    for part in parts:
        settings = {case.setting: replace(case.setting, machine=machine) for case in part.by_case}
        after = max((played[setting] for setting in settings.values()), default=0)
        for old, own in part.by_case.items():
            case = replace(old, setting=settings[old.setting])
            lines = [replace(each, case=case, number=each.number + after) for each in own.launches]
            numbers = (line.number for line in lines)
            played[case.setting] = max(played[case.setting], *numbers, 0)
            if own.status is not Status.MEASURED:
                lines.append(CaseInLaunch(case, 0, status=own.status, reason=own.reason))
            before = merged.get(case, Measurement(case))
            merged[case] = reduce(Measurement.plus, lines, before)
    return merged.values()


def _header(headers: Sequence[Header], parts: Mapping[str, Sequence[Run]]) -> Header:
    """Return what the headers agree in, with all machines, files and strategies."""
    machines = {
        name: _in_common([run.header.machine for run in own], own[0].header.machine)
        for name, own in parts.items()
    }
    named = Machine(name="+".join(machines), identity={"machines": ", ".join(machines)})
    labels = dict.fromkeys(label for header in headers for label in header.planned or ())
    several = len(machines) > 1
    return structs.replace(
        Header(**_agreed([structs.asdict(header) for header in headers])),
        started=min((header.started for header in headers if header.started), default=None),
        command=None,
        machine=_in_common([*machines.values()], named) if several else machines[""],
        machines=machines if several else {},
        options=_agreed([header.options for header in headers]),
        planned=None if several else [*labels],
        sources=_agreed([header.sources for header in headers]),
        strategies={name: entry for each in headers for name, entry in each.strategies.items()},
    )


def _in_common(machines: Sequence[Machine], named: Machine) -> Machine:
    """Return a machine of this name and identity, with the drift in which all of these agree."""
    drift = _agreed([machine.other_drift for machine in machines])
    versions = _agreed([machine.versions for machine in machines])
    return structs.replace(named, drift={"versions": versions, **drift}, information={})


def _agreed(mappings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the values of all mappings, but for those that another has otherwise."""
    return {
        name: value
        for mapping in mappings
        for name, value in mapping.items()
        if all(other.get(name) in (value, None, "") for other in mappings)
    }
