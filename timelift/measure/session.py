"""One run: its kind of race, its campaign and its journal."""

import errno
import shlex
import signal
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import ClassVar

from msgspec import structs

from timelift.axis_values import UNSERVED, Status
from timelift.case import Case
from timelift.errors import UserError, writing
from timelift.journal.files import (
    COPIES_FOLDERS,
    Journal,
    PlayedSettings,
    ignored_by_git,
    refuse_link_out,
)
from timelift.journal.lines import End, Header
from timelift.measure import machine
from timelift.measure.backends import usual_backend
from timelift.measure.campaign import Campaign, CampaignReferee
from timelift.measure.header import (
    asked_from_root,
    journal_path,
    new_header,
    open_resumed,
    program,
    refuse_other_cases,
    refuse_other_machine,
    shareable_header,
    without_folders,
)
from timelift.measure.options import LaunchRange, RunOptions
from timelift.measure.place import CampaignPlayer
from timelift.measure.progress import Display
from timelift.measure.request import RunRequest
from timelift.measurement import CaseInLaunch, Measurement

#: Other work on the machine is warned of above this share of its processors.
_BUSY_SHARE = 0.2
#: The signals that a terminal or the system sends to end a run; nohup has the last one ignored.
SIGNALS = [signal.SIGINT, signal.SIGTERM]
if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
    SIGNALS.append(signal.SIGHUP)


class Race(ABC):
    """A kind of run: which rivals race for what is requested, and by which rules.

    By default all cases of a setting are rivals, as in a usual run. Other kinds override what
    differs. `cases` is called first; what the methods below it return may depend on it.
    """

    #: The texts of axes that no option names, in a run of this kind.
    usual_axes: ClassVar[Mapping[str, str]] = {}
    #: The subfolder for journals in the folder of their machine.
    folder: ClassVar[str] = ""

    def __init__(self, request: RunRequest) -> None:
        self.request = request

    def cases(self, grid: list[Case]) -> list[Case]:
        """Return the cases of a question, of which `grid` is the product of its axes."""
        return grid

    def rivals(self, cases: Sequence[Case]) -> list[Case]:
        """Return the cases to play if these are selected."""
        return list(cases)

    def options(self) -> RunOptions:
        """Return the requested options, with those that this kind needs."""
        return self.request.options

    @abstractmethod
    def referee(self) -> CampaignReferee: ...

    def header(self, header: Header) -> Header:
        """Return the header of the run, with the entries of this kind."""
        return header

    def journal_folder(self, machine: str) -> Path:
        results = self.request.results_folder
        with writing(results, "name another with --results"):
            return refuse_link_out(ignored_by_git(results) / machine / self.folder, results)

    def why_not(self, case: Case) -> str:  # noqa: ARG002 - other kinds leave cases out
        """Reason why a case is not played, or ''."""
        return ""


