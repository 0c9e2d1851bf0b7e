"""One pytest session: the options read once, the cases of each question, and one campaign."""

import random
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from timelift.case import Case
from timelift.journal import AGAINST_FOLDER, SELFTEST_FOLDER, Journal, utc_now
from timelift.measure import axes, grid, machine, registry
from timelift.measure import selftest as selftest_axes
from timelift.measure.budget import SELFTEST_SPARE_SECONDS, SPARE_SECONDS
from timelift.measure.campaign import Campaign, Result
from timelift.measure.gate import Gate
from timelift.measure.knobs import KNOBS
from timelift.measure.launch import Limits
from timelift.measure.plan import Display, Plan, Referee
from timelift.measure.user_layer import user_workload

#: A machine that is busier than this with other work, as a share of its processors, is said so.
BUSY_SHARE = 0.2


class Session:
    """What conftest.py asks for; `asked` holds every option's text, empty where not given.

    `once` measures nothing: each case is built, held to the law and called, in one launch.
    `selftest` puts a strategy's planted twins in the place of its rivals. `gate` is how the cases
    are raced against another side, None where they are not.
    """

    def __init__(
        self, root: Path, asked: Mapping[str, str], *, once: bool = False, selftest: bool = False
    ) -> None:
        self.root, self.once, self.selftest = root, once, selftest
        usual = selftest_axes.AXES if selftest else {}
        self.asked = {
            option.name: asked[option.name] or usual.get(option.name, "") for option in axes.OPTIONS
        }
        self.knobs = {knob.name: knob.value(asked[knob.name]) for knob in KNOBS}
        self._copies = tempfile.TemporaryDirectory(prefix="timelift-") if selftest else None
        self.catalogue = grid.Catalogue(
            registry.strategies(root / "strategies", self.knobs["strategy_file"]),
            registry.workloads(root / "workloads"),
        )
        self._add_user_layer()
        self.cases({"sizes": "smallest"})
        self.gate = None if selftest else Gate.of(root, self.knobs, self.catalogue)
        self.journal_path: Path | None = None
        self.campaign: Campaign | None = None

    def _add_user_layer(self) -> None:
        """Put the user's layer among the workloads, and in place of the default ones."""
        workload = user_workload(self.knobs)
        if workload:
            self.catalogue.workloads[workload.name] = workload
            self.asked["workloads"] = self.asked["workloads"] or workload.name

    def cases(self, question: Mapping[str, str]) -> list[Case]:
        """List the cases of a bench module; a wrong value of any axis is a UserError."""
        compares = question.get("compares", "")
        sizes = question.get("sizes", "all")
        named = {name: text for name, text in question.items() if name in self.asked}
        found = grid.cases(grid.Question(named, compares, sizes), self.asked, self.catalogue)
        if self._copies is None:
            return found
        return list(selftest_axes.cases(found, self.catalogue, Path(self._copies.name)))

    def measure(
        self, cases: Iterable[Case], display: Display, referee: Referee, stop_after: int
    ) -> None:
        """Measure every case once, whichever items ask for it, into a new journal."""
        chosen = dict.fromkeys(self.gate.both_sides() if self.gate else cases)
        if not chosen:
            return
        self.campaign = Campaign(chosen, self.catalogue, self._plan(stop_after))
        if self.once:
            self.campaign.run(lambda _: None, display, referee)
            return
        header = self._header(len(self.campaign.results), self.campaign.plan)
        self._warn_if_busy(header["machine"]["information"], display)
        with Journal(self._new_path(header), header) as journal:
            self.journal_path = journal.path
            self.campaign.run(journal.append, display, referee)
            journal.exit_word = "cut short" if self.campaign.cut_short else "complete"

    def _warn_if_busy(self, seen: Mapping[str, Any], display: Display) -> None:
        if seen["busy"] > BUSY_SHARE:
            display.say(
                f"the machine is {seen['busy']:.0%} busy with other work: figures will be less "
                "sure and take longer; end other programs or wait"
            )

    def result(self, case: Case) -> Result | None:
        """What the campaign found of a case; None before it has run."""
        return self.campaign.results.get(case) if self.campaign else None

    def _plan(self, stop_after: int) -> Plan:
        knobs = self.knobs
        launches = self.gate.launches if self.gate else knobs["launches"]
        seed = knobs["seed"] if knobs["seed"] >= 0 else random.SystemRandom().randrange(2**31)
        return Plan(
            fewest=1 if self.once else launches.fewest,
            most=1 if self.once else launches.most,
            round_seconds=0.0 if self.once else knobs["round_seconds"],
            seed=seed,
            limits=Limits(knobs["first_call_limit"], knobs["case_timeout"]),
            stop_after=stop_after,
            budget_seconds=knobs["budget"],
            spare_seconds=SELFTEST_SPARE_SECONDS if self.selftest else SPARE_SECONDS,
            cores=knobs["pin"],
            two_sided=self.gate is not None,
            other_python=self.gate.base.python if self.gate else "",
        )

    def _header(self, cases: int, plan: Plan) -> dict[str, Any]:
        started = utc_now()
        return {
            "id": f"{started}-{plan.seed:08x}",
            "started": started,
            "seed": plan.seed,
            "command": ["pytest", *sys.argv[1:]],
            "commit": machine.commit(self.root),
            "machine": machine.describe(),
            "options": {**self.asked, **self._knobs_as_text()},
            "strategies": {name: one.described() for name, one in self._chosen().items()},
            "cases": cases,
            **({"against": self.gate.described()} if self.gate else {}),
        }

    def _knobs_as_text(self) -> dict[str, str]:
        return {name: _as_text(value) for name, value in self.knobs.items()}

    def _chosen(self) -> dict[str, registry.Strategy]:
        assert self.campaign is not None
        names = dict.fromkeys(case.strategy for case in self.campaign.results)
        return {name: self.catalogue.strategies[name] for name in names}

    def _new_path(self, header: Mapping[str, Any]) -> Path:
        stamp = header["started"].replace(":", "").replace("-", "").removesuffix("+0000")
        commit = (header["commit"]["id"] or "nogit")[:8]
        folder: Path = self.root / self.knobs["results"] / header["machine"]["name"]
        if self.selftest or self.gate:
            folder /= SELFTEST_FOLDER if self.selftest else AGAINST_FOLDER
        return folder / f"{stamp}Z_{commit}.jsonl"


def _as_text(value: Any) -> str:
    """Write a knob's value as one would on the command line."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "" if value is None else str(value)
