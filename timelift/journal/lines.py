"""The lines of a journal beside a `CaseInLaunch`: its header and the closing mark."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from timelift.case import Case
from timelift.measurement import CaseInLaunch

SCHEMA = 1
#: A call lasts longer than a picosecond and less than thirty years; anything else is an error.
SHORTEST_SECONDS, LONGEST_SECONDS = 1e-12, 1e9
#: The least and the most that a twin may be slower, as shares; anything else is an error.
LEAST_SLOWER, MOST_SLOWER = -0.9, 100.0
_UNKNOWN = "an unknown strategy"


class Quantity(StrEnum):
    """What may become worse: the seconds of a call or of the first call, or a call's peak bytes."""

    TIME = "time"
    FIRST_CALL = "first call"
    MEMORY = "peak memory"


#: Characters of a commit in a file's name and in tables.
_SHORT_COMMIT = 8


def short_commit(name: str) -> str:
    return name[:_SHORT_COMMIT]


#: The rival in a run of a whole model that is the model itself.
AS_WRITTEN = "as_written"


class Commit(Struct, frozen=True):
    """The commit that was measured, if known; `dirty` where tracked files differed from it."""

    id: str | None = None
    dirty: bool = False


class Machine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The machine of a run.

    Runs with different `identity` are not comparable; a difference in `drift` is reported beside
    the comparison; `information` is shown and never compared; `name` is a slug of `identity`.
    """

    name: str | None = None
    identity: dict[str, Any] = {}
    drift: dict[str, Any] = {}
    information: dict[str, Any] = {}

    @property
    def versions(self) -> Mapping[str, Any]:
        return object_or_empty(self.drift.get("versions"))

    @property
    def software(self) -> Mapping[str, Any]:
        """What runs of a machine have to share: versions, Python and flags."""
        flags = object_or_empty(self.drift.get("flags"))
        return {**self.versions, "python": self.drift.get("python"), **flags}

    @property
    def other_drift(self) -> dict[str, Any]:
        return {name: value for name, value in self.drift.items() if name != "versions"}


class Planted(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A twin: a copy `of` a strategy, known to be `slower` than that by a share."""

    of: str = ""
    slower: Annotated[float, Meta(ge=LEAST_SLOWER, le=MOST_SLOWER)] | None = None


