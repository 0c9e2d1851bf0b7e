"""Lengths that vary: a sample is a hundred calls, and every trace and compilation is a part of it.

Before the clock starts, the models of all lengths are built and the inputs placed. Afterwards the
same calls are made again, which tells what tracing was, and each length is held to the law.
"""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from timelift.case import Setting, Status
from timelift.messages import Busy, RivalSpec, Task, WorkerChannel
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
            self.emit(Busy("building for each length", rival.name))
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
            setting = self._asked.at_length(length)
            padded_to = setting.seq_len if setting.time_axis.is_known else length
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

    def play(self, rival: RivalSpec) -> Player:
        """Return a prepared rival with its sample; raises LawBrokenError and LostError."""
        prepared, inner, at_lengths = self._built.pop(rival.name)
        self.tried, facts = prepared.tried, prepared.facts
        calls = [at_lengths[length] for length in self._asked.call_lengths]
        first, again = (calls_of(calls, self.task.varying_limit) for _ in range(2))
        player = Player(rival.name, partial(next, first), self.engine.wait)
        player.calls_per_sample = len(calls)
        with restore_process_state(self.engine):
            self.emit(Busy("playing calls of varying lengths", rival.name))
            gc.collect()
            seconds = player.take_turn(time.perf_counter)
            self.emit(Busy("playing the same calls again", rival.name))
            player.call = partial(next, again)
            facts["tracing_share"] = max(0.0, 1 - player.take_turn(time.perf_counter) / seconds)
            facts["traces"] = sum(each.traces for each in {call.compiled for call in calls})
            for length, at_length in at_lengths.items() if "law_error" in facts else ():
                error = self._check(rival, inner, length, at_length)
                facts["law_error"] = max(facts["law_error"], error)
        player.seconds_per_call = [seconds / len(calls)]
        return player

    def _check(self, rival: RivalSpec, inner: InnerLayer, length: int, at: AtLength) -> float:
        """Hold the results at a length to the law; padded steps are steps that are not valid."""
        with self.engine.reusing_compiled():
            reference = InnerLayer(self.engine, self.task, inner.layer, at.feeds.shared)
        cotangents = reference.folded_reference.everywhere.cotangents
        feed = at.feeds.feed(cotangents if self._asked.differentiates else None)
        prepared = PreparedRival(rival, at.compiled, feed)
        try:
            return check_rival(reference, at.model, prepared, at.feeds, self.emit)
        except LawBrokenError as error:
            raise LawBrokenError(f"at length {length}, {error}") from None
        finally:
            reference.restore()


def calls_of(
    calls: Sequence[AtLength], limit: float, clock: Clock = time.perf_counter
) -> Iterator[Any]:
    """Make the calls one by one, a model being traced right before its first; raises LostError."""
    started = clock()
    for each in calls:
        if clock() - started > limit:
            why = f"its {len(calls)} calls took more than {limit:g} s (--first-call-limit)"
            raise LostError(why, Status.TRACING_LIMIT)
        if not each.compiled.traces:
            each.compiled.trace(each.feed)
        yield each.call()
