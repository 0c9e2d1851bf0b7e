"""The worker: build the rivals of one setting, hold them to the law, and play their rounds.

It runs in a child forked for one setting of one launch, and speaks in events (see `wire`), so
that whatever kills it is charged to the rival it was busy with.
"""

import gc
import inspect
import os
import random
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from timelift.case import Gradients, Lengths, Phase, Setting, Status
from timelift.engine import Array, Compiled, Engine, Feed, UnavailableError, open_engine
from timelift.measure import draw, inner, law, memory, quiet, rounds
from timelift.measure.guard import as_before
from timelift.measure.sides import Given, InnerLayerError, Side, Sides
from timelift.measure.wire import PLAYING, Rival, Task

Emit = Callable[[Mapping[str, Any]], None]

#: Steps at which a timing run checks the law; the test suite checks every step.
LAW_STEPS = 4


class Refused(Exception):  # noqa: N818 - an answer, not an error
    """The strategy's own sentence why it does not lift this layer in this setting."""


@dataclass
class Contender:
    """A rival that keeps the law and is ready to be timed."""

    rival: Rival
    compiled: Compiled
    feed: Feed
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Wires:
    """How a worker reports, hears what it is told next, and marks the place of who plays.

    `hurried` says whether it was told to play no further round.
    """

    emit: Emit
    listen: Callable[[], Mapping[str, Any]] = dict
    mark: Callable[[int], None] = lambda _: None
    hurried: Callable[[], bool] = lambda: False


def run(task: Task, wires: Wires) -> None:
    """Measure one setting in this process, reporting by events; play only after its turn came."""
    emit = wires.emit
    memory.limit(task.memory_bytes)
    try:
        engine = open_engine(task.setting)
    except UnavailableError as error:
        for rival in task.rivals:
            emit(_ended(rival, Status.UNAVAILABLE, str(error)))
        return
    try:
        stage = Stage(engine, task, wires)
    except Exception as error:  # noqa: BLE001 - sizes may be anything
        for rival in task.rivals:
            emit(_ended(rival, _status_of(error), f"the inputs: {inner.sentence(error)}"))
        return
    order = _build_order(task.rivals, stage.dice)
    contenders = [ready for rival in order if (ready := stage.prepare(rival))]
    if contenders:
        stage.play(contenders)


def _build_order(rivals: Sequence[Rival], dice: random.Random) -> list[Rival]:
    """Draw an order that keeps pairs together, whoever is to be built first before the other."""
    drawn = dice.sample(rivals, len(rivals))
    place: dict[str, int] = {}
    for rival in drawn:
        place.setdefault(rival.pair or rival.name, len(place))
    return sorted(drawn, key=lambda one: (place[one.pair or one.name], not one.built_first))


