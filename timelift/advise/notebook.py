"""`timelift.advise(model)`: what the command answers, from a notebook or a program."""

import json
import os
import re
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from timelift.advise import races
from timelift.advise.advice import Advice, ModelAdvice
from timelift.advise.advice_code import CLONE, advice_code, code_instead
from timelift.advise.advice_words import document
from timelift.advise.in_place import changed, made_by
from timelift.advise.outcome_words import Pages
from timelift.advise.user_model import (
    OPTIONS,
    SEQ_LEN,
    Feeding,
    read_call,
    read_runtime,
    usual_batch,
)
from timelift.errors import UserError, nearest, one_line
from timelift.inner_layer import TIME_DISTRIBUTED, Factory
from timelift.measure.launch import IMPORTED_BY, run_folder
from timelift.present.document import to_json
from timelift.present.terminal import to_text
from timelift.project import Project

_INSTEAD = "write a function that makes it in a file, and give 'path.py:function'"
#: How a stored model holds classes and functions that are not Keras's, and lambdas.
_OWN = re.compile(rb'"module": (?!"keras[."])|"class_name": "__lambda__"|"value": \["')


@dataclass(frozen=True, repr=False)
class Answer:
    """The advice on a model, as text a screenful.

    `code` to paste clones a Keras model that has the name `model`; `data` is the command's JSON.
    The model is `at_hand`, or else its `factory` makes it, by modules in `folders` too. `instead`
    is the code of what to put in the place of its lifts.
    """

    verdict: Advice
    text: str
    code: str
    data: dict[str, Any]
    factory: Factory
    instead: str
    folders: tuple[Path, ...] = ()
    at_hand: Any = None

    def __repr__(self) -> str:
        return self.text

    @cached_property
    def model(self) -> Any:
        """The model with its lifts changed: its names, weights, compile and optimiser.

        A model at hand is cloned. One that was named is made in this process; lifts that are
        attributes are replaced where they stand. Raises UserError if no change is advised, or where
        that cannot be done.
        """
        if self.verdict is not Advice.CHANGE:
            raise UserError(
                f"expected the advice to change, received {self.verdict}; keep the model"
            )
        to_change = [lift for lift in self.data["lifts"] if lift["advice"] == Advice.CHANGE]
        if loops := [lift for lift in to_change if lift["usual"] != TIME_DISTRIBUTED]:
            after = loops[0]["after"]
            raise UserError(f"a loop is changed by hand: write {after} for it where it stands")
        is_at_hand = self.at_hand is not None
        return changed(self._as_written(), self.instead, CLONE, at_hand=is_at_hand)

    def _as_written(self) -> Any:
        if self.at_hand is not None:
            return self.at_hand
        return made_by(self.factory, self.folders)

    def verify(self, x: Any, y: Any, steps: int = 3) -> pd.DataFrame:
        """Return outputs, losses of train steps and weights after them, beside it as written.

        `x` and `y` are one batch. Rows have the largest value of outputs and weights, and the
        largest difference as a share of it; both models are left as they were. With noise in
        training, such as Dropout, losses differ. Raises UserError as `model` does.
        """
        models = self._as_written(), self.model
        if not models[0].compiled:
            raise UserError(
                "expected a model that is compiled, received one that is not; compile it"
            )
        if self.at_hand is None:
            for model in models:  # which may make its weights in a call
                model.predict_on_batch(x)
            models[0].set_weights(self.model.get_weights())
        both = [_trained(model, x, y, steps) for model in models]
        rows = {}
        for name, own in both[0].items():
            pairs = zip(own, both[1][name], strict=True)
            scale = max(float(np.abs(part).max()) for part in own) or 1.0
            moved = max(float(np.abs(new - old).max()) for old, new in pairs) / scale
            largest = (max(float(np.abs(part).max()) for part in each[name]) for each in both)
            rows[name] = [*largest, moved]
        return pd.DataFrame.from_dict(
            rows, "index", columns=["as written", "changed", "difference"]
        )


