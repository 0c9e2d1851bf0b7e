"""The compact letter display: shared letters say what was not shown to differ, and no more."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from timelift.analyse.stats.ranking import tie_letters


@given(st.integers(1, 7), st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6))))
def test_rivals_share_a_letter_exactly_when_they_were_not_shown_to_differ(count, pairs):
    """For any pattern of differences."""
    differ = np.zeros((count, count), dtype=bool)
    for i, j in pairs:
        if i != j and max(i, j) < count:
            differ[i, j] = differ[j, i] = True
    letters = [set(word) for word in tie_letters(differ)]
    for i, j in itertools.combinations(range(count), 2):
        assert bool(letters[i] & letters[j]) != differ[i, j]


def test_letters_follow_the_rows():
    """The first row has an a; a middle one that differs from neither end has both letters."""
    differ = np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0]], dtype=bool)
    assert tie_letters(differ) == ("a", "ab", "b")
