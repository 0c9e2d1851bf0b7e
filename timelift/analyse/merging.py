"""Several runs as one: shards of a grid, further launches, and kinds of machines.

Launches of a setting that an earlier run has, too, get the next numbers: none overwrites another,
and rivals share a number only if they met. Each launch keeps the position of its run, since runs
may be the evidence. Machines whose identity differs become values of the axis `machine`. A file,
layer or version that differs between runs under one name is refused.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

from msgspec import structs

from timelift.analyse.results import Run
from timelift.axis_values import Status
from timelift.case import Case, Setting, workload_name
from timelift.errors import UserError
from timelift.inner_layer import Factory
from timelift.journal.lines import (
    Header,
    Identity,
    Machine,
    identity_of,
    machine_names,
    what_all_share,
)
from timelift.measurement import CaseInLaunch, Measurement


def merge_runs(words: Sequence[str], runs: Sequence[Run]) -> Run:
    """Return one run of several usual ones, which `words` name; raises UserError."""
    headers = [run.header for run in runs]
    ids = [header.id or str(header) for header in headers]
    if twice := [repr(word) for word, own in zip(words, ids, strict=True) if ids.count(own) > 1]:
        raise UserError(f"expected each run once, received one as {' and '.join(twice)}")
    for word, run in zip(words, runs, strict=True):
        if {case.setting.machine for case in run.by_case} - run.header.kinds.keys():
            raise UserError(f"expected every machine of {word!r} in its header; report it alone")
    _refuse_differences(zip(words, headers, strict=True))
    kinds: dict[Identity, Machine] = {}
    for header in headers:
        for machine in header.kinds.values():
            kinds.setdefault(identity_of(machine), machine)
    names = machine_names([*kinds.values()])
    name_of = dict(zip(kinds, names, strict=True))
    complete, named = all(run.complete for run in runs), zip(words, runs, strict=True)
    return Run(
        _header(headers, dict(zip(names, kinds.values(), strict=True))),
        tuple(_together(runs, name_of)),
        complete,
        tuple(f"{word}: {text}" for word, run in named for text in run.warnings),
        cut_short=not complete and not any(run.is_provisional for run in runs),
    )


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
    for machine in header.kinds.values():
        flags = machine.drift.get("flags", {})  # as a whole, since one may have none
        for name, version in {**machine.software, "flags": flags}.items():
            yield (name, identity_of(machine)), version


def _together(runs: Iterable[Run], name_of: Mapping[Identity, str]) -> Iterable[Measurement]:
    merged: dict[Case, Measurement] = {}
    played = defaultdict[Setting, int](int)  # the highest number of a launch
    for place, run in enumerate(runs, 1):
        names = {old: name_of[identity_of(own)] for old, own in run.header.kinds.items()}
        cases = {
            case: replace(case, setting=replace(case.setting, machine=names[case.setting.machine]))
            for case in run.by_case
        }
        after = max((played[case.setting] for case in cases.values()), default=0)
        for old, case in cases.items():
            own = run.by_case[old]
            lines = [
                replace(one, case=case, number=one.number + after, run=f"{place} {one.run}".strip())
                for one in own.launches
            ]
            played[case.setting] = max(played[case.setting], *(line.number for line in lines), 0)
            if own.status is not Status.MEASURED:
                lines.append(CaseInLaunch(case, 0, status=own.status, reason=own.reason))
            merged[case] = reduce(Measurement.plus, lines, merged.get(case, Measurement(case)))
    return merged.values()


def _header(headers: Sequence[Header], kinds: Mapping[str, Machine]) -> Header:
    """Return a header of what all agree on, with all files and strategies, and these machines."""
    machines = [machine for header in headers for machine in header.kinds.values()]
    versions = _agreed([machine.versions for machine in machines])
    drift = {**_agreed([machine.drift for machine in machines]), "versions": versions}
    planned = [one for header in headers for one in header.planned or ()]
    return structs.replace(
        Header(**_agreed([structs.asdict(header) for header in headers])),
        started=min((header.started for header in headers if header.started), default=None),
        command=None,
        machine=structs.replace(what_all_share(kinds), drift=drift),
        machines={name: machine for name, machine in kinds.items() if name},
        options=_agreed([header.options for header in headers]),
        planned=planned if "" in kinds else None,
        sources=_agreed([header.sources for header in headers]),
        steps=_agreed([header.steps for header in headers]),
        strategies={name: entry for each in headers for name, entry in each.strategies.items()},
    )


def _agreed(mappings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Merge mappings without the names whose values differ; an empty value differs from none."""
    return {
        name: value
        for mapping in mappings
        for name, value in mapping.items()
        if all(other.get(name) in (value, None, "") for other in mappings)
    }
