"""One run: the options read once, the cases of each question, and one campaign."""

import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from msgspec import structs

from timelift.case import Case, Status
from timelift.errors import UserError
from timelift.gate.sides import AGAINST_AXES, SidesGate
from timelift.journal.files import AGAINST_FOLDER, SELFTEST_FOLDER, Journal, PlayedSettings
from timelift.journal.lines import CaseInLaunch, End, Header
from timelift.measure import grid, machine
from timelift.measure.campaign import Campaign, CaseResult
from timelift.measure.campaign_options import (
    SELFTEST_SPARE_SECONDS,
    SPARE_SECONDS,
    CampaignOptions,
    CampaignReferee,
)
from timelift.measure.catalogue import (
    Catalogue,
    read_strategies,
    read_workloads,
)
from timelift.measure.header import (
    asked_from_root,
    header_to_give_away,
    journal_path,
    new_header,
    open_resumed,
    refuse_other_cases,
    refuse_other_machine,
    resumed_options,
    strategies_header,
    without_folders,
)
from timelift.measure.locks import machine_lock
from timelift.measure.options import AXIS_OPTIONS, LaunchRange, option_named
from timelift.measure.progress import Display
from timelift.measure.users_layer import user_workload
from timelift.project import Project

#: Above this share of its processors, other work on the machine is warned of.
BUSY_SHARE = 0.2
#: What a person or a system sends to end a run.
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class RunMode:
    """Options without a value, and the run to resume.

    `once` measures nothing: each case is built, held to the law and called, in one launch.
    `selftest` puts a strategy's planted twins in the place of its rivals. `resume` names a run to
    continue, empty for a new one. Without `reads_peaks` no peak memory is read, for which a process
    more would build every case.
    """

    once: bool = False
    selftest: bool = False
    resume: str = ""
    reads_peaks: bool = True


NEW_RUN = RunMode()


