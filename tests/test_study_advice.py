"""The study of what advice makes of models."""

from studies import advice as study
from studies.advice import Truth
from tests.advised import WHOLE, make_model, of_lifts, raced, run
from timelift.advise.advice import ModelAdvice


def test_the_study_refuses_what_is_slower_means_something_else_or_is_missing(tmp_path, monkeypatch):
    model = make_model()
    known = ModelAdvice(model, run(tmp_path, of_lifts(model)))
    (slower,) = raced(tmp_path, known, WHOLE | {"changed": 4.0}).races
    advice = raced(tmp_path, known, WHOLE)
    row = study.row(Truth(3, named="looped"), advice, advice.races[0], 90.0)
    assert row[6].startswith("lift 2: fold_time 5 ")
    assert row[7:] == (3, 3, 0, 0, 0, 90.0)
    assert not [*study.BOARD.complaints(row)]
    monkeypatch.setattr(study, "KEEP", {"sents_td": ("native",)})
    row = study.row(Truth(4, named="other"), advice, slower, 90.0)
    assert row[7:] == (4, 3, 2, 1, 1, 90.0)
    assert len([*study.BOARD.complaints(row)]) == 3
