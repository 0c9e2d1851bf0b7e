"""Playing a setting: what is reported of each rival once its rounds are over."""

import random
from types import SimpleNamespace

from timelift.case import Phase, Setting, Status
from timelift.inner_layer import LayerInputs
from timelift.measurement import CaseInLaunch
from timelift.messages import Done, Go, Play, RivalSpec, Task, WorkerChannel
from timelift.worker.engines import Feed
from timelift.worker.measure_setting import Playing
from timelift.worker.prepare import PreparedRival

SETTING = Setting("tokens", 4, 2, Phase.FORWARD)


class Program:
    """A compiled model that is traced anew at every call, or at none."""

    def __init__(self, *, retraces):
        self.retraces, self.traces = retraces, 1

    def bind(self, _feed):
        return self.call

    def call(self):
        self.traces += self.retraces
        return sum(range(2000))


def reports(**retraces):
    """Play rivals of these names; return the event that reports each."""
    rivals = tuple(RivalSpec(name, f"{name}.py") for name in retraces)
    events = []
    engine = SimpleNamespace(wait=lambda _: None)
    task = Task(SETTING, rivals, "", LayerInputs.of_one((3,)), 1, 0.02)
    play = Playing(engine, task, WorkerChannel(events.append), random.Random(1))
    play.run(
        [
            PreparedRival(rival, Program(retraces=retraces[rival.name]), Feed(None))
            for rival in rivals
        ]
    )
    return {event.case.strategy: event for event in events if isinstance(event, CaseInLaunch)}


def test_a_chronic_retracer_fails_by_name_and_its_rivals_are_measured():
    ends = reports(good=False, chronic=True, better=False)
    assert ends["chronic"].status == Status.FAILED
    assert ends["chronic"].reason.startswith("it was traced anew in 3 rounds")
    assert not ends["chronic"].seconds_per_call
    for name in ("good", "better"):
        assert ends[name].status == Status.MEASURED
        assert all(ends[name].seconds_per_call[:5])
        assert ends[name].facts.dropped_rounds == 3


def test_a_conducted_worker_has_no_rival_at_work_while_it_waits():
    rival = RivalSpec("one", "one.py")
    orders, noted, waiting = iter([Go(), Play("one"), Done()]), [], []

    def listen():
        waiting.append(noted[-1:])
        return next(orders)

    task = Task(SETTING, (rival,), "", LayerInputs.of_one((3,)), 1, 0.02, conducted=True)
    channel = WorkerChannel(lambda _: None, listen, noted.append)
    play = Playing(SimpleNamespace(wait=lambda _: None), task, channel, random.Random(1))
    play.run([PreparedRival(rival, Program(retraces=False), Feed(None))])
    assert waiting == [[], [], [0]]
