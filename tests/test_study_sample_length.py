"""The study of sample lengths: all of its path, and a slope that it must see."""

import pytest

from studies import sample_length


@pytest.mark.study
def test_the_study_of_sample_lengths_prints_every_case_and_their_median(capfd):
    words = "--backends tensorflow --seq-lens 16 --launches 1 --rounds 3"
    assert sample_length.main(words.split()) in {0, 1}
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].split()[-8:] == ["1", "ms", "2", "ms", "4", "ms", "8", "ms"]
    assert len(lines) == 10
    assert lines[-1].startswith("median of 8 cases")


def test_a_slope_is_no_flat_table(monkeypatch):
    for paid, ends in ((0.0, 0), (5e-5, 1)):
        case = {one: 1e-3 * (1 + paid / one) for one in sample_length.LENGTHS}
        launch = {f"case {n}": case for n in range(3)}
        monkeypatch.setattr(sample_length, "played", lambda *_, launch=launch: [launch])
        assert sample_length.main(["--backends", "tensorflow"]) == ends
