"""Several runs as one: shards of a grid, further launches, and kinds of machines.

Launches of a setting that an earlier run has, too, are numbered on: none overwrites another, and
rivals share a number only if they met. Machines whose identity differs become values of the axis
`machine`. What has one name in two runs and is not the same is refused.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from msgspec import structs

from timelift.analyse.results import Run
from timelift.case import SKIPPED, Case, Setting, Status, workload_name
from timelift.errors import UserError
from timelift.inner_layer import Factory
from timelift.journal.lines import Commit, Header, Identity, Machine, identity_of, machine_names
from timelift.measurement import CaseInLaunch, Measurement


def merge_runs(words: Sequence[str], runs: Sequence[Run]) -> Run:
    """Return one run of several usual ones, which `words` name; raises UserError."""
    ids = [run.header.id or str(run.header) for run in runs]
    if twice := [repr(word) for word, own in zip(words, ids, strict=True) if ids.count(own) > 1]:
        raise UserError(f"expected runs that differ, received {' and '.join(twice)}, which are one")
    kinds: dict[Identity, list[Run]] = defaultdict(list)
    known: dict[tuple[object, str], tuple[object, str]] = {}
    for word, run in zip(words, runs, strict=True):
        for part in _by_machine(run):
            _refuse_differences(_facts(part.header), word, known)
            kinds[identity_of(part.header.machine)].append(part)
    machines = [_shared([part.header.machine for part in kind]) for kind in kinds.values()]
    names = machine_names(machines) if len(machines) > 1 else [""]
    kinds_by_name = zip(names, kinds.values(), strict=True)
    complete = all(run.complete for run in runs)
    return Run(
        _header([run.header for run in runs], dict(zip(names, machines, strict=True))),
        tuple(each for name, kind in kinds_by_name for each in _together(kind, name)),
        complete,
        tuple(
            f"{word}: {text}"
            for word, run in zip(words, runs, strict=True)
            for text in run.warnings
        ),
        cut_short=not complete and not any(run.is_provisional for run in runs),
    )


def _by_machine(run: Run) -> Iterator[Run]:
    """Yield the part of each kind of machine, as a run of this kind alone."""
    for name, machine in (run.header.machines or {"": run.header.machine}).items():
        own = (each for each in run.measurements if each.case.setting.machine == name)
        yield replace(
            run, header=structs.replace(run.header, machine=machine), measurements=tuple(own)
        )


def _facts(header: Header) -> Iterator[tuple[tuple[object, str], object]]:
    """Yield what is the same in all runs: files and layers of a name, versions of a machine."""
    for path, digest in header.sources.items():
        yield ("file", path.removeprefix("timelift/")), digest
    if layer := header.layer_options["layer"]:
        factory = Factory.of(layer)
        name = f"the layer of {workload_name(factory.lift or factory.name)}"
        yield ("layer", name), " ".join(header.layer_options.values())
    machine, drift = identity_of(header.machine), header.machine.drift
    for name, version in {"python": None, "flags": {}, **header.machine.versions}.items():
        yield (machine, name), drift.get(name, version)


def _refuse_differences(
    facts: Iterable[tuple[tuple[object, str], object]],
    word: str,
    known: dict[tuple[object, str], tuple[object, str]],
) -> None:
    for key, value in facts:
        before, where = known.setdefault(key, (value, word))
        if value != before:
            raise UserError(
                f"expected runs of the same files and versions, received {key[1]} {before!r:.60} "
                f"in {where!r} and {value!r:.60} in {word!r}; report them apart"
            )


def _together(parts: Iterable[Run], machine: str) -> Iterator[Measurement]:
    """Yield the measurements of one kind of machine, with this value of the axis."""
    ended: dict[Case, Measurement] = {}
    launches: dict[Case, list[CaseInLaunch]] = defaultdict(list)
    played: dict[Setting, int] = defaultdict(int)  # the highest number of a launch
    for part in parts:
        case_of = {
            case: replace(case, setting=replace(case.setting, machine=machine))
            for case in part.by_case
        }
        after = max((played[case.setting] for case in case_of.values()), default=0)
        for old, case in case_of.items():
            own = part.by_case[old]
            ended[case] = min(ended.get(case, own), own, key=_concern)
            for each in own.launches:
                launches[case].append(replace(each, case=case, number=each.number + after))
                played[case.setting] = max(played[case.setting], each.number + after)
    for case, measurement in ended.items():
        yield replace(measurement, case=case, launches=tuple(launches[case]))


def _concern(measurement: Measurement) -> tuple[bool, bool]:
    """Return the place among ends of a case: a failure in any run, then a time, then a skip."""
    return measurement.status in SKIPPED, measurement.status is Status.MEASURED


def _header(headers: Sequence[Header], machines: Mapping[str, Machine]) -> Header:
    several, first = len(machines) > 1, headers[0]
    named = Machine(name="+".join(machines), identity={"machines": ", ".join(machines)})
    labels = dict.fromkeys(label for header in headers for label in header.planned or ())
    return Header(
        started=min((header.started for header in headers if header.started), default=None),
        commit=first.commit if all(each.commit == first.commit for each in headers) else Commit(),
        machine=_shared([named, *machines.values()]) if several else machines[""],
        machines=dict(machines) if several else {},
        options=_agreed([header.options for header in headers]),
        planned=None if several else [*labels],
        sources=_agreed([header.sources for header in headers]),
        strategies={name: entry for each in headers for name, entry in each.strategies.items()},
    )


def _shared(machines: Sequence[Machine]) -> Machine:
    """Return the first machine, with the drift in which all of them agree."""
    versions = _agreed([machine.versions for machine in machines])
    drift = {"versions": versions} | _agreed([machine.other_drift for machine in machines])
    return Machine(name=machines[0].name, identity=machines[0].identity, drift=drift)


def _agreed(mappings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the values of all mappings, but for those that another has otherwise."""
    return {
        name: value
        for mapping in mappings
        for name, value in mapping.items()
        if all(other.get(name) in (value, None, "") for other in mappings)
    }
