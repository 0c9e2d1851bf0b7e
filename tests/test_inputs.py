"""What the rivals of a setting are fed: padded or ragged, with a mask where lengths vary."""

from types import SimpleNamespace

import numpy as np
import pytest

from timelift.case import Lengths, Phase, Setting
from timelift.inner_layer import LayerInputs
from timelift.worker.draws import draw_valid
from timelift.worker.inputs import Feeds, SharedInputs

BATCH, TIME, FEATURES = 4, 6, 3
LENGTHS = (6, 1, 4, 2)
VALID = np.arange(TIME) < np.array(LENGTHS)[:, None]
INPUTS = np.random.default_rng(1).standard_normal((BATCH, TIME, FEATURES))
COTANGENT = np.random.default_rng(2).standard_normal((BATCH, TIME, 2))
#: An engine on which placing an array leaves it as it is.
ENGINE = SimpleNamespace(
    place=np.asarray, to_numpy=np.asarray, place_ragged=lambda inputs, valid: inputs[valid]
)


def feeds(lengths=Lengths.UNIFORM, *, ragged=False):
    setting = Setting("plain", TIME, BATCH, Phase.BACKWARD, lengths=lengths)
    shared = SharedInputs(LayerInputs.of_one((FEATURES,)), [INPUTS], [None], VALID, ())
    return Feeds(ENGINE, setting, shared, ragged)


@pytest.mark.parametrize("lengths", Lengths)
def test_a_padded_rival_gets_a_mask_where_lengths_vary(lengths):
    feed = feeds(lengths).feed([COTANGENT])
    assert np.array_equal(feed.inputs, INPUTS)
    assert np.array_equal(feed.cotangents, [COTANGENT])
    assert np.array_equal(feed.mask, None if lengths is Lengths.FULL else VALID)


def test_a_ragged_rival_is_fed_the_valid_steps_alone():
    feed = feeds(ragged=True).feed([COTANGENT])
    assert feed.mask is None
    assert len(feed.inputs) == len(feed.cotangents[0]) == sum(LENGTHS)
    assert np.array_equal(feed.cotangents, [COTANGENT[VALID]])
    fetched = feeds(ragged=True).fetch(feed.inputs)
    assert np.array_equal(fetched, INPUTS * VALID[..., None])


@pytest.mark.parametrize("lengths", Lengths)
def test_every_sequence_has_a_step_and_the_first_has_all(lengths):
    setting = Setting("plain", 9, 5, Phase.FORWARD, lengths=lengths)
    for seed in range(50):
        valid = draw_valid(setting, np.random.default_rng(seed))
        assert valid.shape == (5, 9)
        assert valid[0].all()
        assert valid[:, 0].all()
        assert (np.diff(valid.astype(int)) <= 0).all()
        assert valid.all() == (lengths is Lengths.FULL)
