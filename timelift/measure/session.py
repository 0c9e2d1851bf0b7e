"""One pytest session: the options read once, the cases of each question, and one campaign."""

import hashlib
import random
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import structs

from timelift.case import Case, Status
from timelift.errors import UserError
from timelift.journal import AGAINST_FOLDER, SELFTEST_FOLDER, Header, Journal, Played, utc_now
from timelift.measure import backends, catalogue, grid, lock, machine, options, resume
from timelift.measure import selftest as selftest_axes
from timelift.measure.budget import SELFTEST_SPARE_SECONDS, SPARE_SECONDS
from timelift.measure.campaign import Campaign, Result
from timelift.measure.campaign_options import CampaignOptions, CampaignReferee
from timelift.measure.catalogue import user_workload
from timelift.measure.events import Display
from timelift.measure.gate import SidesGate
from timelift.measure.launch import Limits
from timelift.measure.options import KNOBS

#: Above this share of its processors, other work on the machine is warned of.
BUSY_SHARE = 0.2


@dataclass(frozen=True)
class Flags:
    """Options without a value, and the run to go on with.

    `once` measures nothing: each case is built, held to the law and called, in one launch.
    `selftest` puts a strategy's planted twins in the place of its rivals. `wait` lets another run
    on this machine end first. `past` names a run to go on with, empty for a new one.
    """

    once: bool = False
    selftest: bool = False
    wait: bool = False
    past: str = ""


NO_FLAGS = Flags()


