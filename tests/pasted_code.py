"""Models written anew by the code that `advise --code` prints, in one backend."""

import json
import tempfile
from unittest import mock

import keras
import numpy as np

from tests.changed_models import BATCH, largest_error, named, outputs_of
from tests.projects import STRATEGIES
from timelift.advise.advice import Advice, LiftAdvice, ModelAdvice
from timelift.advise.advice_code import advice_code
from timelift.advise.advice_words import advice_json
from timelift.advise.user_model import Feeding, UserModel
from timelift.case import Backend
from timelift.source import read_source
from timelift.worker import find_lifts, model_data
from timelift.worker.describe import describe_model
from timelift.worker.user_code import find_model


def pasted(name, strategy, *, stored):
    """Write a model anew by the code that `advise --code` prints, and compare the two.

    The old model has weights that Keras does not draw, so they have to be carried over.
    """
    with tempfile.TemporaryDirectory() as folder:
        old, noise = find_model(named(name)), np.random.default_rng(6)
        data = model_data.data_of(old, "", BATCH, 5, noise)
        old(data.inputs)
        weights = old.get_weights()
        old.set_weights([noise.uniform(high=0.1, size=weight.shape) for weight in weights])
        factory = f"{folder}/model.keras" if stored else named(name)
        if stored:
            old.save(factory)
        feeding = Feeding("", BATCH, 5)
        fields = describe_model(factory, feeding._asdict())
        model = UserModel.of(factory, feeding, Backend(keras.backend.backend()), fields)
        lifts = tuple(LiftAdvice(lift, Advice.CHANGE, strategy) for lift in model.lifts)
        advice = ModelAdvice(model, Advice.CHANGE, lifts)
        pages = {strategy: read_source(STRATEGIES[strategy].path)}
        code = "\n".join(advice_code(advice, pages))
        namespace = {}
        exec(code, namespace)  # noqa: S102 - what is tested
        if not stored:
            lines = json.loads(advice_json([advice], pages))["lifts"]
            namespace |= {"old_model": old, "new_model": _written_anew(name, lines, namespace)}
            exec(code.rpartition("\n#   ")[2], namespace)  # noqa: S102 - what is tested
        new = namespace["new_model"]
        return {
            "lifts": len(find_lifts.find_lifts(new)),
            "error": largest_error(outputs_of(new, data), outputs_of(old, data)),
            "largest": max(float(np.abs(output).max()) for output in outputs_of(old, data)),
        }


def _written_anew(name, lines, namespace):
    """Make a model with the advised line in place of each lift."""
    line_of = {line["name"]: line for line in lines}

    def lift(layer, called):
        inner = line_of[called]["before"].removeprefix("TimeDistributed(").removesuffix(")")
        kind, is_call, _ = inner.partition("(")
        given = {kind: (lambda *_: layer) if is_call else layer}
        return eval(line_of[called]["after"], namespace | given)  # noqa: S307 - as above

    with mock.patch(f"{named(name).partition(':')[0]}._lift", lift):
        return find_model(named(name))