class Session:
    """One run of a race.

    After `measure`, `header`, `lines` and `end` are those of its journal, with what a resumed run
    had played before, and `not_tried` has what cannot be measured here, with the reason. `referee`
    is None before `measure`.
    """

    def __init__(self, race: Race) -> None:
        self.race, self.request = race, race.request
        self.catalogue, self.resumed = race.request.catalogue, race.request.resumed
        self.place = race.request.place
        self.header = Header()
        self.lines: list[CaseInLaunch] = []
        self.not_tried: dict[Case, str] = {}
        self.referee: CampaignReferee | None = None
        self._campaign: Campaign | None = None
        self._player: CampaignPlayer | None = None
        self.interrupted = False
        self._journal: Journal | None = None

    def measure(self, cases: Iterable[Case], display: Display) -> None:
        self.place.refuse_unable()
        rivals = dict.fromkeys(self.race.rivals(list(cases)))
        self.referee = self.race.referee()
        self.not_tried = {case: why for case in rivals if (why := self._impossible(case))}
        chosen = [case for case in rivals if case not in self.not_tried]
        if not chosen:
            return
        if not self.request.texts["backends"]:
            usual, why = usual_backend()
            if {case.setting.backend for case in chosen} == {usual}:  # a question may name others
                display.say(f"{why}; another with --backends")
        try:
            with interrupts(lambda: self._ask_to_stop(display)):
                self._run(chosen, display, self.referee)
        except OSError as error:
            if error.errno != errno.EMFILE:
                raise
            raise UserError(f"{error.strerror}; allow more with: ulimit -n 1024") from error

    def _run(self, chosen: list[Case], display: Display, referee: CampaignReferee) -> None:
        options = replace(self.race.options(), seed=self.request.seed)
        if options.once:
            options = replace(options, launches=LaunchRange(1, 1), reads_peak_memory=False)
        if options.once:
            self._begin(Campaign(chosen, self.catalogue, options, referee, display)).play()
            return
        typed = shlex.join([program(), *sys.argv[1:]])
        command = without_folders(typed, self.request.project.root)
        with self.place.lock(display.say, command, lambda: self.interrupted) as note:
            note(options.budget or float("inf"))
            display.note = note
            played: PlayedSettings = {}
            if self.resumed:
                chosen, played = self._resume(chosen)
            of_run = chosen, self.catalogue, options, referee, display
            self._run_in_journal(Campaign(*of_run, write=self._record, played=played))

    def _begin(self, campaign: Campaign) -> CampaignPlayer:
        """Return what plays the campaign, which signals reach from now on."""
        self._campaign, self._player = campaign, self.place.player(campaign)
        if self.interrupted:  # the signal came before there was a player
            self._player.interrupt()
        return self._player

    def _resume(self, chosen: list[Case]) -> tuple[list[Case], PlayedSettings]:
        """Return the cases of the run that goes on, and what of it was played.

        It is read again, since another process may have resumed it.
        """
        assert self.resumed is not None
        self.resumed = open_resumed(self.request.results_folder, str(self.resumed.path))
        own = [case for case in chosen if case.label in self.resumed.cases]
        refuse_other_cases(self.resumed, own)
        return own, self.resumed.played

    def _run_in_journal(self, campaign: Campaign) -> None:
        player = self._begin(campaign)  # before there is a journal, since it may be refused
        header = self._header(campaign.results)
        if (busy := header.machine.information.get("busy", 0.0)) > _BUSY_SHARE:
            campaign.display.say(
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
            folder = self.race.journal_folder(str(header.machine.name))
            journal = Journal(journal_path(folder, header), header)
        self._journal = journal
        with journal:
            if not self.resumed:
                self._record(
                    CaseInLaunch(case, 1, status=Status.UNAVAILABLE, reason=why)
                    for case, why in self.not_tried.items()
                )
            player.play()
            journal.exit_word = campaign.exit_word

    @cached_property
    def _mark(self) -> str:
        return machine.machine_mark()

    def _record(self, lines: Iterable[CaseInLaunch]) -> None:
        assert self._journal
        root, mark = self.request.project.root, self._mark
        shareable = [
            replace(
                line,
                reason=without_folders(line.reason, root),
                mark=line.mark or mark * (line.status is not Status.UNAVAILABLE),
            )
            for line in lines
        ]
        self.lines += shareable  # the answer has them even where the file cannot be written
        self._journal.append(*shareable)

    @property
    def journal_path(self) -> Path | None:
        """The file of the run; None if nothing was measured."""
        return self._journal.path if self._journal else None

    @property
    def end(self) -> End:
        """The closing mark of the journal, empty before it is written."""
        return self._journal.end if self._journal else End(exit="")

    def _header(self, cases: Collection[Case]) -> Header:
        request = self.request
        root = request.project.root
        settings = {case.setting for case in cases}
        used = {part for each in settings for part in (each.backend, each.runtime)}
        machines = self.place.machines(used)
        header = new_header(request.project, self.catalogue, cases, request.seed, machines)
        header = structs.replace(
            header,
            options=request.axes | request.options.header_texts,
            asked=asked_from_root(request.texts, root),
        )
        return shareable_header(self.race.header(header), root)

    def _ask_to_stop(self, display: Display) -> None:
        self.interrupted = True
        if self._player:
            self._player.interrupt()
            with suppress(OSError):  # the terminal was closed
                display.say("finishing the round that is being played; once more stops at once")

    @property
    def results(self) -> Mapping[Case, Measurement]:
        return self._campaign.results if self._campaign else {}

    @property
    def measured_nothing(self) -> bool:
        """True if there were cases to measure, and none of them was, or is not served."""
        asked = self.not_tried or self.results
        answered = (one.launches or one.status in UNSERVED for one in self.results.values())
        return bool(asked) and not any(answered)

    def why_not(self, case: Case) -> str:
        """Reason why a case is not measured in this session, or ''."""
        if self.resumed and case.label not in self.resumed.cases:
            return "not among the cases of the resumed run"
        return self._impossible(case) or self.race.why_not(case)

    def _impossible(self, case: Case) -> str:
        """Reason why a case cannot be measured on this machine, or ''."""
        if case.setting.time_axis.varies and self.race.folder in COPIES_FOLDERS:
            why = "varying lengths have one sample a launch, too few to compare copies"
            return f"{why}; ask for --time-axes static"
        return self.place.why_not(case.setting) or self.catalogue.why_not(case)


@contextmanager
def interrupts(ask_to_stop: Callable[[], None]) -> Iterator[None]:
    """Call `ask_to_stop` at the first signal inside, and raise KeyboardInterrupt at the next.

    A shell that ends may send SIGHUP twice, which is no second wish.
    """
    received = list[int]()

    def take(number: int, _: FrameType | None) -> None:
        received.append(number)
        if len(received) == 1:
            ask_to_stop()
        elif number != signal.SIGHUP:
            raise KeyboardInterrupt

    is_main = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.signal(number, take) for number in SIGNALS if is_main}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