class Session:
    """One pytest session; `asked` holds every option's text, empty where not given.

    `gate` is how the cases are raced against another side, None where they are not.
    """

    def __init__(self, root: Path, asked: Mapping[str, str], flags: Flags = NO_FLAGS) -> None:
        self.root, self.once, self.selftest = root, flags.once, flags.selftest
        self.wait = flags.wait
        self.interrupted, self._told = False, dict[tuple[str, str], Case]()
        self._results_folder = root / (asked["results"] or "results")
        if flags.past and (flags.once or flags.selftest):
            raise UserError("--resume goes with neither --selftest nor --benchmark-disable")
        self.past = resume.open_past(self._results_folder, flags.past) if flags.past else None
        asked = self._asked = resume.options(self.past, asked) if self.past else dict(asked)
        usual = selftest_axes.AXES if self.selftest else {}
        self.asked = {
            option.name: asked[option.name] or usual.get(option.name, "")
            for option in options.OPTIONS
        }
        self.knobs = {knob.name: knob.value(asked[knob.name]) for knob in KNOBS}
        self._copies = tempfile.TemporaryDirectory(prefix="timelift-") if self.selftest else None
        self.catalogue = grid.Catalogue(
            catalogue.strategies(root / "strategies", self.knobs["strategy_file"]),
            catalogue.workloads(root / "workloads"),
            backends=options.values("backends", self.asked["backends"]),
        )
        self._add_user_layer()
        self.cases({"sizes": "smallest"})
        self.gate = SidesGate.of(root, self.knobs, self.catalogue)
        if self.gate and self.selftest:
            raise UserError("--selftest races strategies against themselves; leave out --against")
        self.journal_path: Path | None = None
        self.campaign: Campaign | None = None

    def _add_user_layer(self) -> None:
        """Add the user's layer to the workloads, and measure it in place of the default ones."""
        workload = user_workload(self.knobs)
        if workload:
            self.catalogue.workloads[workload.name] = workload
            self.asked["workloads"] = self.asked["workloads"] or workload.name

    def cases(self, question: Mapping[str, str]) -> list[Case]:
        """Return the cases of a bench module; raises UserError for a wrong value of any axis."""
        compares = question.get("compares", "")
        sizes = question.get("sizes", "all")
        named = {name: text for name, text in question.items() if name in self.asked}
        found = grid.cases(grid.Question(named, compares, sizes), self.asked, self.catalogue)
        if self._copies is None:
            return found
        return list(selftest_axes.cases(found, self.catalogue, Path(self._copies.name)))

    def measure(
        self, cases: Iterable[Case], display: Display, referee: CampaignReferee, stop_after: int
    ) -> None:
        """Measure every case once, whichever items ask for it, into a journal."""
        chosen = list(dict.fromkeys(self.gate.both_sides() if self.gate else cases))
        chosen = [case for case in chosen if not self._impossible(case)]
        if not chosen:
            return
        if self.once:
            self.campaign = Campaign(chosen, self.catalogue, self._plan(stop_after))
            self.campaign.run(lambda *_: None, display, referee)
            return
        with lock.held(display.say, wait=self.wait, stop=lambda: self.interrupted):
            played = self._go_on(chosen) if self.past else {}
            self.campaign = Campaign(chosen, self.catalogue, self._plan(stop_after), played)
            self._measure(self.campaign, display, referee)

    def _go_on(self, chosen: list[Case]) -> Played:
        """Read again what was played, now that no other run writes; keep its cases in `chosen`."""
        assert self.past is not None
        self.past = resume.open_past(self._results_folder, str(self.past.path))
        chosen[:] = [case for case in chosen if case.label in self.past.cases]
        resume.refuse_other_cases(self.past, chosen)
        return self.past.played

    def _measure(self, campaign: Campaign, display: Display, referee: CampaignReferee) -> None:
        header = self._header(len(campaign.results), campaign.plan)
        self._warn_if_busy(header.machine.information, display)
        if self.past:
            resume.refuse_other_machine(self.past, header)
        path = self.past.path if self.past else self._new_path(header)
        with Journal(path, header, self.past.kept_bytes if self.past else 0) as journal:
            self.journal_path = journal.path
            campaign.run(journal.append, display, referee)
            journal.exit_word = campaign.exit_word

    def interrupt(self) -> None:
        """End the campaign, if one is running, after the rounds that are being played."""
        self.interrupted = True
        if self.campaign:
            self.campaign.interrupt()

    def _warn_if_busy(self, seen: Mapping[str, Any], display: Display) -> None:
        if seen["busy"] > BUSY_SHARE:
            display.say(
                f"the machine is {seen['busy']:.0%} busy with other work: figures will be less "
                "sure and take longer; end other programs or wait"
            )

    def result(self, case: Case) -> Result | None:
        """Return how a case ended; None before the campaign has run."""
        return self.campaign.results.get(case) if self.campaign else None

    def told_first(self, case: Case, result: Result) -> bool:
        """True if this case is the first to report why its workload has no inner layer."""
        why = case.setting.workload, result.reason
        return self._told.setdefault(why, case) == case

    def _plan(self, stop_after: int) -> CampaignOptions:
        knobs = self.knobs
        launches = self.gate.launches if self.gate else knobs["launches"]
        seed = self._seed()
        return CampaignOptions(
            fewest=1 if self.once else launches.fewest,
            most=1 if self.once else launches.most,
            round_seconds=0.0 if self.once else knobs["round_seconds"],
            seed=seed,
            limits=Limits(knobs["first_call_limit"], knobs["case_timeout"]),
            stop_after=stop_after,
            budget_seconds=knobs["budget"],
            spare_seconds=self._spare_seconds(),
            cores=knobs["pin"],
            memory_bytes=knobs["memory_limit"],
            gauges_memory=not (self.once or self.selftest),
            two_sided=self.gate is not None,
            other_python=self.gate.other_side.python if self.gate else "",
        )

    def other_side_lost(self, case: Case) -> str:
        """Return why a case's other side has no figures to compare with; empty where it has."""
        if not self.gate:
            return ""
        other = self.result(self.gate.matched.sides[case])
        if other is None or other.status is Status.MEASURED:
            return ""
        label = self.gate.other_side.label
        return f"not compared, since {label} has no figures: {other.status}: {other.reason}"

    def _spare_seconds(self) -> float:
        """Return the time for launches beyond the fewest; a gate's suspects have theirs anyway."""
        if self.gate:
            return float("inf")
        return SELFTEST_SPARE_SECONDS if self.selftest else SPARE_SECONDS

    def _seed(self) -> int:
        """Return the seed of every order: the user's, the resumed run's, or a new one."""
        if self.knobs["seed"] is not None:
            return int(self.knobs["seed"])
        before = self.past.header.seed if self.past else None
        return before if before is not None else random.SystemRandom().randrange(2**31)

    def why_not(self, case: Case) -> str:
        """Return why a case is not measured in this session; empty where it is."""
        if self.past and case.label not in self.past.cases:
            return "no case of the run that goes on"
        if reason := self._impossible(case):
            return reason
        return self.gate.why_not(case) if self.gate else ""

    def _impossible(self, case: Case) -> str:
        """Return why a case cannot be measured here, whatever is asked for; empty where it can."""
        return backends.why_not(case.setting.backend) or self.catalogue.why_not(case)

    def _header(self, cases: int, plan: CampaignOptions) -> Header:
        started = utc_now()
        return structs.replace(
            self.described(),
            id=f"{started}-{plan.seed:08x}",
            started=started,
            seed=plan.seed,
            command=["pytest", *sys.argv[1:]],
            commit=machine.commit(self.root),
            machine=machine.describe({case.setting.backend for case in self._results()}),
            options={**self.asked, **self._knobs_as_text()},
            cases=cases,
            asked=self._asked,
            sources=self._sources(),
            planned=[case.label for case in self._results()],
            against=self.gate.described() if self.gate else None,
        )

    def _knobs_as_text(self) -> dict[str, str]:
        return {name: _as_text(value) for name, value in self.knobs.items()}

    def _sources(self) -> dict[str, str]:
        workloads = {case.setting.workload for case in self._results()}
        files = [one.path for one in self._chosen().values()]
        files += [
            Path(self.catalogue.workloads[name].factory.rpartition(":")[0]) for name in workloads
        ]
        return {
            f"{path.parent.name}/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest()[:16]
            for path in sorted(set(files))
            if path.is_file()
        }

    def described(self) -> Header:
        described = self.catalogue.described
        return Header(strategies={name: described(name) for name in self._chosen()})

    @property
    def look_alikes(self) -> dict[str, str]:
        known = self.catalogue.strategies
        return {name: one.differs for name, one in known.items() if one.differs}

    def _results(self) -> Mapping[Case, Result]:
        assert self.campaign is not None
        return self.campaign.results

    def _chosen(self) -> dict[str, catalogue.Strategy]:
        names = dict.fromkeys(case.strategy for case in self._results())
        return {name: self.catalogue.strategies[name] for name in names}

    def _new_path(self, header: Header) -> Path:
        stamp = str(header.started).replace(":", "").replace("-", "").removesuffix("+0000")
        commit = (header.commit.id or "nogit")[:8]
        folder: Path = self.root / self.knobs["results"] / str(header.machine.name)
        if self.selftest or self.gate:
            folder /= SELFTEST_FOLDER if self.selftest else AGAINST_FOLDER
        return folder / f"{stamp}Z_{commit}.jsonl"


def _as_text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "" if value is None else str(value)