class OtherSideOf(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The strategy that this is the other side of."""

    of: str = ""


class StrategyEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The record of a strategy, a planted twin or another side; `differs` is why it is no lift."""

    title: str | None = None
    differs: str | None = None
    meaning: dict[str, Any] = {}
    planted: Planted | None = None
    against: OtherSideOf | None = None

    @property
    def copy_of(self) -> str:
        """The strategy that this one is a copy of, or ''."""
        original = self.planted or self.against
        return (original.of or _UNKNOWN) if original else ""

    @property
    def other_side_of(self) -> str | None:
        return self.against.of or None if self.against else None


class Against(Struct, frozen=True, kw_only=True):
    """The other side of a run, and by what rule it is judged.

    `label` is what the user typed, and `commit` its commit, if any. `gates` has the increase of
    each quantity, a share, that should be found. `screening` launches come before a trial.
    `undecided` is "pass" or "fail". `new`, `removed` and `unchanged` are names, and `versions`
    holds (there, here) of what differs.
    """

    label: str
    commit: str | None
    gates: dict[Quantity, Annotated[float, Meta(gt=0, lt=1e9)]]
    screening: Annotated[int, Meta(ge=1)]
    undecided: str
    new: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: tuple[str, ...]
    versions: dict[str, tuple[str, str]]

    @property
    def undecided_fails(self) -> bool:
        return self.undecided == "fail"

    def __post_init__(self) -> None:
        if missing := [quantity for quantity in Quantity if quantity not in self.gates]:
            raise ValueError(f"gates: expected a share of {missing[0]}, received none")


class Header(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="run"):
    """The first line of a journal.

    `options` are the options as they were read, and `asked` as they were typed. `cases` is how many
    were selected, `planned` their `short_fields` (their labels in older journals), and `sources` a
    digest of every file that was measured. `steps` has the word for the steps of workloads.
    Where several kinds of machines play, `machines` has each by its name on the axis `machine`, and
    `machine` what they share.
    """

    id: str | None = None
    started: str | None = None
    seed: int | None = None
    command: list[str] | None = None
    commit: Commit = Commit()
    machine: Machine = Machine()
    machines: dict[str, Machine] = {}
    options: dict[str, Any] = {}
    cases: int | None = None
    asked: dict[str, str] | None = None
    sources: dict[str, str] = {}
    planned: list[dict[str, Any] | str] | None = None
    strategies: dict[str, StrategyEntry] = {}
    steps: dict[str, str] = {}
    against: Against | None = None

    @property
    def kinds(self) -> Mapping[str, Machine]:
        """Each kind of machine by its name on the axis, '' where there is one."""
        return self.machines or {"": self.machine}

    def planned_cases(self) -> Iterator[Case | str]:
        """Yield the cases that were selected, or their labels; raises ValueError for no case."""
        for one in self.planned or ():
            yield one if isinstance(one, str) else Case.from_fields(one)

    @property
    def races_copies(self) -> bool:
        """True if strategies raced against copies: planted twins, or those of another side."""
        return self.against is not None or any(entry.copy_of for entry in self.strategies.values())

    @property
    def races_whole_model(self) -> bool:
        """True if a user's model raced against itself with changes, which bench cannot do."""
        return self.options.get("relative_to") == AS_WRITTEN

    @property
    def advises(self) -> bool:
        """True if it measured a user's model: its lifts alone, or the whole."""
        return self.races_whole_model or bool(self.options.get("lifts"))

    @property
    def layer_options(self) -> dict[str, str]:
        """The user's own layer and its inputs, as `bench` reads them, or ''."""
        texts = {name: self.options.get(name) for name in ("layer", "inputs")}
        return {name: text if isinstance(text, str) else "" for name, text in texts.items()}

    def option_number(self, name: str) -> float | None:
        """Return an option as a number; None if it is missing or no number."""
        try:
            return float(self.options.get(name, ""))
        except (TypeError, ValueError, OverflowError):
            return None

    def fields(self) -> dict[str, Any]:
        return {"kind": "run", "schema": SCHEMA, **msgspec.to_builtins(self)}


class RunEnd(StrEnum):
    """How a run ended."""

    COMPLETE = "complete"
    CUT_SHORT = "cut short"
    INTERRUPTED = "interrupted"


class End(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="end"):
    """The closing mark; `exit` is a `RunEnd`, or what another program wrote."""

    exit: str
    ended: str = ""

    def fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return fields


Line = Header | CaseInLaunch | End


def object_or_empty(value: object) -> Mapping[str, Any]:
    """Return a value of JSON where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def parse_time(text: str) -> datetime:
    """Read a date or a time, in UTC unless it names another zone; raises ValueError."""
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            f"started: expected a date such as 2026-01-31, received {text!r:.40}"
        ) from None


def utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


# Differences between the machines of two runs: names with both values, not yet in words ----------

_SCALARS = (str, int, float, bool)
#: What identifies a machine: names with values as text.
Identity = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Difference:
    """One property of two runs; None where a run does not have it."""

    name: str
    old: Any
    new: Any


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            yield Difference(name, old.get(name), new.get(name))


def identity_of(machine: Machine) -> Identity:
    """Return what two runs of one machine have in common; empty if it is unknown."""
    return frozenset(flattened(machine.identity).items())


def what_all_share(machines: Mapping[str, Machine]) -> Machine:
    """Return a machine with the names and the shared drift of all kinds, or the only kind."""
    first, *others = machines.values()
    if not others:
        return first
    names = sorted(machines)
    drift = {
        name: value
        for name, value in first.drift.items()
        if all(other.drift.get(name) == value for other in others)
    }
    return Machine(name="+".join(names), identity={"machines": ", ".join(names)}, drift=drift)


def machine_names(machines: Sequence[Machine]) -> list[str]:
    """Return a short name for each kind of machine, all different; '' for the only one.

    They are words that not all share, its GPU's first: two, or as many as tell the kinds apart.
    """
    if len(machines) == 1:
        return [""]
    about = (f"{machine.identity.get('gpus', '')} {machine.name}" for machine in machines)
    words = [[*dict.fromkeys(re.findall(r"[a-z0-9]+", text.lower()))] for text in about]
    shared = set.intersection(*map(set, words))
    own = [[word for word in each if word not in shared] or each for each in words]
    for count in range(2, max(map(len, own)) + 2):
        names = ["_".join(each[:count]) for each in own]
        if len({*names}) == len(names):
            return names
    return [f"machine_{number}" for number in range(1, len(own) + 1)]


def flattened(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return scalars as text by name, those of nested objects too, and leave out the rest."""
    texts: dict[str, str] = {}
    for name, value in fields.items():
        scalars = value if isinstance(value, dict) else {name: value}
        texts |= {
            str(key): str(text) for key, text in scalars.items() if isinstance(text, _SCALARS)
        }
    return texts
