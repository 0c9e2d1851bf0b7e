"""Another checkout and this one are read alike, and a doctored answer is reported."""

import argparse
import math

import pytest

from studies import old_against_new, old_journals

ANSWERS = [
    ("0001 load ratio", [1.0, math.nan, 2.5]),
    ("0001 export csv", "0.1234567890123456,same\n"),
    ("0002 compare", "1 suspect, +3.0 %\n"),
]
CHECKED_OUT = (old_against_new.ROOT / ".git").exists()


@pytest.mark.study
@pytest.mark.skipif(not CHECKED_OUT, reason="needs the repository's history")
def test_the_last_commit_and_this_checkout_read_alike(capfd):
    assert old_against_new.main(["--quick", "--old", "HEAD"]) == 0, capfd.readouterr().out
    rows = dict(line.rsplit(maxsplit=1) for line in capfd.readouterr().out.splitlines())
    assert rows["journals"] == "10"
    assert rows["differing"] == "0"
    assert int(rows["numbers compared"].replace(",", "")) > 10_000


@pytest.mark.study
@pytest.mark.skipif(not CHECKED_OUT, reason="needs the repository's history")
def test_a_checkout_with_another_word_differs_in_that_word_alone(tmp_path, capsys):
    told = []
    for name in ("one", "doctored"):
        checkout = old_against_new.check_out("HEAD", tmp_path / f"checkout-{name}")
        door = checkout / "timelift" / "cli.py"
        if name == "doctored":
            door.write_text(door.read_text().replace('f"timelift: {', 'f"tmielift: {'))
        output = tmp_path / f"{name}.jsonl"
        asked = argparse.Namespace(journals=3, pages=10, seed=0, runs=[])
        old_against_new.read(checkout, tmp_path / f"home-{name}", output, asked)
        told.append(old_against_new.answers(output))
    tally = old_against_new.compare(*told)
    assert tally.numbers > 1000
    assert all(old == new.replace("tmielift", "timelift") for _, old, new in tally.differing)
    assert old_against_new.show(tally, 3) == 1
    said = capsys.readouterr().out
    assert "  old  timelift: " in said
    assert "  new  tmielift: " in said


@pytest.mark.parametrize(
    ("doctored", "key"),
    [
        ({"0001 load ratio": [1.0, math.nan, 2.5 * (1 + 1e-8)]}, "0001 load ratio"),
        ({"0001 load ratio": [1.0, 1.0, 2.5]}, "0001 load ratio"),
        ({"0001 load ratio": [1.0, math.nan]}, "0001 load ratio"),
        ({"0001 load ratio": "1.0"}, "0001 load ratio"),
        ({"0001 export csv": "0.1234567990123456,same\n"}, "0001 export csv"),
        ({"0001 export csv": "0.1234567890123456,same\r\n"}, "0001 export csv"),
        ({"0001 export csv": "0.1234567890123456,same\nmore\n"}, "0001 export csv"),
        ({"0002 compare": "1 suspect, +3.00 %\n"}, "0002 compare"),
        ({"0002 compare": "2 suspect, +3.0 %\n"}, "0002 compare"),
        ({"0002 choose": "native\n"}, "0002 choose"),
        ({"0003 compare": "1 suspect\n"}, "the order of runs"),
    ],
)
def test_a_doctored_answer_is_reported_unless_it_is_expected(doctored, key, capsys):
    new = list((dict(ANSWERS) | doctored).items())
    for old, other in ((ANSWERS, new), (new, ANSWERS)):
        tally = old_against_new.compare(old, other)
        assert [one[0] for one in tally.differing] == [key]
        assert old_against_new.show(tally, 1) == 1
        assert key in capsys.readouterr().out
    if key in dict(new):
        tally = old_against_new.compare(ANSWERS, new, {f"^{key}: ": "another rule"})
        assert not tally.differing
        assert old_against_new.show(tally, 1) == 0
        assert "expected 1: another rule" in capsys.readouterr().out


def test_equal_answers_and_rounding_are_no_difference():
    rounded = {
        "0001 load ratio": [1.0, math.nan, 2.5 * (1 + 1e-15)],
        "0001 export csv": "0.1234567890123457,same\n",
    }
    tally = old_against_new.compare(ANSWERS, (dict(ANSWERS) | rounded).items())
    assert not tally.differing
    assert (tally.numbers, tally.texts) == (3, 2)
    assert 0 < tally.worst < old_against_new.EQUAL
    assert old_against_new.show(old_against_new.compare([], []), 0) == 1


def test_one_seed_makes_one_journal_and_every_third_is_damaged():
    made = [old_journals.anything(seed) for seed in range(6)]
    assert made == [old_journals.anything(seed) for seed in range(6)]
    assert len(set(made)) == 6


@pytest.mark.parametrize(
    ("means", "ends", "said"),
    [
        ((0.001, -0.001, 0.002, 0.0), 0, "within 1%"),
        ((0.02, 0.021, 0.019, 0.02), 1, "beyond 1%"),
        ((0.03, -0.03, 0.02, -0.02), 2, "not known to be within 1%"),
        ((0.0,), 2, "not known to be within 1%"),
    ],
)
def test_the_verdict_of_a_live_comparison_is_that_of_its_interval_over_turns(
    means, ends, said, capsys
):
    assert old_against_new.show_live(means) == ends
    assert capsys.readouterr().out.rstrip().endswith(said)
