"""Cases that questions ask for, of a catalogue that is small and made up."""

from pathlib import Path

from timelift.inner_layer import LayerInputs
from timelift.measure.catalogue import Catalogue, Strategy, Workload
from timelift.measure.request import Question, cases_of


def cases(asked=None, compares="", sizes="all", keeps="", **question):
    strategies = {name: Strategy(name, Path(f"{name}.py"), name) for name in ("fold", "native")}
    workloads = {
        "small": Workload("small", "f", LayerInputs.of_one((3,)), (5, 10), (1, 2), default=True),
        "large": Workload("large", "f", LayerInputs.of_one((3,)), (50,), (9,), default=False),
    }
    asking = Question(question, compares, sizes, keeps)
    return cases_of(asking, asked or {}, Catalogue(strategies, workloads))
