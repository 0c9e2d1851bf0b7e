"""What tests write by hand is what a run writes: its rivals are counted, and it can go on."""

from collections import Counter

from tests import journals
from timelift.measure.header import open_past

CASES = journals.grid(("native", "fold_time", "loop_slice"), phases=("forward",))
HEAD = journals.header(planned=[case.label for case in CASES], asked={})


def test_rivals_of_a_setting_in_a_launch_are_written_together(tmp_path):
    """Each line tells how many they are, as `--resume` counts them."""
    path = journals.write(tmp_path / "run.jsonl", HEAD, *journals.campaign(CASES, launches=2))
    played = open_past(tmp_path, str(path)).played
    assert len(played) == 2 * len({case.setting for case in CASES})
    assert {one.rivals for lines in played.values() for one in lines} == {3}
    assert set(Counter(map(len, played.values()))) == {3}


def test_a_journal_that_lost_one_of_them_loses_the_others_when_it_goes_on(tmp_path):
    """They were played together, and only together mean something."""
    whole = journals.write(tmp_path / "run.jsonl", HEAD, *journals.campaign(CASES, launches=2))
    lines = whole.read_bytes().splitlines(keepends=True)
    whole.write_bytes(b"".join(lines[:-1]))
    past = open_past(tmp_path, str(whole))
    assert past.kept_bytes == len(b"".join(lines[:-3]))
    again = journals.go_on(whole, journals.END)
    assert again.read_bytes().splitlines(keepends=True)[:-1] == lines[:-1]
