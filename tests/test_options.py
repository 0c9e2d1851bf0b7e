"""The options that are no axes."""

import dataclasses

import pytest
from _pytest.config import get_config

from timelift.case import AXES, Setting
from timelift.errors import UserError
from timelift.measure import options
from timelift.measure.options import FLAGS, OPTIONS, OTHER_OPTIONS, LaunchRange, option_named

PERCENTAGES = [option for option in OPTIONS if option.default.endswith("%")]


@pytest.mark.parametrize(
    ("name", "word", "value"),
    [
        ("launches", "", LaunchRange(3, 12)),
        ("launches", "5", LaunchRange(5, 5)),
        ("launches", "2-4", LaunchRange(2, 4)),
        ("budget", "", None),
        ("budget", "90", 90.0),
        ("budget", "90s", 90.0),
        ("budget", "5m", 300.0),
        ("budget", "0.5h", 1800.0),
        ("precision", "", 0.02),
        ("seed", "", None),
        ("seed", "0", 0),
    ],
)
def test_the_text_of_an_option_becomes_its_value(name, word, value):
    assert option_named(name).value(word) == value


@pytest.mark.parametrize("option", PERCENTAGES, ids=lambda option: option.name)
def test_a_share_has_two_spellings(option):
    assert option.value("7%") == option.value("0.07") == option.value("7 %") == pytest.approx(0.07)


@pytest.mark.parametrize("option", OTHER_OPTIONS, ids=lambda option: option.name)
def test_every_option_has_a_default_that_it_can_read(option):
    option.value("")


def test_a_file_where_results_belong_is_refused_though_nobody_named_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").touch()
    with pytest.raises(UserError, match="expected a folder, received 'results'"):
        option_named("results").value("")


@pytest.mark.parametrize(
    "plugin", ["pytest_timeout", "xdist.plugin", "pytest_cov.plugin", "pytest_randomly"]
)
def test_no_option_has_the_name_of_one_of_pytest_or_of_a_common_plugin(plugin):
    pytest.importorskip(plugin)
    config = get_config()
    for name in ("pytest_benchmark.plugin", plugin):
        config.pluginmanager.import_plugin(name)
    options = [option for group in config._parser._groups for option in group.options]
    theirs = {name for option in options for name in option.names()}
    assert {"--strict", "--benchmark-only"} <= theirs
    assert theirs & {*FLAGS} == set()


def test_every_option_of_a_printed_command_is_an_option_of_bench():
    assert [*AXES] == [field.name for field in dataclasses.fields(Setting)]
    asked = {option.axis: option.flag for option in OPTIONS if option.axis}
    assert asked.keys() == {"strategy", *AXES} - {"machine"}
    assert (asked["seq_len"], asked["time_axis"]) == ("--seq-lens", "--time-axes")
    assert {"--strategies", "--precision", "--budget", "--layer", "--inputs"} <= {*FLAGS}


def test_the_options_of_bench_are_no_more_than_a_person_scans():
    assert len(FLAGS) <= 30


def test_lists_split_outside_brackets():
    assert options.split("fold[k=8,remat=True], native") == ["fold[k=8,remat=True]", "native"]
