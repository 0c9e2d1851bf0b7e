"""What launches measured: lines of which those beside other programs do not count."""

from dataclasses import replace

from tests.support import gates, journals
from tests.support.campaigns import BESIDE, QUIET
from timelift.analyse import results
from timelift.commands import additions
from timelift.measurement import CaseInLaunch, without_disturbed


def played(name, number, facts, seconds=(1e-3,)):
    return CaseInLaunch(journals.case(name), number, seconds_per_call=seconds, facts=facts)


def counting(lines):
    return {(one.case.strategy, one.number) for one in without_disturbed(lines) if one.was_timed}


def test_disturbed_launches_do_not_count_beside_three_others_of_all_their_rivals():
    facts = {1: BESIDE, 2: QUIET, 3: QUIET, 4: QUIET, 5: replace(BESIDE, missing_cores=0.1)}
    lines = [played(name, number, facts[number]) for name in "ab" for number in facts]
    everything = {(one.case.strategy, one.number) for one in lines}
    assert counting(lines) == everything - {("a", 1), ("b", 1)}
    assert counting([*lines, played("c", 1, BESIDE)]) == everything | {("c", 1)}
    assert counting([one for one in lines if one.number < 4]) == {
        (name, number) for name in "ab" for number in (1, 2, 3)
    }


def test_a_gate_beside_another_program_is_told_and_judged_as_it_is(tmp_path):
    quiet, loud = (
        results.load(gates.run_file(tmp_path / name, slow=1.2, **facts))
        for name, facts in {"quiet": {}, "loud": BESIDE.fields()}.items()
    )
    told, not_told = additions.verdicts_on_copies(loud), additions.verdicts_on_copies(quiet)
    assert told.answer == not_told.answer
    *others, disturbed = told.blocks
    assert "took 0.9 of 2 cores in" in disturbed.sentences[0]
    assert [block.sentences for block in not_told.blocks] == [block.sentences for block in others]
