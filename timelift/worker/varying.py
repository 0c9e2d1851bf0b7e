"""The rivals of a setting whose lengths vary from call to call: their traces and their calls.

A hundred calls are timed one by one, with every trace and compilation. Before the clock starts, the
models of all lengths are built and the inputs placed. Afterwards the same calls are made twice
more, which tells what tracing was, and each length is held to the law.
"""

import gc
import itertools
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from timelift.axis_values import Status
from timelift.case import CALLS_OF_A_RUN, Setting
from timelift.messages import RivalSpec, Task, WorkerChannel
from timelift.rounds import Clock, Player
from timelift.worker import making
from timelift.worker.checks import PreparedRival, check_rival
from timelift.worker.engines import Compiled, Engine, Feed
from timelift.worker.inputs import Feeds, first_steps
from timelift.worker.judge import InnerLayer
from timelift.worker.law import LawBrokenError
from timelift.worker.making import LostError
from timelift.worker.prepare import SettingUnderTest
from timelift.worker.user_code import restore_process_state


@dataclass(frozen=True)
class AtLength:
    """A rival's model for a length, which other lengths may share, and a call that feeds it."""

    model: Any
    compiled: Compiled
    feeds: Feeds
    feed: Feed
    call: Callable[[], Any]


class VaryingUnderTest(SettingUnderTest):
    """The rivals of a setting whose lengths vary; each is prepared at the longest one."""

    def __init__(self, engine: Engine, task: Task, channel: WorkerChannel) -> None:
        self._asked = task.setting
        longest = task.setting.at_length(task.setting.seq_len)
        super().__init__(engine, replace(task, setting=longest), channel)
        self._built: dict[str, tuple[PreparedRival, InnerLayer, dict[int, AtLength]]] = {}

    def _prepare(self, rival: RivalSpec, inner: InnerLayer) -> PreparedRival:
        if inner.trains_differently:
            why = "in training a step depends on noise or on the batch; ask for --phases forward."
            raise LostError(why, Status.REFUSED)
        prepared = super()._prepare(rival, inner)
        if self.task.round_seconds > 0:
            self.begin(rival, "building for each length")
            self._built[rival.name] = prepared, inner, self._at_lengths(prepared, inner)
        return prepared

    def _at_lengths(self, prepared: PreparedRival, inner: InnerLayer) -> dict[int, AtLength]:
        at_lengths, models = dict[int, AtLength](), dict[Setting, tuple[Any, Compiled]]()
        limit, started = self.task.varying_limit, time.perf_counter()
        trains, takes = self._asked.differentiates, getattr(prepared.module, "TAKES", "padded")
        for length in sorted({*self._asked.call_lengths}):
            if time.perf_counter() - started > limit:
                why = f"to build it for each length took more than {limit:g} s (--first-call-limit)"
                raise LostError(why, Status.TRACING_LIMIT)
            setting, padded_to = self._asked.at_length(length), self._fed_length(length)
            fed = replace(self.task, setting=replace(setting, seq_len=padded_to))
            if reason := making.refusal(prepared.module, prepared.rival, inner.layer, fed):
                raise LostError(f"at length {length}, {reason}", Status.REFUSED)
            if setting not in models:
                model = making.build(prepared.module, prepared.rival, inner.layer, fed)
                models[setting] = model, self.engine.compile(model, setting, training=trains)
            model, compiled = models[setting]
            shared = self._inputs_for(inner.layer).first(length, padded_to)
            feeds = Feeds(self.engine, setting, shared, takes == "ragged")
            cotangents = [first_steps(leaf, length, padded_to) for leaf in prepared.cotangents]
            feed = feeds.feed(cotangents if trains else None)
            at_lengths[length] = AtLength(model, compiled, feeds, feed, compiled.bind(feed))
        return at_lengths

    def time_calls(self, rival: RivalSpec) -> Player:
        """Return a prepared rival with its sample; raises LawBrokenError and LostError."""
        prepared, inner, at_lengths = self._built.pop(rival.name)
        self.tried, facts = prepared.tried, prepared.facts
        calls = [at_lengths[length] for length in self._asked.call_lengths]
        player = Player(rival.name, calls[0].call)
        timed = partial(time_calls, calls, self.engine.wait, self.task.varying_limit)
        begin = partial(self.begin, rival)
        with restore_process_state(self.engine):
            begin("playing calls of varying lengths")
            gc.collect()
            first = timed()
            begin("playing the same calls again")
            again = timed(), timed()
            programs = [*map(self._fed_length, self._asked.call_lengths)]
            in_a_run = {*map(self._fed_length, {*self._asked.lengths_of(CALLS_OF_A_RUN)})}
            tracing, call = tracing_and_call(programs, first, again, len(in_a_run))
            mean = call + tracing / CALLS_OF_A_RUN
            facts["tracing_seconds"] = tracing
            facts["tracing_share"] = tracing / CALLS_OF_A_RUN / mean
            facts["traces"] = sum(each.traces for each in {call.compiled for call in calls})
            for length, at_length in at_lengths.items() if "law_error" in facts else ():
                error = self._check(rival, inner, length, at_length)
                facts["law_error"] = max(facts["law_error"], error)
        player.seconds_per_call = [mean]
        return player

    def _fed_length(self, length: int) -> int:
        """Return the steps of a call of this length as it is fed: its own, or the padded ones."""
        setting = self._asked.at_length(length)
        return setting.seq_len if setting.time_axis.is_known else length

    def _check(self, rival: RivalSpec, inner: InnerLayer, length: int, at: AtLength) -> float:
        """Hold the results at a length to the law; padded steps are steps that are not valid."""
        with self.engine.reusing_compiled():
            reference = InnerLayer(self.engine, self.task, inner.layer, at.feeds.shared)
        cotangents = reference.folded_reference.everywhere.cotangents
        feed = at.feeds.feed(cotangents if self._asked.differentiates else None)
        prepared = PreparedRival(rival, at.compiled, feed)
        try:
            return check_rival(reference, at.model, prepared, at.feeds, partial(self.begin, rival))
        except LawBrokenError as error:
            raise LawBrokenError(f"at length {length}, {error}") from None
        finally:
            reference.restore()


