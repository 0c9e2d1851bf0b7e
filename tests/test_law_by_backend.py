"""The table of the law by backend: words are counted, and only what is new is explained."""

import pytest

from studies import law_by_backend
from studies.support import Cell
from timelift.case import Backend, Mode, TimeAxis


def cell(word, reason="", workload="sensor", mode=Mode.EAGER):
    """What became of one strategy."""
    return Cell("fold", workload, TimeAxis.STATIC, mode, word, reason)


def test_words_are_counted_and_reasons_told_once():
    """What the first backend refuses too needs no note."""
    found = [
        (Backend.TENSORFLOW, cell("lifts")),
        (Backend.TENSORFLOW, cell("refuses", "no Dense", "frames")),
        (Backend.TENSORFLOW, cell("lifts", mode=Mode.GRAPH)),
        (Backend.JAX, cell("refuses", "it assigns")),
        (Backend.JAX, cell("refuses", "no Dense", "frames")),
        (Backend.JAX, cell("refuses", "it assigns", mode=Mode.GRAPH)),
    ]
    head, _, row, _, *notes = law_by_backend.table(found)
    assert head == (
        "| strategy | tensorflow eager | tensorflow compiled | jax eager | jax compiled |"
    )
    assert row == "| `fold` | lifts 1, refuses 1 | lifts | refuses 2 (1) | refuses (1) |"
    assert notes == ["1. it assigns"]


def test_everything_is_tried_eagerly_and_one_workload_compiled():
    """On each backend."""
    tried = law_by_backend.trials(["sensor", "frames"], [Backend.JAX])
    columns = {workload: list(columns) for _, workload, columns in tried}
    assert columns == {
        "sensor": [law_by_backend.EAGER, law_by_backend.COMPILED],
        "frames": [law_by_backend.EAGER],
    }


@pytest.mark.parametrize("words", ["--backends jaxx", "--workloads sensors"])
def test_an_unknown_name_is_one_sentence(words, monkeypatch, capsys):
    """With what was likely meant, before anything is tried."""
    monkeypatch.setattr("sys.argv", ["law_by_backend", *words.split()])
    with pytest.raises(SystemExit) as ended:
        law_by_backend.main()
    assert ended.value.code == 2
    received = words.split()[1]
    last = capsys.readouterr().err.splitlines()[-1]
    assert f"unknown name {received!r}; nearest: {received[:-1]}" in last
