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
from timelift.worker.engines import Compiled, Engine, Feed
from timelift.worker.inputs import Feeds, first_steps
from timelift.worker.law import LawBrokenError
from timelift.worker.making import LostError
from timelift.worker.prepare import PreparedRival, SettingUnderTest, check_rival
from timelift.worker.reference import InnerLayer
from timelift.worker.user_code import restore_process_state


@dataclass(frozen=True)
class AtLength:
    """A rival's model for a length, which others may share, and a call that feeds it."""

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
        at_lengths, made = dict[int, AtLength](), dict[Setting, tuple[Any, Compiled]]()
        limit, started = self.task.varying_limit, time.perf_counter()
        trains, takes = self._asked.differentiates, getattr(prepared.module, "TAKES", "padded")
        for length in sorted({*self._asked.call_lengths}):
            built = self._asked.at_length(length)
            if time.perf_counter() - started > limit:
                why = f"to build it for each length took more than {limit:g} s (--first-call-limit)"
                raise LostError(why, Status.TRACING_LIMIT)
            if built not in made:
                task = replace(self.task, setting=built)
                model = making.build(prepared.module, prepared.rival, inner.layer, task)
                made[built] = model, self.engine.compile(model, built, training=trains)
            steps = built.seq_len if built.time_axis.is_known else length
            shared = self._inputs_for(inner.layer).first(length, steps)
            feeds = Feeds(self.engine, built, shared, takes == "ragged")
            cotangents = [first_steps(leaf, length, steps) for leaf in prepared.cotangents]
            feed = feeds.feed(cotangents if trains else None)
            at_lengths[length] = AtLength(*made[built], feeds, feed, made[built][1].bind(feed))
        return at_lengths

    def play(self, rival: RivalSpec) -> Player:
        """Return a prepared rival with its sample; raises LawBrokenError and as `calls_of` does."""
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
            facts["retrace_share"] = max(0.0, 1 - player.take_turn(time.perf_counter) / seconds)
            compiled = {id(each.compiled): each.compiled.traces for each in calls}
            facts["traces"] = sum(compiled.values())
            for length, at_length in at_lengths.items() if "law_error" in facts else ():
                error = self._check(rival, inner, length, at_length)
                facts["law_error"] = max(facts["law_error"], error)
        player.seconds_per_call = [seconds / len(calls)]
        return player

    def _check(self, rival: RivalSpec, inner: InnerLayer, length: int, one: AtLength) -> float:
        """Hold the results at a length to the law; padded steps are steps that are not valid."""
        with self.engine.reusing_compiled():
            own = InnerLayer(self.engine, self.task, inner.layer, one.feeds.shared)
        cotangents = own.folded_reference.everywhere.cotangents
        feed = one.feeds.feed(cotangents if self._asked.differentiates else None)
        fed = PreparedRival(rival, one.compiled, feed)
        try:
            return check_rival(own, one.model, fed, one.feeds, self.emit)
        except LawBrokenError as error:
            raise LawBrokenError(f"at length {length}, {error}") from None
        finally:
            own.restore()


def calls_of(
    calls: Sequence[AtLength], limit: float, clock: Clock = time.perf_counter
) -> Iterator[Any]:
    """Make a call at each step, a model being traced right before its first; raises LostError."""
    started = clock()
    for each in calls:
        if clock() - started > limit:
            why = f"its {len(calls)} calls took more than {limit:g} s (--first-call-limit)"
            raise LostError(why, Status.TRACING_LIMIT)
        if not each.compiled.traces:
            each.compiled.trace(each.feed)
        yield each.call()