class Session:
    """One run; `texts` holds every option as it was written, empty where not given.

    `axes` are the texts of the axes, `options` the other options, read. `gate` is how the
    cases are raced against another side, None where they are not. Once it measured, `header`,
    `lines` and `end` are what its journal holds, with what a resumed run had played before.
    """

    def __init__(
        self, project: Project, texts: Mapping[str, str], run_mode: RunMode = NEW_RUN
    ) -> None:
        self.run_mode, self.interrupted = run_mode, False
        self._reported = dict[tuple[str, str], Case]()
        self.results_folder = project.root / (texts["results"] or "results")
        if run_mode.resume and (run_mode.once or run_mode.selftest):
            raise UserError("--resume goes with neither timelift selftest nor --benchmark-disable")
        self.resumed = (
            open_resumed(self.results_folder, run_mode.resume) if run_mode.resume else None
        )
        self.texts = (
            resumed_options(self.resumed, texts, project.root) if self.resumed else dict(texts)
        )
        usual = self._usual_axes()
        self.axes = {
            option.name: self.texts[option.name] or usual.get(option.name, "")
            for option in AXIS_OPTIONS
        }
        self.options = CampaignOptions.read(self.texts)
        self.seed = self._seed()
        self._copies = (
            tempfile.TemporaryDirectory(prefix="timelift-") if run_mode.selftest else None
        )
        self.project = project
        self.catalogue = Catalogue(
            read_strategies(self.project.strategies.values()),
            read_workloads(self.project.workloads.values()),
            backends=option_named("backends").value(self.axes["backends"]),
        )
        if self.options.layer:
            self._measure_layer()
        elif self.options.inputs:
            raise UserError("--inputs: expected --layer, which takes them, received none")
        self._cases(grid.Question({}, sizes="smallest"))  # a wrong axis is an error at once
        self.gate = SidesGate.of(self.project, self.options, self.catalogue)
        if self.gate and run_mode.selftest:
            raise UserError(
                "timelift selftest races strategies against themselves; leave out --against"
            )
        self.header = Header()
        self.lines: list[CaseInLaunch] = []
        self._journal: Journal | None = None
        self.campaign: Campaign | None = None

    def _usual_axes(self) -> Mapping[str, str]:
        """Return the axes that this kind of run has where the user names nothing else."""
        if self.run_mode.selftest:
            return grid.SELFTEST_AXES
        return AGAINST_AXES if self.texts["against"] else {}

    def _measure_layer(self) -> None:
        """Measure a layer of the user's in place of the default workloads.

        What its inputs are is recorded among the run's options.
        """
        layer = user_workload(
            self.options.layer,
            self.options.inputs,
            self.catalogue.backends[0],
            self.project.import_folders,
        )
        self.catalogue.workloads[layer.name] = layer
        self.axes["workloads"] = self.texts["workloads"] or layer.name
        self.options = replace(self.options, inputs=layer.inputs)

    def cases(self, question: Mapping[str, Any]) -> list[Case]:
        """Return the cases of a bench module's marker; raises UserError for a wrong word in it."""
        return self._cases(grid.Question.from_marker(question))

    def _cases(self, question: grid.Question) -> list[Case]:
        cases = grid.cases(question, self.axes, self.catalogue)
        if self._copies is None:
            return cases
        return list(grid.selftest_cases(cases, self.catalogue, Path(self._copies.name)))

    def measure(
        self, cases: Iterable[Case], display: Display, referee: CampaignReferee, stop_after: int
    ) -> None:
        if not hasattr(os, "fork"):
            raise UserError(
                "measuring forks its workers, which this system cannot; measure on Linux"
            )
        machine.refuse_without_backend()
        cases = list(cases)
        chosen = list(dict.fromkeys(self.gate.both_sides() if self.gate else cases))
        chosen = [case for case in chosen if not self._impossible(case)]
        if not chosen:
            return
        options = self._campaign_options(stop_after)
        with Interrupts(lambda: self._ask_to_stop(display)):
            self._play(chosen, options, display, referee)

    def _play(
        self,
        chosen: list[Case],
        options: CampaignOptions,
        display: Display,
        referee: CampaignReferee,
    ) -> None:
        if self.run_mode.once:
            campaign = self._begun(Campaign(chosen, self.catalogue, options))
            campaign.run(lambda *_: None, display, referee)
            return
        started, budget = time.monotonic(), options.budget
        with machine_lock(display.say, budget, stop=lambda: self.interrupted):
            if budget is not None:
                left = budget - (time.monotonic() - started)
                options = replace(options, budget=left)
            played = self._resume(chosen) if self.resumed else {}
            campaign = self._begun(Campaign(chosen, self.catalogue, options, played))
            self._measure(campaign, display, referee)

    def _begun(self, campaign: Campaign) -> Campaign:
        self.campaign = campaign
        if self.interrupted:  # the signal came before there was a campaign
            campaign.interrupt()
        return campaign

    def _resume(self, chosen: list[Case]) -> PlayedSettings:
        """Read again what was played, now that no other run writes; keep its cases in `chosen`."""
        assert self.resumed is not None
        self.resumed = open_resumed(self.results_folder, str(self.resumed.path))
        chosen[:] = [case for case in chosen if case.label in self.resumed.cases]
        refuse_other_cases(self.resumed, chosen)
        return self.resumed.played

    def _measure(self, campaign: Campaign, display: Display, referee: CampaignReferee) -> None:
        header = self._header(campaign)
        if (busy := header.machine.information["busy"]) > BUSY_SHARE:
            display.say(
                f"the machine is {busy:.0%} busy with other work: figures will be less "
                "sure and take longer; end other programs or wait"
            )
        if self.resumed:
            refuse_other_machine(self.resumed, header)
            self.header = self.resumed.header
            self.lines = [line for lines in self.resumed.played.values() for line in lines]
            journal = Journal(self.resumed.path, header, self.resumed.kept_bytes)
        else:
            self.header = header
            journal = Journal(journal_path(self._journal_folder(header), header), header)
        self._journal = journal
        with journal:
            campaign.run(self._record, display, referee)
            journal.exit_word = campaign.exit_word

    def _record(self, lines: Iterable[CaseInLaunch]) -> None:
        assert self._journal
        root = self.project.root
        shown = [structs.replace(line, reason=without_folders(line.reason, root)) for line in lines]
        self._journal.append(*shown)
        self.lines += shown

    @property
    def journal_path(self) -> Path | None:
        """The file of the run; None before it measured."""
        return self._journal.path if self._journal else None

    @property
    def end(self) -> End:
        """The closing mark of the journal, empty where it has none yet."""
        return self._journal.end if self._journal else End(exit="")

    def _header(self, campaign: Campaign) -> Header:
        header = structs.replace(
            new_header(self.project, self.catalogue, campaign.results, self.seed),
            options=self.axes | self.options.texts,
            asked=asked_from_root(self.texts, self.project.root),
            against=self.gate.header_entry() if self.gate else None,
        )
        return header_to_give_away(header, self.project.root)

    def _journal_folder(self, header: Header) -> Path:
        folder = self.results_folder / str(header.machine.name)
        if self.run_mode.selftest:
            return folder / SELFTEST_FOLDER
        return folder / AGAINST_FOLDER if self.gate else folder

    def _campaign_options(self, stop_after: int) -> CampaignOptions:
        options, once, gate = self.options, self.run_mode.once, self.gate
        launches = gate.launches if gate else options.launches
        spare = SELFTEST_SPARE_SECONDS if self.run_mode.selftest else SPARE_SECONDS
        return replace(
            options,
            launches=LaunchRange(1, 1) if once else launches,
            seed=self.seed,
            once=once,
            stop_after=stop_after,
            spare_seconds=float("inf") if gate else spare,  # a gate's suspects have theirs
            reads_peak_memory=self.run_mode.reads_peaks and not (once or self.run_mode.selftest),
            two_sided=gate is not None,
            other_python=gate.other_side.python if gate else "",
            import_folders=tuple(self.project.import_folders),
        )

    def _seed(self) -> int:
        if self.options.seed is not None:
            return self.options.seed
        before = self.resumed.header.seed if self.resumed else None
        return before if before is not None else random.SystemRandom().randrange(2**31)

    def _ask_to_stop(self, display: Display) -> None:
        self.interrupted = True
        if self.campaign:
            self.campaign.interrupt()
        display.say("finishing the round that is being played; once more stops at once")

    def result(self, case: Case) -> CaseResult | None:
        return self.campaign.results.get(case) if self.campaign else None

    def reports_first(self, case: Case, result: CaseResult) -> bool:
        """True if this case is the first to report why its workload has no inner layer."""
        why = case.setting.workload, result.reason
        return self._reported.setdefault(why, case) == case

    def why_not(self, case: Case) -> str:
        """Return why a case is not measured in this session; empty where it is."""
        if self.resumed and case.label not in self.resumed.cases:
            return "not among the cases of the resumed run"
        if reason := self._impossible(case):
            return reason
        return self.gate.reasons.get(case, "") if self.gate else ""

    def _impossible(self, case: Case) -> str:
        """Return why a case cannot be measured here, whatever is asked for; empty where it can."""
        return machine.why_not_installed(case.setting.backend) or self.catalogue.why_not(case)

    def other_side_lost(self, case: Case) -> str:
        """Return why a case's other side has no figures to compare with; empty where it has."""
        if not self.gate:
            return ""
        other = self.result(self.gate.sides[case])
        if other is None or other.status is Status.MEASURED:
            return ""
        label = self.gate.other_side.label
        return f"not compared, since {label} has no figures: {other.status}: {other.reason}"

    def strategies_header(self) -> Header:
        assert self.campaign is not None
        return strategies_header(self.catalogue, self.campaign.results)

    @property
    def look_alikes(self) -> dict[str, str]:
        """Why each strategy that is no lift is none, by name."""
        strategies = self.catalogue.strategies
        return {name: strategy.differs for name, strategy in strategies.items() if strategy.differs}


class Interrupts:
    """Call `ask_to_stop` at the first signal, and raise KeyboardInterrupt at the next."""

    def __init__(self, ask_to_stop: Callable[[], None]) -> None:
        self._gently, self.count = ask_to_stop, 0
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._take) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self.count > 1:
            raise KeyboardInterrupt
        self._gently()