class Stage:
    """What the rivals of one setting share: the layer, the inputs and the reference."""

    def __init__(
        self,
        engine: Engine,
        task: Task,
        wires: Wires,
        law_steps: int = LAW_STEPS,
    ) -> None:
        self.engine, self.task = engine, task
        self.emit, self.listen = wires.emit, wires.listen
        self._mark, self._hurried = wires.mark, wires.hurried
        self.dice = random.Random(task.seed)
        self.noise = np.random.default_rng(task.seed)
        self.emit({"event": "busy", "strategy": None, "doing": "making the inner layer"})
        self.valid = draw.valid(task.setting, self.noise)
        self.inputs = draw.inputs(task, self.noise)
        steps = law.draw_steps(task.setting.seq_len, law_steps, self.dice)
        self.sides = Sides(engine, task, Given(self.inputs, self.valid, steps))

    def prepare(self, rival: Rival) -> Contender | None:
        """Build, trace, call once and check one rival; report it and return None if it fails."""
        try:
            with inner.imports_from(rival.home):
                printed = os.fstat(1).st_size
                side = self.sides.of(rival)
                self.emit(_busy(rival, "building") | {"printed": printed})
                with as_before(self.engine):
                    return self._prepare(rival, side)
        except InnerLayerError as error:
            self.emit(_ended(rival, Status.FAILED, str(error)))
        except Refused as refusal:
            self.emit(_ended(rival, Status.REFUSED, str(refusal)))
        except law.LawBrokenError as error:
            self.emit(_ended(rival, Status.LAW_BROKEN, f"breaks the law: {error}"))
        except Exception as error:  # noqa: BLE001 - any strategy may raise anything
            traceback.print_exc()
            self.emit(_ended(rival, _status_of(error), inner.sentence(error)))
        return None

    def _prepare(self, rival: Rival, side: Side) -> Contender:
        if self.task.setting.backend not in rival.backends:
            raise Refused(f"it is written for {' and '.join(rival.backends)} alone.")
        module = inner.load_module(rival.path)
        if reason := _refusal(module, rival, side.layer, self.task.setting):
            raise Refused(reason)
        started = time.perf_counter()
        model = _build(module, rival, side.layer, self.task)
        facts: dict[str, Any] = {"build_seconds": time.perf_counter() - started}
        facts["valid_steps"] = int(self.valid.sum())
        facts["weights"] = sum(int(np.prod(one.shape)) for one in model.trainable_weights)
        lifts = not getattr(module, "DIFFERS", "")
        if lifts:
            law.check_output_shape(self._shape_of(model), side.reference)
            law.match_weights(model, side.layer)
        training = self.task.setting.phase is Phase.BACKWARD
        compiled = self.engine.compile(model, self.task.setting, training=training)
        feed = self._feed(module, side, None if lifts else model)
        facts.update(self._first_call(rival, compiled, feed))
        if lifts:
            self.emit(_busy(rival, "checking the law"))
            facts["law_error"] = self._check(module, side, model, compiled)
        facts["peak_bytes"] = memory.peak_bytes(lambda: self._call(compiled, feed))
        return Contender(rival, compiled, feed, facts)

    def _call(self, compiled: Compiled, feed: Feed) -> Any:
        result = compiled.bind(feed)()
        self.engine.wait(result)
        return result

    def _first_call(self, rival: Rival, compiled: Compiled, feed: Feed) -> dict[str, Any]:
        """Trace, then run once: what a user waits for before the first result."""
        self.emit(_busy(rival, "tracing"))
        started = time.perf_counter()
        nodes = compiled.trace(feed)
        traced = time.perf_counter()
        self._call(compiled, feed)
        time.sleep(rival.first_call_seconds)
        ended = time.perf_counter()
        facts = {"trace_seconds": traced - started, "first_call_seconds": ended - started}
        return facts if nodes is None else {**facts, "graph_nodes": nodes}

    def _feed(
        self, module: ModuleType, side: Side, other: Any = None, cotangent: Array | None = None
    ) -> Feed:
        """What the rival is fed; `other` is a model whose outputs have a shape of their own."""
        setting, valid = self.task.setting, self.valid
        ragged = _takes_ragged(module)
        place = self.engine.place
        varying = setting.lengths is not Lengths.FULL
        inputs = self.engine.place_ragged(self.inputs, valid) if ragged else place(self.inputs)
        mask = place(valid) if varying and not ragged else None
        if setting.phase is Phase.FORWARD:
            return Feed(inputs, mask)
        if cotangent is None:
            cotangent = self._dense_cotangent(side, other)
        return Feed(inputs, mask, place(cotangent[valid] if ragged else cotangent))

    def _dense_cotangent(self, side: Side, other: Any) -> Array:
        shape = side.reference.output_shape if other is None else self._shape_of(other)
        dense = self.noise.standard_normal(shape).astype(side.reference.cotangent.dtype)
        if other is None:
            dense[~self.valid] = 0
        return dense

    def _shape_of(self, model: Any) -> tuple[int, ...]:
        return tuple(model.compute_output_shape(self.inputs.shape))

    def _check(self, module: ModuleType, side: Side, model: Any, compiled: Compiled) -> float:
        """Hold the rival to the law; return the largest relative difference."""
        order = law.match_weights(model, side.layer)
        side.state.restore()
        setting = self.task.setting
        if setting.phase is Phase.FORWARD:
            outputs = self._call(compiled, self._feed(module, side))
            found = self._fetch(outputs, module)
            return law.check_outputs(found, side.reference, setting.dtype)
        if side.trains_differently:
            compiled = self.engine.compile(model, setting, training=False)
        _, found, *_ = self._call(
            compiled, self._feed(module, side, cotangent=side.reference.sparse_cotangent())
        )
        worst, dtype, gradients = 0.0, setting.dtype, list(found)
        if setting.gradients is Gradients.INPUTS_AND_WEIGHTS:
            by_input = self._fetch(gradients.pop(0), module)
            worst = law.check_input_gradient(by_input, side.reference, dtype)
        fetched = [None if one is None else self.engine.to_numpy(one) for one in gradients]
        by_weight = [fetched[index] for index in order]
        return max(worst, law.check_weight_gradients(by_weight, side.reference, dtype))

    def _fetch(self, value: Any, module: ModuleType) -> Array:
        """Fetch (batch, time, …); the valid steps of a ragged value land where they belong."""
        if not _takes_ragged(module):
            return self.engine.to_numpy(value)
        steps = self.engine.to_numpy(getattr(value, "flat_values", value))
        padded = np.zeros((*self.valid.shape, *steps.shape[1:]), steps.dtype)
        padded[self.valid] = steps
        return padded

    def play(self, contenders: Sequence[Contender]) -> None:
        """Play the contenders' rounds, if any are asked for, and report every contender."""
        self.emit({"event": "ready"})
        self.listen()
        players = [self._player(one) for one in contenders]
        shared = self._bounds(self.sides.of(contenders[0].rival))
        shared |= self._play_rounds(players) if self.task.round_seconds > 0 else {}
        for one, player in zip(contenders, players, strict=True):
            self._report(one, player, shared)

    def _bounds(self, side: Side) -> dict[str, Any]:
        """Say what bounds a call from below: the layer's work, and what the device attains."""
        task, found = self.task, dict[str, Any]()
        rows = task.setting.batch * task.setting.seq_len
        if task.counts_work:
            self.emit({"event": "busy", "strategy": None, "doing": "counting the layer's work"})
            try:
                found = self.engine.work(side.layer, rows, task.features, task.setting)
            except Exception:  # noqa: BLE001 - a layer that cannot be counted is timed all the same
                traceback.print_exc()
        return found | (self.engine.attainable() if task.gauges_device else {})

    def _report(self, one: Contender, player: rounds.Player, shared: Mapping[str, Any]) -> None:
        traces = getattr(one.compiled, "traces", 0)
        facts = {**one.facts, "traces": traces, "steady": player.steady, **shared}
        self.emit(
            {
                **_ended(one.rival, Status.MEASURED, ""),
                "seconds_per_call": player.seconds_per_call,
                "calls_per_sample": player.calls_per_sample,
                "facts": facts,
            }
        )

    def _player(self, one: Contender) -> rounds.Player:
        return rounds.Player(
            one.rival.name,
            call=one.compiled.bind(one.feed),
            wait=self.engine.wait,
            traces=lambda: one.compiled.traces,
            slower=one.rival.slower,
            pair=one.rival.pair or one.rival.name,
            mark=partial(self._mark, 1 + self.task.rivals.index(one.rival)),
        )

    def _play_rounds(self, players: Sequence[rounds.Player]) -> dict[str, Any]:
        """Warm up, freeze the garbage collector, and play; give the facts that all rivals share."""
        for player in players:
            self.emit({"event": "busy", "strategy": player.name, "doing": "warming up"})
            rounds.size_samples(player, rounds.warm_up(player), self.dice)
        gc.collect()
        gc.freeze()
        gc.disable()
        self.emit({"event": "busy", "strategy": None, "doing": PLAYING})
        watch = quiet.Watch()
        play = self._be_conducted if self.task.conducted else self._conduct
        played = play(players)
        self._mark(0)
        return {**played, **watch.facts()}

    def _conduct(self, players: Sequence[rounds.Player]) -> dict[str, Any]:
        seconds = self.task.round_seconds * len(players)
        return rounds.play(
            players, seconds, self.dice, preemptions=quiet.preemptions, stop=self._hurried
        ).facts()

    def _be_conducted(self, players: Sequence[rounds.Player]) -> dict[str, Any]:
        """Play a sample whenever told to; who conducts knows the rounds."""
        by_name = {player.name: player for player in players}
        self.emit({"event": "warm"})
        while name := self.listen().get("play"):
            player = by_name[name]
            seconds = player.take_turn(time.perf_counter)
            self.emit(
                {
                    "event": "sample",
                    "seconds": seconds,
                    "calls": player.calls_per_sample,
                    "traces": player.traces(),
                    "preemptions": quiet.preemptions(),
                }
            )
        return {}


