"""`timelift.advise(model)`: what the command answers, from a notebook or a program."""

import json
import os
import re
import sys
import tempfile
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from timelift.advise import races
from timelift.advise.advice import Advice, ModelAdvice
from timelift.advise.advice_code import advice_code
from timelift.advise.advice_words import Pages, document
from timelift.advise.user_model import (
    OPTIONS,
    SEQ_LEN,
    Feeding,
    read_call,
    read_runtime,
    usual_batch,
)
from timelift.errors import UserError, nearest, one_line
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
    """

    verdict: Advice
    text: str
    code: str
    data: dict[str, Any]

    def __repr__(self) -> str:
        return self.text


def answer(advice: ModelAdvice, pages: Pages, *, is_at_hand: bool) -> Answer:
    told = document([advice], pages)
    code = "\n".join(advice_code(advice, pages, is_at_hand=is_at_hand))
    return Answer(advice.verdict, to_text(told).rstrip("\n"), code, json.loads(to_json(told.data)))


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
    imported here), or `data="path.py:function"`, whose sizes count. Raises UserError.
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
    feeding = Feeding(options.pop("data", ""), batch or usual_batch(served), seq_len)
    keras = sys.modules.get("keras")
    backend = options.pop("backend", "") or (keras.backend.backend() if keras else "")
    texts = {name: str(value) for name, value in options.items()} | {"backends": backend}
    project = replace(Project.around(Path.cwd()), pythonpath=(Path.cwd(),))
    called = read_call(phase) if phase else None
    with tempfile.TemporaryDirectory(dir=run_folder()) as folder:
        factory = model if isinstance(model, str) else _stored(model, keras, folder)
        (advice,) = races.advise_on(project, factory, [feeding], texts, called, runtime=served)
    return answer(advice, races.pages(project), is_at_hand=not isinstance(model, str))


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