def _trained(model: Any, x: Any, y: Any, steps: int) -> dict[str, list[Any]]:
    """Return what a model computes, by rows of `verify`; it is left as it was."""
    keras = sys.modules["keras"]
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    before = [keras.ops.convert_to_numpy(variable) for variable in variables]
    try:
        found = {"outputs": keras.tree.flatten(model.predict_on_batch(x))}
        for step in range(1, steps + 1):
            found[f"loss of step {step}"] = [np.ravel(model.train_on_batch(x, y))[:1]]
        found[f"weights after {steps} steps"] = model.get_weights()
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)
    return found


def answer(
    advice: ModelAdvice, pages: Pages, folders: Sequence[Path] = (), *, at_hand: Any = None
) -> Answer:
    told = document([advice], pages)
    code = "\n".join(advice_code(advice, pages, is_at_hand=at_hand is not None))
    text, data = to_text(told).rstrip("\n"), json.loads(to_json(told.data))
    factory, instead = Factory.of(advice.model.factory), code_instead(advice, pages)
    return Answer(advice.verdict, text, code, data, factory, instead, tuple(folders), at_hand)


def advise(
    model: Any,
    *,
    batch: int | None = None,
    seq_len: int = SEQ_LEN,
    phase: str = "",
    runtime: str = "",
    **options: Any,
) -> Answer:
    """Find every lift in a model, and measure what to write instead, as the command does.

    `model` is a Keras model, or what the command takes, such as `path.py:function`. A `runtime`
    serves it, by default one sequence a call, of which there are 32 otherwise. `options` are
    those of the command: `budget="2m"`, `backend="jax"` (by default that of the Keras which is
    imported here), or `data="path.py:function"`. Raises UserError.
    """
    if IMPORTED_BY in os.environ:
        raise UserError(
            "timelift.advise is called while its own file is imported to be measured; call it "
            'below: if __name__ == "__main__":'
        )
    known = {"data", "backend", *OPTIONS} - {"backends", "cluster"}
    if unknown := sorted(options.keys() - known):
        raise UserError(f"unknown option {unknown[0]!r}; {nearest(unknown[0], known)}")
    served = read_runtime(runtime) if runtime else None
    data = options.pop("data", "")
    feeding = Feeding(data, batch or usual_batch(served, data), seq_len)
    keras = sys.modules.get("keras")
    backend = options.pop("backend", "") or (keras.backend.backend() if keras else "")
    texts = {name: str(value) for name, value in options.items()} | {"backends": backend}
    project = replace(Project.around(Path.cwd()), pythonpath=(Path.cwd(),))
    called = read_call(phase) if phase else None
    with tempfile.TemporaryDirectory(dir=run_folder()) as folder:
        factory = model if isinstance(model, str) else _stored(model, keras, folder)
        (advice,) = races.advise_on(project, factory, [feeding], texts, called, runtime=served)
    at_hand = None if isinstance(model, str) else model
    return answer(advice, races.pages(project), project.import_folders, at_hand=at_hand)


def _stored(model: Any, keras: Any, folder: str) -> str:
    """Store a Keras model, for other processes, and return the file; raises UserError."""
    path, reason = f"{folder}/model.keras", ""
    if keras is None or not isinstance(model, keras.Model):
        raise UserError(f"expected a model of Keras 3, received {type(model)}; {_INSTEAD}")
    try:
        model.save(path)
    except Exception as error:  # noqa: BLE001 - a layer of the user's may raise anything
        reason = one_line(error)
    else:
        with zipfile.ZipFile(path) as parts:
            if _OWN.search(parts.read("config.json")):
                reason = "it has classes or functions that are not Keras's"
    if reason:
        raise UserError(f"expected a model that can be stored, but {reason}; {_INSTEAD}")
    return path