def _takes_ragged(module: ModuleType) -> bool:
    return getattr(module, "TAKES", "padded") == "ragged"


def _busy(rival: Rival, doing: str) -> dict[str, Any]:
    return {"event": "busy", "strategy": rival.name, "doing": doing}


def _ended(rival: Rival, status: Status, reason: str) -> dict[str, Any]:
    return {"event": "ended", "strategy": rival.name, "status": status, "reason": reason}


def _refusal(module: ModuleType, rival: Rival, layer: Any, setting: Setting) -> str | None:
    """Ask the strategy, and tell it those of its parameters that it wants to know."""
    refuses = getattr(module, "refuses", None)
    if refuses is None:
        return None
    wanted = inspect.signature(refuses).parameters.keys() & rival.parameters.keys()
    reason: str | None = refuses(layer, setting, **{one: rival.parameters[one] for one in wanted})
    return reason


def _build(module: ModuleType, rival: Rival, layer: Any, task: Task) -> Any:
    static = task.setting.time_axis == "static"
    shape = (task.setting.seq_len if static else None, *task.features)
    extra = {"dtype": task.input_dtype} if task.input_dtype else {}
    return module.build(layer, shape, **extra, **rival.parameters)


def _status_of(error: Exception) -> Status:
    exhausted = isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"
    return Status.OUT_OF_MEMORY if exhausted else Status.FAILED