def tracing_and_call(
    programs: Sequence[int],
    first: Sequence[float],
    again: Iterable[Sequence[float]],
    in_a_run: int,
) -> tuple[float, float]:
    """Return the seconds of all traces in a training run, and of a call once traced.

    `first` and each of `again` have the seconds of a call for each of `programs`. The first call of
    one traces it; what it takes beyond the median of that program's other calls is its trace. A
    program that is met only `in_a_run` takes the mean of those after the first.
    """
    later, firsts = defaultdict[int, list[float]](list), dict[int, float]()
    for program, seconds in zip(programs, first, strict=True):
        if program in firsts:
            later[program].append(seconds)
        else:
            firsts[program] = seconds
    for seconds_again in again:
        for program, seconds in zip(programs, seconds_again, strict=True):
            later[program].append(seconds)
    usual = {program: statistics.median(own) for program, own in later.items()}
    traces = [firsts[program] - usual[program] for program in firsts]
    unmet = (in_a_run - len(traces)) * statistics.fmean(traces[1:]) if traces[1:] else 0.0
    return max(0.0, sum(traces) + unmet), statistics.fmean(usual[each] for each in programs)


def time_calls(
    calls: Sequence[AtLength],
    wait: Callable[[Any], None],
    limit: float,
    clock: Clock = time.perf_counter,
) -> list[float]:
    """Make the calls one by one, a model being traced right before its first.

    Return the seconds of each, its trace included; raises LostError where all take longer than a
    limit.
    """
    ends = [clock()]
    for each in calls:
        if ends[-1] - ends[0] > limit:
            why = f"its {len(calls)} calls took more than {limit:g} s (--first-call-limit)"
            raise LostError(why, Status.TRACING_LIMIT)
        if not each.compiled.traces:
            each.compiled.trace(each.feed)
        wait(each.call())
        ends.append(clock())
    return [end - start for start, end in itertools.pairwise(ends)]
