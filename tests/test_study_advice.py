"""The study of what advice makes of models."""

from studies import advice as study
from tests.advised import WHOLE, advised, make_model


def test_the_study_counts_what_a_promise_became_and_refuses_a_model_made_slower(tmp_path):
    advice = advised(tmp_path, make_model(), whole=WHOLE)
    row = study.row(advice, advice.whole, 90.0)
    assert row[6:] == (1.0, 1.0, 0.0, 0.0, 90.0)
    assert not [*study.BOARD.complaints(row)]
    slower = advised(tmp_path, make_model(), whole=WHOLE | {"changed": 4.0, "only_lift1": 3.5})
    assert study.row(slower, None, 90.0)[6:] == (0.0, 1.0, 1.0, 0.0, 90.0)  # nothing is advised
    row = study.row(advice, slower.whole, 90.0)
    assert row[9] == 1.0
    assert [*study.BOARD.complaints(row)]
    brief = advised(tmp_path, make_model(), whole=WHOLE, launches=1)
    assert study.row(brief, brief.whole, 90.0)[6:9] == (0.0, 0.0, 0.0)  # nothing is known
