"""What a strategy for JAX alone does beyond the law, as `test_strategy_meaning.py` words it."""

import keras
import numpy as np

from tests.support.projects import STRATEGIES
from timelift.axis_values import Backend, Phase
from timelift.case import Setting
from timelift.worker.user_code import load_module

BATCH, TIME, FEATURES, K = 2, 5, 3, 2


def behaviour(name):
    module = load_module(str(STRATEGIES[name].path))
    setting = Setting("probe", TIME, BATCH, Phase.BACKWARD, backend=Backend.JAX)
    random = {"DROPOUT": keras.layers.Dropout(0.5), "BATCH_NORM": keras.layers.BatchNormalization()}
    refused = {
        each: bool(module.refuses(layer, setting)) and "refused" for each, layer in random.items()
    }
    layer = keras.layers.Dense(2, activity_regularizer="l2")
    model = module.build(layer, (TIME, FEATURES), k=K)
    x = np.random.default_rng(5).standard_normal((BATCH, TIME, FEATURES))
    y = model(x, mask=np.arange(TIME) < [[3], [1]])
    return refused | {
        "INNER_LOSSES": losses(model),
        "MASKS": "passed" if getattr(y, "_keras_mask", None) is not None else "lost",
        "PADDED_STEPS": "computed" if np.allclose(y, layer(x), atol=1e-5) else "unknown",
    }


def losses(model):
    try:
        return float(sum(model.losses))
    except Exception as error:  # noqa: BLE001 - JAX's own
        return "unreachable" if type(error).__name__ == "UnexpectedTracerError" else str(error)
