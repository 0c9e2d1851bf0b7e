"""The gate of a session: the other side that its options name, and the cases of both sides."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from timelift.case import Case
from timelift.errors import UserError
from timelift.journal import Against
from timelift.measure import against
from timelift.measure.against import OtherSide
from timelift.measure.grid import Catalogue
from timelift.measure.match_cases import CaseMatcher, FileChanges, MatchedCases
from timelift.measure.options import Launches

#: The options that name the other side; one of them is enough.
SIDES = ("against", "against_path", "against_python")
#: Fresh launches that a suspect has at the most.
MOST_FRESH = 8


@dataclass
class SidesGate:
    """Race cases against their other side; `matched` is known once the cases are.

    `gates` gives each quantity its margin as a share.
    """

    other_side: OtherSide
    matcher: CaseMatcher
    screening: int
    gates: Mapping[str, float]
    undecided: str
    matched: MatchedCases = field(default_factory=lambda: MatchedCases({}, {}, FileChanges(), ()))
    #: What holds the folder of a revision until the session ends.
    holder: object = None

    @classmethod
    def of(cls, root: Path, knobs: Mapping[str, Any], catalogue: Catalogue) -> "SidesGate | None":
        """Open the other side that the options name; None where they name none."""
        given = [name for name in SIDES if knobs[name]]
        if not given:
            return None
        if len(given) > 1:
            flags = " and ".join("--" + name.replace("_", "-") for name in given)
            raise UserError(f"{flags} name more than one other side; give one of them")
        root = root.resolve()
        side, holder = _open(root, knobs, catalogue)
        measured = bool(side.python) or knobs["unchanged"] == "measure"
        return cls(
            side,
            CaseMatcher(catalogue, side, root, measure_unchanged=measured),
            knobs["launches"].fewest,
            {
                "time": knobs["gate"],
                "first call": knobs["gate_first_call"],
                "peak memory": knobs["gate_memory"],
            },
            knobs["undecided"],
            holder=holder,
        )

    @property
    def launches(self) -> Launches:
        """Screen every case, and give a suspect fresh launches after that."""
        return Launches(self.screening, self.screening + MOST_FRESH)

    def match(self, cases: Iterable[Case]) -> None:
        self.matched = self.matcher.match(dict.fromkeys(cases))

    def why_not(self, case: Case) -> str:
        """Return why a case has no other side; empty where it has one."""
        return self.matched.reasons.get(case, "")

    def both_sides(self) -> list[Case]:
        """Return the cases that have another side, each before it."""
        return [case for pair in self.matched.sides.items() for case in pair]

    def described(self) -> Against:
        changes = self.matched.file_changes
        return Against(
            label=self.other_side.label,
            commit=self.other_side.commit,
            gates=dict(self.gates),
            screening=self.screening,
            undecided=self.undecided,
            new=tuple(changes.new),
            removed=tuple(changes.removed),
            renamed=dict(changes.renamed),
            unchanged=tuple(self.matched.unchanged),
            versions=dict(self.other_side.versions),
        )


def _open(root: Path, knobs: Mapping[str, Any], catalogue: Catalogue) -> tuple[OtherSide, object]:
    if knobs["against_python"]:
        return against.of_python(knobs["against_python"], catalogue, root), None
    files = tuple(knobs["strategy_file"])
    if knobs["against_path"]:
        folder = Path(knobs["against_path"]).resolve()
        return against.of_folder(knobs["against_path"], folder, _theirs(files, root, folder)), None
    holder = against.temporary()
    folder = Path(holder.name)
    commit = against.take_out(root, knobs["against"], folder)
    theirs = _theirs(files, root, folder)
    return against.of_folder(knobs["against"], folder, theirs, commit, "--against"), holder


def _theirs(files: Iterable[Path], root: Path, folder: Path) -> tuple[Path, ...]:
    """Return the user's own files on the other side; those outside the project are the same."""
    placed = [_placed(path.resolve(), root, folder) for path in files]
    return tuple(path for path in placed if path.is_file())


def _placed(path: Path, root: Path, folder: Path) -> Path:
    return folder / path.relative_to(root) if path.is_relative_to(root) else path
